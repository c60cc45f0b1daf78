// PEFT adapters: adapter_config.json and adapter_model.safetensors, as text and bytes.
import type { Device } from '@jora/tensor'
import {
  decodeFloats,
  isFloatDType,
  parseSafetensors,
  serializeSafetensors,
  type SafetensorsEntry,
  type SafetensorsHeader,
} from '@jora/tensor/safetensors'
import { allFinite } from '@jora/tensor/weights'
import type { DecoderConfig } from '@jora/llama'
import type { Adapter } from '../adapter'
import { fittingModules, madeFor } from '../adapter-fit'
import {
  converted,
  downloadAdapter,
  uploadModule,
  type AdapterArrays,
  type HostMatrix,
  type ModuleArrays,
} from '../host'
import { ConfigError } from '../../settings/config-error'
import { loraRank, type LoraConfig } from '../../settings/lora-config'
import { adapterConfigFile, parsePeftConfigText, peftConfig, type PeftConfig, type PeftInfo } from './peft-config'
import { methodOf, partShape, partsOf } from '../methods'
import { isLowRank, type Parts, type Replaced } from '../methods/method'
import { headFollows, moduleNames, replacedModules, type ReplacedSettings } from '../replaced/modules'
import { isLoraPart, peftName, peftTensors, readReplacedName, replacedName, type LoraPart } from './peft-names'
import type { AdaptedModule } from '../target-modules'

export const adapterWeightsFile = 'adapter_model.safetensors'

const bytesOf = (data: ArrayBufferView): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)

/** Tensors of an adapter as safetensors entries, as PEFT has them: see `Conversion` for methods that start from the base. */
export async function adapterEntries(adapter: Adapter, config: LoraConfig): Promise<SafetensorsEntry<Uint8Array>[]> {
  const { adapter: written, config: ranks } = converted(await downloadAdapter(adapter), config)
  return writtenEntries(written, ranks)
}

/** As {@link arrayEntries}, with the head too that `ensureWeightTying` keeps tied to a trained embedding. */
export function writtenEntries(adapter: AdapterArrays, config: LoraConfig): SafetensorsEntry<Uint8Array>[] {
  const entries = arrayEntries(adapter, config)
  const [embedding, head] = [moduleNames.embed_tokens, moduleNames.lm_head].map((name) => replacedName(name, 'weight'))
  const tied = config.ensureWeightTying && entries.find(({ name }) => name === embedding)
  return tied ? [...entries, { ...tied, name: head! }] : entries
}

/** Tensors of moments, which are shaped as what is trained of an adapter, as safetensors entries under PEFT's names. */
export const momentEntries = async (moments: Adapter, config: Ranks): Promise<SafetensorsEntry<Uint8Array>[]> =>
  arrayEntries(await downloadAdapter(moments), config)

type Ranks = Pick<LoraConfig, 'r' | 'rankPattern'>

/** As {@link adapterEntries}, of an adapter on the host that is of one of PEFT's kinds already. */
export const arrayEntries = (adapter: AdapterArrays, ranks: Ranks): SafetensorsEntry<Uint8Array>[] =>
  Object.entries(adapter).flatMap(([module, parts]) => {
    if (!isLowRank(parts)) return [replacedEntry(module, parts)]
    return partsOf(parts).map(([part, data]) => {
      if (!isLoraPart(part)) throw new TypeError(`PEFT has no tensor ${part} of ${module}: it was not converted`)
      const shape = partShape(part, data.length, loraRank(ranks, module))
      return { name: peftName(module, part), dtype: 'F32' as const, shape, data: bytesOf(data) }
    })
  })

function replacedEntry(module: string, parts: Replaced<HostMatrix>): SafetensorsEntry<Uint8Array> {
  const [part, { data, shape }] =
    'weight' in parts ? (['weight', parts.weight] as const) : (['rows', parts.rows] as const)
  return { name: replacedName(module, part), dtype: 'F32', shape, data: bytesOf(data) }
}

/** A safetensors file, in memory or on disk. */
export interface AdapterWeights extends SafetensorsHeader {
  read(name: string): Uint8Array | Promise<Uint8Array>
}

/**
 * A matrix of an adapter's file as f32.
 * @param path what errors call the file
 * @throws ConfigError when it is missing, of another shape or type, or holds a number that is not finite
 */
export async function readMatrix(
  file: AdapterWeights,
  path: string,
  name: string,
  shape: readonly number[],
  baseModel?: string,
): Promise<Float32Array> {
  const info = file.tensors.get(name)
  if (!info) throw new ConfigError(`${path}: tensor ${name} is missing`)
  if (info.shape.join() !== shape.join())
    throw new ConfigError(
      `${path}: ${name} has shape [${info.shape.join(',')}], expected [${shape.join(',')}]: ${madeFor(baseModel).replace(/another model/, 'another model or rank')}`,
    )
  if (!isFloatDType(info.dtype)) throw new ConfigError(`${path}: ${name} is ${info.dtype}, expected F32, F16 or BF16`)
  const bytes = await file.read(name)
  if (!allFinite(bytes, info.dtype))
    throw new ConfigError(`${path}: ${name} holds NaN or infinite numbers: the training that wrote it diverged`)
  return decodeFloats(bytes, info.dtype)
}

/** PEFT ties nothing where nothing is tied. */
const fitted = ({ ensureWeightTying, ...config }: LoraConfig, { tiedHead }: DecoderConfig): LoraConfig =>
  ensureWeightTying && tiedHead ? { ...config, ensureWeightTying } : config

