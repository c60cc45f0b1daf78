// Opening a base model for a command: downloads and what is odd about its files are shown on stderr.
import {
  describeModel,
  openModel,
  weightSharding,
  type DecoderConfig,
  type ModelDescription,
  type OpenModel,
  type OpenModelOptions,
} from '@jora/llama'
import { parseMesh, ShardingError } from '@jora/shard'
import { UsageError } from './errors'
import type { Io } from './io'
import type { QuantizeSetting } from './open-device'
import { downloadLine } from './ui/download-line'

/** Opens a model, or reads what its small files say, with what is downloaded and what is odd about its files on stderr. */
async function withProgress<T extends ModelDescription>(
  io: Io,
  open: (options: OpenModelOptions) => Promise<T>,
): Promise<T> {
  const line = downloadLine(io)
  try {
    const model = await open({ onProgress: line.show })
    line.clear()
    for (const warning of model.warnings) line.note(warning)
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
