// PEFT adapters: adapter_config.json and adapter_model.safetensors, as text and bytes.
import { tensor, type Device } from '@jora/tensor'
import {
  decodeFloats,
  isFloatDType,
  parseSafetensors,
  serializeSafetensors,
  type SafetensorsEntry,
  type SafetensorsHeader,
} from '@jora/tensor/safetensors'
import type { DecoderConfig } from '@jora/llama'
import type { Adapter } from './adapter'
import { adaptedModules, ConfigError, type AdaptedModule, type LoraConfig } from './lora-config'

export const adapterConfigFile = 'adapter_config.json'
export const adapterWeightsFile = 'adapter_model.safetensors'

const prefix = 'base_model.model.'

/** PEFT's name of a module's A or B, e.g. `base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight`. */
export const peftName = (module: string, part: 'loraA' | 'loraB'): string =>
  `${prefix}${module}.lora_${part === 'loraA' ? 'A' : 'B'}.weight`

export interface PeftInfo {
  /** Hub id or folder of the base model. */
  readonly baseModel: string
  /** Commit of the base model, when it came from the Hub. */
  readonly revision?: string | undefined
}

/** adapter_config.json as PEFT writes it. */
export function peftConfig(
  config: LoraConfig,
  modules: readonly string[],
  { baseModel, revision }: PeftInfo,
): Record<string, unknown> {
  return {
    alpha_pattern: {},
    base_model_name_or_path: baseModel,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    lora_alpha: config.alpha,
    lora_dropout: config.dropout,
    modules_to_save: null,
    peft_type: 'LORA',
    r: config.r,
    rank_pattern: {},
    revision: revision ?? null,
    // As given: the last parts alone would name modules of layers that were left out.
    target_modules:
      config.targetModules === 'all-linear'
        ? [...new Set(modules.map((name) => name.split('.').at(-1)!))].sort()
        : [...config.targetModules].sort(),
    task_type: 'CAUSAL_LM',
    use_dora: false,
    use_rslora: config.useRslora,
  }
}

const bytesOf = (data: ArrayBufferView): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)

/** Tensors of an adapter (or of moments shaped like one) as safetensors entries under PEFT's names. */
export async function adapterEntries(adapter: Adapter): Promise<SafetensorsEntry<Uint8Array>[]> {
  const entries: SafetensorsEntry<Uint8Array>[] = []
  for (const [module, pair] of Object.entries(adapter)) {
    for (const part of ['loraA', 'loraB'] as const) {
      const data = await pair[part].data()
      entries.push({ name: peftName(module, part), dtype: 'F32', shape: pair[part].shape, data: bytesOf(data) })
    }
  }
  return entries
}

/** An adapter on the host: A `[r, in]` and B `[out, r]` of each module, row-major. */
export type AdapterArrays = Readonly<Record<string, { readonly loraA: Float32Array; readonly loraB: Float32Array }>>

/** A safetensors file, in memory or on disk. */
interface AdapterWeights extends SafetensorsHeader {
  read(name: string): Uint8Array | Promise<Uint8Array>
}

/**
 * Tensors of `file` under PEFT's names, as pairs of the `modules` they must cover.
 * @param path what errors call the file
 * @throws ConfigError naming the tensor at fault
 */
export async function adapterArrays(
  file: AdapterWeights,
  path: string,
  modules: readonly AdaptedModule[],
  r: number,
): Promise<AdapterArrays> {
  const names = new Set(file.tensors.keys())
  const read = async (name: string, shape: readonly number[]): Promise<Float32Array> => {
    const info = file.tensors.get(name)
    if (!info) throw new ConfigError(`${path}: tensor ${name} is missing`)
    if (info.shape.join() !== shape.join())
      throw new ConfigError(
        `${path}: ${name} has shape [${info.shape.join(',')}], expected [${shape.join(',')}]: the adapter was made for another model or rank`,
      )
    names.delete(name)
    if (!isFloatDType(info.dtype)) throw new ConfigError(`${path}: ${name} is ${info.dtype}, expected F32, F16 or BF16`)
    return decodeFloats(await file.read(name), info.dtype)
  }
  const adapter: Record<string, { loraA: Float32Array; loraB: Float32Array }> = {}
  for (const { name, inFeatures, outFeatures } of modules) {
    adapter[name] = {
      loraA: await read(peftName(name, 'loraA'), [r, inFeatures]),
      loraB: await read(peftName(name, 'loraB'), [outFeatures, r]),
    }
  }
  const [left] = names
  if (left !== undefined) throw new ConfigError(`${path}: tensor ${left} belongs to no adapted module of this model`)
  return adapter
}

