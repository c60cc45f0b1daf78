// Opening what commands work on: a model by folder or Hub id, its tokenizer, an adapter, the device.
import {
  stopIdsOf,
  type ContextTemplate,
  type PromptChoice,
  type PromptTemplate,
  type Row,
  type Tokenizer,
} from '@jora/data'
import {
  Engine,
  Generator,
  describeModel,
  ModelError,
  openModel as openModelFiles,
  weightSharding,
  type Decoder,
  type DecoderConfig,
  type DownloadEvent,
  type ModelDescription,
  type OpenModel as BaseModel,
  type OpenModelOptions,
} from '@jora/llama'
import {
  baseOfAdapter,
  checkBase,
  loadAdapter,
  LocalAnswerer,
  loraLinear,
  promptFor,
  type Adapter,
  type DTypeSetting,
  type LoraConfig,
} from '@jora/lora'
import { parseMesh, ShardingError } from '@jora/shard'
import type { Device } from '@jora/tensor'
import { UsageError } from './errors'
import { text, type Flag } from './flags/flag'
import { settingFlags } from './flags/setting-flags'
import type { Io } from './io'
import { rankOf } from './job'
import { openDeviceFor, type DeviceValues } from './open-device'
import { bytes } from './ui/format'
import { bar, StatusLine } from './ui/status-line'
import { styleFor } from './ui/style'

export const modelFlag = settingFlags.model
const { required: _required, ...optionalModel } = modelFlag
/** For commands that may take the model from its adapter. */
export const baseFlag: Flag<string | undefined> = { ...optionalModel, shown: 'the one the adapter was trained on' }
export const adapterFlag = text(
  'folder of a LoRA adapter in PEFT’s format, as `jora train` writes it, or in MLX’s',
  'DIR',
  {
    aliases: ['adapter-name-or-path', 'adapter-path'],
  },
)

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
export const openBase = (model: string, io: Io): Promise<BaseModel> =>
  withProgress(io, (options) => openModelFiles(model, options))

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

/** Which model, and how it is asked. */
interface Wanted {
  /** Absent: the base that the adapter names. */
  readonly model: string | undefined
  readonly adapter: string | undefined
  /** The user's choice; what adapter and model say when absent or `auto`. */
  readonly promptTemplate?: PromptChoice
  readonly contextTemplate?: ContextTemplate
  /** Rows that are asked, for `auto` without an adapter. */
  readonly rows?: readonly Row[]
}

type ModelValues = Wanted & DeviceValues
type OnDevice = Wanted & { readonly device: Device; readonly dtype: DTypeSetting }

export interface OpenModel {
  readonly model: ModelDescription
  readonly device: Device
  readonly tokenizer: Tokenizer
  readonly base: Decoder
  /** Empty without an adapter. */
  readonly adapter: Adapter
  readonly lora: LoraConfig | undefined
  /** How it is asked. */
  readonly prompt: PromptTemplate
  readonly answerer: LocalAnswerer
}

/** Opens a model and, where given, an adapter for it, on a device that is open or to be opened. */
export async function openModel(settings: ModelValues | OnDevice, io: Io): Promise<OpenModel> {
  const { adapter: adapterDir } = settings
  if (settings.model === undefined && adapterDir === undefined)
    throw new UsageError('pass --model DIR, or --adapter DIR of an adapter that names its base')
  const name = settings.model ?? (await baseOfAdapter(adapterDir!)).model
  await using model = await openBase(name, io)
  const { dir: folder } = model.ref
  if (adapterDir !== undefined) await checkBase(adapterDir, model)
  if ('deviceMemory' in settings) checkSplit(model.config, settings.mesh)
  const { tokenizer } = model
  const { template: prompt, note } = await promptFor({
    adapter: adapterDir,
    model: folder,
    tokenizer,
    choice: settings.promptTemplate,
    documents: settings.contextTemplate,
    rows: settings.rows,
  })
  if (note !== undefined && rankOf(io.env) === 0)
    io.stderr.write(`${styleFor(io.stderr, io.env).yellow(`note: ${note}`)}\n`)
  const device = 'deviceMemory' in settings ? await openDeviceFor(settings, io) : settings.device
  const base = await model.decoder(device, settings.dtype).catch((error: Error) => {
    throw error instanceof ModelError && error.message.startsWith('dtype ') ? new UsageError(error.message) : error
  })
  const stopIds = stopIdsOf(prompt, tokenizer, base.config.eosTokenIds)
  const answererOf = (decoder: Decoder) =>
    new LocalAnswerer({ engine: new Engine(new Generator(decoder, device)), tokenizer, prompt, stopIds })
  const common = { model, device, tokenizer, base, prompt }
  if (adapterDir === undefined) return { ...common, answerer: answererOf(base), adapter: {}, lora: undefined }
  const { adapter, config: lora } = await loadAdapter(adapterDir, base.config, device)
  return { ...common, answerer: answererOf({ ...base, linear: loraLinear(adapter, lora) }), adapter, lora }
}
