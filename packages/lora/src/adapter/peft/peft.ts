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
import { allFinite } from '@jora/tensor/weights'
import type { DecoderConfig } from '@jora/llama'
import type { Adapter } from '../adapter'
import { fittingModules, madeFor } from '../adapter-fit'
import { ConfigError } from '../../settings/config-error'
import { loraRank, type LoraConfig } from '../../settings/lora-config'
import { adapterConfigFile, parsePeftConfigText, peftConfig, type PeftConfig, type PeftInfo } from './peft-config'
import { peftName, peftTensors, type LoraPart } from './peft-names'
import type { AdaptedModule } from '../target-modules'

export const adapterWeightsFile = 'adapter_model.safetensors'

const bytesOf = (data: ArrayBufferView): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)

const parts = ['loraA', 'loraB'] as const

/** Tensors of an adapter (or of moments shaped like one) as safetensors entries under PEFT's names. */
export async function adapterEntries(adapter: Adapter): Promise<SafetensorsEntry<Uint8Array>[]> {
  const entries: SafetensorsEntry<Uint8Array>[] = []
  for (const [module, pair] of Object.entries(adapter)) {
    for (const part of parts) {
      const data = await pair[part].data()
      entries.push({ name: peftName(module, part), dtype: 'F32', shape: pair[part].shape, data: bytesOf(data) })
    }
  }
  return entries
}

/** An adapter on the host: A `[r, in]` and B `[out, r]` of each module, row-major. */
export type AdapterArrays = Readonly<Record<string, { readonly loraA: Float32Array; readonly loraB: Float32Array }>>

type Ranks = Pick<LoraConfig, 'r' | 'rankPattern'>

/** As {@link adapterEntries}, of an adapter on the host. */
export const arrayEntries = (adapter: AdapterArrays, ranks: Ranks): SafetensorsEntry<Uint8Array>[] =>
  Object.entries(adapter).flatMap(([module, pair]) =>
    parts.map((part) => {
      const r = loraRank(ranks, module)
      const other = pair[part].length / r
      const shape = part === 'loraA' ? [r, other] : [other, r]
      return { name: peftName(module, part), dtype: 'F32' as const, shape, data: bytesOf(pair[part]) }
    }),
  )

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
  shape: readonly [number, number],
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
    throw new ConfigError(`${path}: ${name} holds NaN or infinite numbers: the training that wrote it went wrong`)
  return decodeFloats(bytes, info.dtype)
}

/**
 * Tensors of `file`, under the names that PEFT and its users give them, as pairs of the `modules` they must cover.
 * @param path what errors call the file
 * @throws ConfigError naming the tensor at fault
 */
export async function adapterArrays(
  file: AdapterWeights,
  path: string,
  modules: readonly AdaptedModule[],
  ranks: Ranks,
  baseModel?: string,
): Promise<AdapterArrays> {
  const tensors = peftTensors(file.tensors.keys(), path)
  const adapter: Record<string, { loraA: Float32Array; loraB: Float32Array }> = {}
  for (const { name: module, inFeatures, outFeatures } of modules) {
    const r = loraRank(ranks, module)
    const read = (part: LoraPart, shape: readonly [number, number]) =>
      readMatrix(file, path, tensors.get(module)?.[part] ?? peftName(module, part), shape, baseModel)
    adapter[module] = { loraA: await read('loraA', [r, inFeatures]), loraB: await read('loraB', [outFeatures, r]) }
    tensors.delete(module)
  }
  const [left] = [...tensors.values()].flatMap(({ loraA, loraB }) =>
    [loraA, loraB].filter((name) => name !== undefined),
  )
  if (left !== undefined) throw new ConfigError(`${path}: tensor ${left} belongs to no adapted module of this model`)
  return adapter
}

/**
 * The adapter, with the ranks that its settings give each module, as f32 tensors on a device (the default one when
 * absent): A `[r, in]`, B `[out, r]`.
 */
export function uploadAdapter(adapter: AdapterArrays, ranks: Ranks, device?: Device): Adapter {
  const on = device ? { device } : {}
  return Object.fromEntries(
    Object.entries(adapter).map(([module, { loraA, loraB }]) => {
      const r = loraRank(ranks, module)
      return [
        module,
        {
          loraA: tensor(loraA, { shape: [r, loraA.length / r], ...on }),
          loraB: tensor(loraB, { shape: [loraB.length / r, r], ...on }),
        },
      ]
    }),
  )
}

/** The two files of a PEFT adapter, in memory. */
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
  const { baseModel, revision, kept, ...config } = settings
  const found = new Set(peftTensors(file.tensors.keys(), path).keys())
  const modules = fittingModules(model, config, { modules: found, path, baseModel })
  const adapter = await adapterArrays(file, path, modules, config, baseModel)
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
