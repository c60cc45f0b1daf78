// Opening a base model for a command: downloads and what is odd about its files are shown on stderr.
import {
  describeModel,
  openModel,
  weightSharding,
  type DecoderConfig,
  type DownloadEvent,
  type ModelDescription,
  type OpenModel,
  type OpenModelOptions,
} from '@jora/llama'
import { parseMesh, ShardingError } from '@jora/shard'
import { UsageError } from './errors'
import type { Io } from './io'
import type { QuantizeSetting } from './open-device'
import { bytes } from './ui/format'
import { bar, StatusLine } from './ui/status-line'
import { styleFor } from './ui/style'

/** Opens a model, or reads what its small files say, with what is downloaded and what is odd about its files on stderr. */
async function withProgress<T extends ModelDescription>(
  { stderr, env }: Io,
  open: (options: OpenModelOptions) => Promise<T>,
): Promise<T> {
  const line = new StatusLine(stderr)
  const style = styleFor(stderr, env)
  const begun = new Set<string>()
  const onProgress = ({ file, receivedBytes, totalBytes }: DownloadEvent) => {
    if (!begun.has(file) && !stderr.isTTY) line.log(`downloading ${file} (${bytes(totalBytes)})`)
    begun.add(file)
    line.show(
      `${bar(receivedBytes / Math.max(1, totalBytes), 24, style)}  ${bytes(receivedBytes)} of ${bytes(totalBytes)}  ${file}`,
    )
  }
  try {
    const model = await open({ onProgress })
    line.clear()
    for (const warning of model.warnings) line.log(style.yellow(`note: ${warning}`))
    return model
  } finally {
    line.clear()
  }
}

/** The base model, opened; a Hub id is downloaded on first use. */
export const openBase = (model: string, io: Io, quantize: QuantizeSetting = 'none'): Promise<OpenModel> =>
  withProgress(io, (options) => openModel(model, { ...options, quantize: quantize === 'none' ? undefined : quantize }))

/** As {@link openBase}, without its weights. */
export const describeBase = (model: string, io: Io): Promise<ModelDescription> =>
  withProgress(io, (options) => describeModel(model, options))

/** @throws UsageError when the model cannot be split over the mesh: told before devices are opened */
export function checkSplit(config: DecoderConfig, mesh: string | undefined): void {
  if (mesh === undefined) return
  try {
    weightSharding(config, parseMesh(mesh))
  } catch (error) {
    throw error instanceof ShardingError ? new UsageError(error.message) : error
  }
}
