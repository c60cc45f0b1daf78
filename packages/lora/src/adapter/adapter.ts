// An adapter beside a decoder: its tensors by module, how they begin, and which of them are trained.
import { sizeOf, valuesOf, type Device, type Tensor } from '@jora/tensor'
import type { Decoder, DecoderConfig } from '@jora/llama'
import { deriveSeed } from '@jora/data'
import { ConfigError } from '../settings/config-error'
import { checkLoraConfig, loraRank, methodName, type LoraConfig } from '../settings/lora-config'
import { uploadMatrix, uploadParts } from './host'
import { mapParts, methodOf, partsOf, selectParts } from './methods'
import { isLowRank, isTrained, type ModuleParts, type PartName, type Parts, type Replaced } from './methods/method'
import { replacedModules, replaces } from './replaced/modules'
import { adaptedModules, type AdaptedModule } from './target-modules'

/** The tensors of one module of low rank, f32; see {@link Parts} for their shapes. */
export type LoraPair = Parts<Tensor>

/** Tensors by module name, e.g. `model.layers.0.self_attn.q_proj`, f32; see {@link ModuleParts} for their shapes. */
export type Adapter = { readonly [module: string]: ModuleParts<Tensor> }

/** An adapter that has low-rank updates alone. */
export type LowRankAdapter = { readonly [module: string]: Parts<Tensor> }

/** The modules of an adapter that have updates of low rank. */
export const lowRankOf = <T, R>(
  adapter: Readonly<Record<string, Parts<T> | Replaced<R>>>,
): Readonly<Record<string, Parts<T>>> =>
  Object.fromEntries(
    Object.entries(adapter).flatMap(([module, parts]) => (isLowRank(parts) ? [[module, parts] as const] : [])),
  )

/**
 * A fresh adapter of a method that does not read the base: B zero, A normal with deviation 1/√(3·in). That is the spread of PEFT's
 * default (Kaiming uniform with a = √5), so that learning rates carry over.
 * @throws ConfigError for settings that do not fit the model, or a method that starts from the base; {@link startAdapter} takes any
 */
export function initAdapter(model: DecoderConfig, config: LoraConfig, seed: number, device?: Device): LowRankAdapter {
  checkLoraConfig(config)
  const method = methodOf(config)
  if (startsFromBase(config)) {
    const what = method.readsBase ? `a ${methodName(config)} adapter` : 'an adapter with an embedding or a head'
    throw new ConfigError(`${what} starts from the base's weights: startAdapter reads them`)
  }
  const start = (module: AdaptedModule, index: number) =>
    uploadParts(
      method.init(module, config, deriveSeed(seed, index), new Float32Array()),
      loraRank(config, module.name),
      device,
    )
  return Object.fromEntries(
    adaptedModules(model, config).map((module, index) => [module.name, start(module, index)] as const),
  )
}

/** Whether a fresh adapter of these settings is made of the base's weights. */
export const startsFromBase = (config: LoraConfig): boolean => methodOf(config).readsBase !== false || replaces(config)

/** Shapes of all that an adapter of these settings has. @throws ConfigError when they do not fit the model */
const shapesOf = (model: DecoderConfig, config: LoraConfig): [string, ModuleParts<readonly number[]>][] => [
  ...replacedModules(model, config).map(({ name, part, shape }): [string, Replaced<readonly number[]>] => [
    name,
    part === 'weight' ? { weight: shape } : { rows: shape },
  ]),
  ...adaptedModules(model, config).map((module): [string, Parts<readonly number[]>] => [
    module.name,
    methodOf(config).shapes(module, config),
  ]),
]

/** An adapter of zeros, where only its shapes count. @throws ConfigError for settings that do not fit the model */
export const emptyAdapter = (model: DecoderConfig, config: LoraConfig, device?: Device): Adapter =>
  Object.fromEntries(
    shapesOf(model, config).map(([name, shapes]) => [
      name,
      mapParts(shapes, (shape) => uploadMatrix({ data: new Float32Array(sizeOf(shape)), shape }, device)),
    ]),
  )

