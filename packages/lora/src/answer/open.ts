// An open model and adapters for it, ready to be asked: one copy of the base, one queue, an answerer for each adapter.
import { stopIdsOf, type ContextTemplate, type PromptChoice, type PromptTemplate, type Row } from '@jora/data'
import {
  answeringDType,
  Engine,
  Generator,
  weightShapes,
  type Adapt,
  type Decoder,
  type DecoderConfig,
  type DTypeSetting,
  type OpenModel,
  type ProgramCounts,
} from '@jora/llama'
import { disposeTree, type Device } from '@jora/tensor'
import type { WeightSource } from '@jora/tensor/weights'
import type { Adapter } from '../adapter/adapter'
import { adapterArgument, settleAdapter, withArgument, type AdapterArgument } from '../adapter/apply'
import { baseWeights } from '../adapter/loftq/files'
import { baseAsTrained, checkBase, promptFor } from '../adapter/prompt-file'
import { loadAdapter } from '../adapter/read-adapter'
import { ConfigError } from '../settings/config-error'
import type { LoraConfig } from '../settings/lora-config'
import { LocalAnswerer } from './local'

/** What {@link openAnswerers} opens, and where. */
export interface OpenAnswerersOptions {
  /** Folders of the adapters that are asked; undefined for the base without one. */
  readonly adapters: readonly (string | undefined)[]
  /** The device, or a function that opens it, called once adapters and prompts are known to fit the model. */
  readonly device: Device | (() => Promise<Device>)
  /** The dtype that the models compute in (default `auto`: `answeringDType` chooses). */
  readonly dtype?: DTypeSetting | undefined
  /** The prompt of all of them; what each adapter and the model say when absent or `auto`. */
  readonly prompt?: PromptChoice | undefined
  /** Folder of the adapter whose prompt all of them are asked in; each its own when absent. */
  readonly promptOf?: string | undefined
  /** How documents are written, if not as the prompt says. */
  readonly documents?: ContextTemplate | undefined
  /** Rows that are asked, for a prompt that is chosen by them. */
  readonly rows?: readonly Row[] | undefined
}

/** A model as it is asked, with one adapter or none. */
export interface AskedModel {
  readonly answerer: LocalAnswerer
  /** The base as this adapter was trained on it: its positions stretched where they were. */
  readonly decoder: Decoder
  readonly prompt: PromptTemplate
  /** What the user should know of the prompt, if anything. */
  readonly note?: string | undefined
  /** Empty without an adapter. */
  readonly adapter: Adapter
  /** The settings of the adapter; undefined without one. */
  readonly lora: LoraConfig | undefined
}

/** An open base with its answerers. */
export interface OpenAnswerers {
  readonly device: Device
  readonly base: Decoder
  /** Compiled programs of all of them; see `Generator.programCounts`. */
  programCounts(): ProgramCounts
  /** In the order of the adapters that were passed. */
  readonly asked: readonly AskedModel[]
  /** Releases programs, adapters and weights; the device stays open. */
  dispose(): void
}

/**
 * Opens answerers of `model`. Adapters are arguments of its programs: those of equal shapes share them, where they were trained on
 * the same positions.
 * @throws ConfigError for an adapter of another base, or one that does not fit; ModelError as `decoder` does
 */
export async function openAnswerers(model: OpenModel, options: OpenAnswerersOptions): Promise<OpenAnswerers> {
  const { adapters, dtype, prompt: choice, promptOf, documents, rows } = options
  const { tokenizer } = model
  const prompts: Awaited<ReturnType<typeof promptFor>>[] = []
  const configs: DecoderConfig[] = []
  const bases = new Map<string, WeightSource>()
  for (const folder of adapters) {
    if (folder !== undefined) {
      await checkBase(folder, model)
      const own = await baseWeights(folder, model)
      if (own) bases.set(folder, own)
    }
    configs.push((folder === undefined ? model : await baseAsTrained(model, folder)).config)
    const adapter = promptOf ?? folder
    prompts.push(await promptFor({ adapter, model: model.ref.dir, tokenizer, choice, documents, rows }))
  }
  const [first, second] = [...bases.keys(), ...adapters.filter((folder) => folder !== undefined && !bases.has(folder))]
  if (bases.size > 0 && second !== undefined)
    throw new ConfigError(
      `${first} has a base of its own, which LoftQ quantised in several rounds: it cannot be asked together with ${second}`,
    )
  const device = typeof options.device === 'function' ? await options.device() : options.device
  const base = await model.decoder(
    device,
    answeringDType(dtype, device, weightShapes(model.config).values()),
    'asked',
    bases.get(first!),
  )
  const adapt: Adapt = (adapter, decoder) => withArgument(decoder, adapter as AdapterArgument)
  // One for each way that positions are stretched: all read the same weights.
  const engines = new Map<string, Engine>()
  const engineOf = (decoder: Decoder): Engine => {
    const key = JSON.stringify(decoder.config.ropeScaling)
    const engine = engines.get(key) ?? new Engine(new Generator(decoder, device, adapt))
    engines.set(key, engine)
    return engine
  }
  const held: AdapterArgument[] = []
  const asked: AskedModel[] = []
  for (const [i, folder] of adapters.entries()) {
    const { template: prompt, note } = prompts[i]!
    const decoder: Decoder = { ...base, config: configs[i]! }
    const engine = engineOf(decoder)
    const common = { engine, tokenizer, prompt, stopIds: stopIdsOf(prompt, tokenizer, base.config.eosTokenIds) }
    if (folder === undefined) {
      asked.push({ answerer: new LocalAnswerer(common), decoder, prompt, note, adapter: {}, lora: undefined })
      continue
    }
    const { adapter: loaded, config: lora } = await loadAdapter(folder, base.config, device)
    const adapter = settleAdapter(loaded, base, lora)
    const argument = adapterArgument(adapter, lora, device, base.config)
    held.push(argument)
    asked.push({ answerer: new LocalAnswerer({ ...common, adapter: argument }), decoder, prompt, note, adapter, lora })
  }
  return {
    device,
    base,
    programCounts: () => {
      const all = [...engines.values()].map(({ generator }) => generator.programCounts)
      const sum = (key: keyof ProgramCounts) => all.reduce((total, counts) => total + counts[key], 0)
      return { kept: sum('kept'), compiled: sum('compiled') }
    },
    asked,
    dispose: () => {
      for (const engine of engines.values()) engine.dispose()
      disposeTree([held, base.weights])
    },
  }
}
