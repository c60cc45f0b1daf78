// Opening what commands work on: a model by folder or Hub id, its tokenizer, an adapter, the device.
import { loadTokenizer, type Tokenizer } from '@jora/data'
import {
  loadConfig,
  loadModel,
  weightSharding,
  type Decoder,
  type DownloadEvent,
  type ResolvedModel,
} from '@jora/llama'
import {
  chooseDType,
  ConfigError,
  loadAdapter,
  loraLinear,
  modelFolder,
  type Adapter,
  type DTypeSetting,
  type LoraConfig,
} from '@jora/lora'
import { parseMesh, ShardingError } from '@jora/shard'
import type { Device } from '@jora/tensor'
import { UsageError } from './errors'
import { required, text } from './flags/flag'
import type { Io } from './io'
import { openDeviceFor, type DeviceValues } from './open-device'
import { bytes } from './ui/format'
import { bar, StatusLine } from './ui/status-line'
import { styleFor } from './ui/style'

export const modelFlag = required(
  text('the base model: a folder in Hugging Face layout, or a Hub id', 'DIR or hub id', {
    aliases: ['model-name-or-path', 'base-model'],
  }),
)
export const adapterFlag = text('a LoRA adapter: of PEFT, as `jora train` leaves it, or of MLX', 'DIR', {
  aliases: ['adapter-name-or-path', 'adapter-path'],
})

/** The model's folder; a Hub id is downloaded on first use, with progress on stderr. */
export async function openFolder(model: string, { stderr, env }: Io): Promise<ResolvedModel> {
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
    return await modelFolder(model, { onProgress })
  } finally {
    line.clear()
  }
}

/** @throws UsageError when the model in `folder` cannot be split over the mesh: told before devices are opened */
export async function checkSplit(folder: string, mesh: string | undefined): Promise<void> {
  if (mesh === undefined) return
  try {
    weightSharding(await loadConfig(folder), parseMesh(mesh))
  } catch (error) {
    throw error instanceof ShardingError ? new UsageError(error.message) : error
  }
}

interface ModelValues extends DeviceValues {
  readonly model: string
  readonly adapter: string | undefined
}

export interface OpenModel {
  readonly folder: string
  readonly device: Device
  readonly tokenizer: Tokenizer
  /** The model with the adapter, if any, beside its linear layers. */
  readonly decoder: Decoder
  readonly base: Decoder
  /** Empty without an adapter. */
  readonly adapter: Adapter
  readonly lora: LoraConfig | undefined
}

/** Opens a model and, where given, an adapter for it, on a device that is open or to be opened. */
export async function openModel(
  settings: { model: string; adapter: string | undefined; device: Device; dtype: DTypeSetting } | ModelValues,
  io: Io,
): Promise<OpenModel> {
  const { dir: folder } = await openFolder(settings.model, io)
  if ('deviceMemory' in settings) await checkSplit(folder, settings.mesh)
  const device = 'deviceMemory' in settings ? await openDeviceFor(settings, io) : settings.device
  const loaded = await loadModel(folder, { device })
  const dtype = await chooseDType(settings.dtype, device, loaded.weights).catch((error: Error) => {
    throw error instanceof ConfigError ? new UsageError(error.message) : error
  })
  const base: Decoder = { ...loaded, dtype }
  const tokenizer = await loadTokenizer(folder)
  const common = { folder, device, tokenizer, base }
  if (settings.adapter === undefined) return { ...common, decoder: base, adapter: {}, lora: undefined }
  const { adapter, config: lora } = await loadAdapter(settings.adapter, base.config, device)
  return { ...common, decoder: { ...base, linear: loraLinear(adapter, lora) }, adapter, lora }
}

/** Ids that end an answer: the model's and the tokenizer's. */
export function stopIdsOf({ base, tokenizer }: Pick<OpenModel, 'base' | 'tokenizer'>): number[] {
  return [...new Set([...base.config.eosTokenIds, ...(tokenizer.eosId === undefined ? [] : [tokenizer.eosId])])]
}