/**
 * A fresh adapter of any method for `decoder`, whose weights are read one at a time where the method starts from them.
 * @param original a weight as the model's files have it, f32, row-major, for methods that start from what quantising took, and for
 *   weights that are trained whole
 * @throws ConfigError for settings that do not fit the model
 */
export async function startAdapter(
  decoder: Pick<Decoder, 'config' | 'weights'>,
  config: LoraConfig,
  seed: number,
  device?: Device,
  original?: (name: string) => Promise<Float32Array>,
): Promise<Adapter> {
  checkLoraConfig(config)
  const method = methodOf(config)
  if (method.readsBase === 'error' && !original)
    throw new ConfigError(
      `a ${methodName(config)} adapter starts from the weights that the base is quantised from: trainLora reads them`,
    )
  const adapter: Record<string, ModuleParts<Tensor>> = {}
  for (const { name, part, shape, base, ids } of replacedModules(decoder.config, config)) {
    const data = config.whole && original ? await original(base) : await readWeight(decoder, base)
    const matrix = uploadMatrix({ data: ids ? rowsAt(data, shape[1]!, ids) : data, shape }, device)
    adapter[name] = part === 'weight' ? { weight: matrix } : { rows: matrix }
  }
  for (const [index, module] of adaptedModules(decoder.config, config).entries()) {
    const name = `${module.name}.weight`
    const base = method.readsBase ? await readWeight(decoder, name) : new Float32Array()
    const whole = method.readsBase === 'error' ? await original!(name) : base
    const read = whole === base ? base : base.map((value, i) => whole[i]! - value)
    const arrays = method.init(module, config, deriveSeed(seed, index), read)
    adapter[module.name] = uploadParts(arrays, loraRank(config, module.name), device)
  }
  return adapter
}

/** Rows of a matrix of so many columns. */
const rowsAt = (matrix: Float32Array, columns: number, numbers: readonly number[]): Float32Array =>
  Float32Array.from(numbers.flatMap((row) => [...matrix.subarray(row * columns, (row + 1) * columns)]))

/** A weight of the decoder on the host, f32, row-major. */
async function readWeight({ weights }: Pick<Decoder, 'weights'>, name: string): Promise<Float32Array> {
  const weight = weights[name]
  if (!weight) throw new ConfigError(`the model has no weight ${name}`)
  const values = valuesOf(weight, 'f32')
  const data = (await values.data()) as Float32Array
  if (values !== weight) values.dispose()
  return data
}

/** Tensors that training leaves alone, by module. */
export type FrozenParts = { readonly [module: string]: Partial<Record<PartName, Tensor>> }

/** What of an adapter training changes, and what it leaves alone; modules of which nothing is left are absent from the second. */
export function splitTrained(adapter: Adapter): { readonly trained: Adapter; readonly frozen: FrozenParts } {
  const of = (trained: boolean) =>
    Object.entries(adapter)
      .map(([module, parts]) => [module, selectParts(parts, trained)] as const)
      .filter(([, parts]) => Object.keys(parts).length > 0)
  return { trained: Object.fromEntries(of(true)) as Adapter, frozen: Object.fromEntries(of(false)) }
}

/** The adapter that {@link splitTrained} took apart. */
export const joinTrained = (trained: Adapter, frozen: FrozenParts): Adapter =>
  Object.keys(frozen).length === 0
    ? trained
    : Object.fromEntries(Object.entries(trained).map(([name, parts]) => [name, { ...parts, ...frozen[name] }]))

/** Numbers that are trained of an adapter of these settings. @throws ConfigError when they do not fit the model */
export const trainedNumbers = (model: DecoderConfig, config: LoraConfig): number =>
  shapesOf(model, config).reduce(
    (count, [, shapes]) =>
      partsOf(shapes).reduce((sum, [name, shape]) => sum + (isTrained(name) ? sizeOf(shape) : 0), count),
    0,
  )
