// Opening what commands ask: a model by folder or Hub id, adapters for it, the device.
import { basename, resolve } from 'node:path'
import type { ContextTemplate, PromptChoice, Row, Tokenizer } from '@jora/data'
import { ModelError, type Decoder, type ModelDescription } from '@jora/llama'
import {
  baseOfAdapter,
  openAnswerers,
  type AskedModel,
  type DTypeSetting,
  type LocalAnswerer,
  type OpenAnswerers,
  type OpenAnswerersOptions,
} from '@jora/lora'
import type { Device } from '@jora/tensor'
import { UsageError } from './errors'
import type { Io } from './io'
import { rankOf } from './job'
import { checkSplit, openBase } from './open-base'
import { openDeviceFor, type DeviceValues } from './open-device'
import { styleFor } from './ui/style'

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

export interface Asked extends AskedModel {
  readonly model: ModelDescription
  readonly device: Device
  readonly tokenizer: Tokenizer
  readonly base: Decoder
}

/** A dtype that the device cannot compute in was the user's to choose. */
async function opened(opening: Promise<OpenAnswerers>, io: Io): Promise<OpenAnswerers> {
  const answerers = await opening.catch((error: Error) => {
    throw error instanceof ModelError && error.message.startsWith('dtype ') ? new UsageError(error.message) : error
  })
  if (rankOf(io.env) === 0)
    for (const { note } of answerers.asked)
      if (note !== undefined) io.stderr.write(`${styleFor(io.stderr, io.env).yellow(`note: ${note}`)}\n`)
  return answerers
}

/**
 * Opens a model and, where given, an adapter for it, on a device that is open or to be opened.
 * @throws UsageError | ConfigError for a model, adapter or device that cannot be used
 */
export async function openAsked(settings: ModelValues | OnDevice, io: Io): Promise<Asked> {
  const { adapter } = settings
  if (settings.model === undefined && adapter === undefined)
    throw new UsageError('pass --model DIR, or --adapter DIR of an adapter that names its base')
  const quantize = 'quantize' in settings ? settings.quantize : undefined
  await using model = await openBase(settings.model ?? (await baseOfAdapter(adapter!)).model, io, quantize)
  if ('deviceMemory' in settings) checkSplit(model.config, settings.mesh)
  const options: OpenAnswerersOptions = {
    adapters: [adapter],
    device: 'deviceMemory' in settings ? () => openDeviceFor(settings, io) : settings.device,
    dtype: settings.dtype,
    prompt: settings.promptTemplate,
    documents: settings.contextTemplate,
    rows: settings.rows,
  }
  const { device, asked } = await opened(openAnswerers(model, options), io)
  const [first] = asked
  return { ...first!, model, device, base: first!.decoder, tokenizer: model.tokenizer }
}

export interface NamedAdapter {
  readonly name: string
  readonly dir: string
}

export interface Served {
  readonly device: Device
  readonly tokenizer: Tokenizer
  /** Adapters as they were given, then the base under its Hub id, or its folder's name. */
  readonly models: readonly { readonly name: string; readonly answerer: LocalAnswerer }[]
  readonly programCounts: OpenAnswerers['programCounts']
  dispose(): Promise<void>
}

/**
 * Opens a base and any number of adapters for it, to be asked by name.
 * @throws UsageError | ConfigError for a model, adapter or device that cannot be used, or names that are the same
 */
export async function openServed(
  values: DeviceValues & { readonly model: string; readonly adapters: readonly NamedAdapter[] },
  io: Io,
): Promise<Served> {
  const { adapters, dtype } = values
  await using model = await openBase(values.model, io, values.quantize)
  // A GGUF file has a name of its own; others may lie beside it.
  const baseName = model.ref.id ?? basename(resolve(model.ref.path)).replace(/\.gguf$/i, '')
  if (adapters.some(({ name }) => name === baseName))
    throw new UsageError(`an adapter is called ${baseName}, as its base is; name it with NAME=DIR`)
  const options: OpenAnswerersOptions = {
    adapters: [...adapters.map(({ dir }) => dir), undefined],
    device: () => openDeviceFor(values, io),
    dtype,
  }
  const { device, programCounts, asked, dispose } = await opened(openAnswerers(model, options), io)
  const names = [...adapters.map(({ name }) => name), baseName]
  return {
    device,
    tokenizer: model.tokenizer,
    programCounts,
    models: asked.map(({ answerer }, i) => ({ name: names[i]!, answerer })),
    async dispose() {
      dispose()
      await device.close()
    },
  }
}