/**
 * Names of a file's tensors: those of weights that the settings replace, by module, and the others. A tied head that is there beside
 * its embedding is neither.
 */
function sortedNames(
  { tensors }: SafetensorsHeader,
  model: DecoderConfig,
  settings: ReplacedSettings,
): { readonly lowRank: readonly string[]; readonly ofReplaced: ReadonlyMap<string, string> } {
  const modules = replacedModules(model, settings)
  const [embedding] = modules
  const ofReplaced = new Map<string, string>()
  const lowRank = [...tensors.keys()].filter((tensor) => {
    const found = readReplacedName(tensor)
    if (!found) return true
    const isTied = found.name === moduleNames.lm_head && found.part === embedding?.part && headFollows(model, settings)
    if (isTied) return false
    if (!modules.some(({ name, part }) => name === found.name && part === found.part)) return true
    ofReplaced.set(found.name, tensor)
    return false
  })
  return { lowRank, ofReplaced }
}

/**
 * Tensors of `file`, under the names that PEFT and its users give them, as those that training changes of the adapters of the
 * `modules` they must cover.
 * @param path what errors call the file
 * @throws ConfigError naming the tensor at fault
 */
export async function adapterArrays(
  file: AdapterWeights,
  path: string,
  modules: readonly AdaptedModule[],
  config: LoraConfig,
  model: DecoderConfig,
  baseModel?: string,
): Promise<AdapterArrays> {
  const { lowRank, ofReplaced } = sortedNames(file, model, config)
  const tensors = peftTensors(lowRank, path)
  const method = methodOf(config)
  const adapter: Record<string, ModuleArrays> = {}
  for (const { name, part, shape } of replacedModules(model, config)) {
    const data = await readMatrix(file, path, ofReplaced.get(name) ?? replacedName(name, part), shape, baseModel)
    adapter[name] = part === 'weight' ? { weight: { data, shape } } : { rows: { data, shape } }
  }
  for (const module of modules) {
    const found = tensors.get(module.name)
    const read: Partial<Record<LoraPart, Float32Array>> = {}
    for (const [part, shape] of partsOf(method.shapes(module, config))) {
      if (!isLoraPart(part)) continue
      read[part] = await readMatrix(file, path, found?.[part] ?? peftName(module.name, part), shape, baseModel)
      delete found?.[part]
    }
    adapter[module.name] = read as Parts<Float32Array>
  }
  for (const [module, parts] of tensors)
    for (const [part, name] of Object.entries(parts)) {
      const isDora = part === 'magnitude' && adapter[module] !== undefined
      throw new ConfigError(
        isDora
          ? `${path}: tensor ${name} is a magnitude of DoRA, and "use_dora" is not true in the adapter's settings`
          : `${path}: tensor ${name} belongs to no adapted module of this model`,
      )
    }
  return adapter
}

/**
 * The adapter, with the ranks that its settings give each module, as f32 tensors on a device (the default one when
 * absent), shaped as {@link Parts} says.
 */
export const uploadAdapter = (adapter: AdapterArrays, ranks: Ranks, device?: Device): Adapter =>
  Object.fromEntries(
    Object.entries(adapter).map(([module, parts]) => [module, uploadModule(parts, loraRank(ranks, module), device)]),
  )

/** The two files of a PEFT adapter, in memory. */
export interface PeftFiles {
  readonly [adapterConfigFile]: string
  readonly [adapterWeightsFile]: Uint8Array
}

/** The adapter as PEFT's files, for a page to offer as a download. */
export async function serializePeftAdapter(adapter: Adapter, config: LoraConfig, info: PeftInfo): Promise<PeftFiles> {
  return {
    [adapterConfigFile]: `${JSON.stringify(peftConfig(config, Object.keys(adapter), info), null, 2)}\n`,
    [adapterWeightsFile]: serializeSafetensors(await adapterEntries(adapter, config), { format: 'pt' }),
  }
}

/** An adapter read from files, on the host. */
export interface PeftAdapter {
  readonly adapter: AdapterArrays
  readonly config: LoraConfig
  readonly baseModel: string | undefined
  /** Commit of the base model, where the adapter names one. */
  readonly revision?: string | undefined
  /** For {@link PeftInfo.kept}, so that writing it again loses nothing. */
  readonly kept?: Readonly<Record<string, unknown>> | undefined
}

/** The adapter for `model` of a PEFT config and its tensors. @throws ConfigError naming the file and what is at fault */
export async function peftAdapter(
  settings: PeftConfig,
  file: AdapterWeights,
  path: string,
  model: DecoderConfig,
): Promise<PeftAdapter> {
  const { baseModel, revision, kept, ...said } = settings
  const config = fitted(said, model)
  const found = new Set(peftTensors(sortedNames(file, model, config).lowRank, path).keys())
  const modules = fittingModules(model, config, { modules: found, path, baseModel })
  const adapter = await adapterArrays(file, path, modules, config, model, baseModel)
  return { adapter, config, baseModel, ...(revision === undefined ? {} : { revision }), ...(kept ? { kept } : {}) }
}

/**
 * Reads a PEFT LoRA adapter for `model` from the contents of its files; {@link uploadAdapter} makes tensors of it.
 * @throws ConfigError | SafetensorsError naming the file and the key or tensor at fault
 */
export async function parsePeftAdapter(files: PeftFiles, model: DecoderConfig): Promise<PeftAdapter> {
  const settings = parsePeftConfigText(files[adapterConfigFile], adapterConfigFile)
  const weights = parseSafetensors(files[adapterWeightsFile], adapterWeightsFile)
  return await peftAdapter(settings, weights, adapterWeightsFile, model)
}