/** The adapter, of rank `r`, as tensors on a device (the default one when absent). */
export function uploadAdapter(adapter: AdapterArrays, r: number, device?: Device): Adapter {
  const on = device ? { device } : {}
  return Object.fromEntries(
    Object.entries(adapter).map(([module, { loraA, loraB }]) => [
      module,
      {
        loraA: tensor(loraA, { shape: [r, loraA.length / r], ...on }),
        loraB: tensor(loraB, { shape: [loraB.length / r, r], ...on }),
      },
    ]),
  )
}

/** The LoRA settings in a PEFT config, and what it names as its base model. */
export type PeftConfig = LoraConfig & { readonly baseModel: string | undefined }

/** The LoRA settings in a PEFT config. @throws ConfigError for kinds of adapter that are not plain LoRA, by name */
export function parsePeftConfig(json: unknown, source: string): PeftConfig {
  if (typeof json !== 'object' || json === null) throw new ConfigError(`${source}: expected a JSON object`)
  const config = json as Record<string, unknown>
  const refuse = (key: string, expected: string): never => {
    throw new ConfigError(`${source}: "${key}" is ${JSON.stringify(config[key]) ?? 'missing'}; expected ${expected}`)
  }
  if (config.peft_type !== 'LORA') refuse('peft_type', '"LORA"')
  if (config.use_dora) refuse('use_dora', 'false: DoRA adapters are not supported')
  if (config.bias !== undefined && config.bias !== 'none') refuse('bias', '"none"')
  if (config.fan_in_fan_out) refuse('fan_in_fan_out', 'false')
  if (Array.isArray(config.modules_to_save) && config.modules_to_save.length > 0) refuse('modules_to_save', 'null')
  for (const key of ['rank_pattern', 'alpha_pattern'])
    if (Object.keys((config[key] as object | null | undefined) ?? {}).length > 0)
      refuse(key, '{}: one rank and alpha for all modules')
  const [r, alpha, dropout] = [config.r, config.lora_alpha, config.lora_dropout ?? 0]
  if (typeof r !== 'number' || !Number.isInteger(r) || r < 1) return refuse('r', 'an integer ≥ 1')
  if (typeof alpha !== 'number' || !(alpha > 0)) return refuse('lora_alpha', 'a number > 0')
  if (typeof dropout !== 'number') return refuse('lora_dropout', 'a number')
  const targets = config.target_modules
  const isList = Array.isArray(targets) && targets.every((t): t is string => typeof t === 'string')
  if (!isList && targets !== 'all-linear') return refuse('target_modules', 'a list of module names, or "all-linear"')
  return {
    r,
    alpha,
    dropout,
    targetModules: isList ? targets : 'all-linear',
    useRslora: config.use_rslora === true,
    baseModel: typeof config.base_model_name_or_path === 'string' ? config.base_model_name_or_path : undefined,
  }
}

/** As {@link parsePeftConfig}, of the file's text. */
export function parsePeftConfigText(text: string, source: string): PeftConfig {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw new ConfigError(`${source} is not valid JSON: ${(error as Error).message}`)
  }
  return parsePeftConfig(json, source)
}

/** The two files of an adapter, in memory. */
export interface PeftFiles {
  readonly [adapterConfigFile]: string
  readonly [adapterWeightsFile]: Uint8Array
}

/** The adapter as PEFT's files, for a page to offer as a download. */
export async function serializePeftAdapter(adapter: Adapter, config: LoraConfig, info: PeftInfo): Promise<PeftFiles> {
  return {
    [adapterConfigFile]: `${JSON.stringify(peftConfig(config, Object.keys(adapter), info), null, 2)}\n`,
    [adapterWeightsFile]: serializeSafetensors(await adapterEntries(adapter), { format: 'pt' }),
  }
}

/** An adapter read from PEFT's files, on the host. */
export interface PeftAdapter {
  readonly adapter: AdapterArrays
  readonly config: LoraConfig
  readonly baseModel: string | undefined
}

/**
 * Reads a PEFT LoRA adapter for `model` from the contents of its files; {@link uploadAdapter} makes tensors of it.
 * @throws ConfigError | SafetensorsError naming the file and the key or tensor at fault
 */
export async function parsePeftAdapter(files: PeftFiles, model: DecoderConfig): Promise<PeftAdapter> {
  const { baseModel, ...config } = parsePeftConfigText(files[adapterConfigFile], adapterConfigFile)
  const weights = parseSafetensors(files[adapterWeightsFile], adapterWeightsFile)
  const adapter = await adapterArrays(weights, adapterWeightsFile, adaptedModules(model, config), config.r)
  return { adapter, config, baseModel }
}
