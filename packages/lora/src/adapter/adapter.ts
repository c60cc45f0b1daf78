// An adapter beside a decoder: its tensors by module, how they begin, and the linear layers that apply them.
import { dropout, jit, sizeOf, tensor, valuesOf, type Device, type Tensor } from '@jora/tensor'
import { denseLinear, type Decoder, type Linear, type DecoderConfig } from '@jora/llama'
import { deriveSeed } from '@jora/data'
import { ConfigError } from '../settings/config-error'
import { checkLoraConfig, loraRank, loraScaling, methodName, type LoraConfig } from '../settings/lora-config'
import { mapParts, methodOf, methodOfParts, partShape, partsOf, selectParts } from './methods'
import { isTrained, type AdaptedLayer, type PartName, type Parts } from './methods/method'
import { adaptedModules, type AdaptedModule } from './target-modules'

/** The tensors of one module, f32; see {@link Parts} for their shapes. */
export type LoraPair = Parts<Tensor>

/** Tensors by module name, e.g. `model.layers.0.self_attn.q_proj`. */
export type Adapter = { readonly [module: string]: Parts<Tensor> }

/** An adapter on the host: its tensors row-major. */
export type AdapterArrays = Readonly<Record<string, Parts<Float32Array>>>

/** A module's adapter of rank `r` as tensors of a device, the default one when absent. */
export const uploadParts = (arrays: Parts<Float32Array>, r: number, device?: Device): Parts<Tensor> =>
  mapParts(arrays, (data, name) =>
    tensor(data, { shape: partShape(name, data.length, r), ...(device ? { device } : {}) }),
  )

/** The adapter on the host. */
export async function downloadAdapter(adapter: Adapter): Promise<AdapterArrays> {
  const arrays: Record<string, Parts<Float32Array>> = {}
  for (const [module, parts] of Object.entries(adapter)) {
    const read: Partial<Record<PartName, Float32Array>> = {}
    for (const [name, values] of partsOf(parts)) read[name] = (await values.data()) as Float32Array
    arrays[module] = read as Parts<Float32Array>
  }
  return arrays
}

/** The adapter and its settings as PEFT's files have them. @throws ConfigError as `methodOf` */
export function converted(
  adapter: AdapterArrays,
  config: LoraConfig,
): { readonly adapter: AdapterArrays; readonly config: LoraConfig } {
  const conversion = methodOf(config).converted
  if (!conversion) return { adapter, config }
  const modules = Object.entries(adapter).map(
    ([name, parts]) => [name, conversion.parts(parts, loraRank(config, name))] as const,
  )
  return { adapter: Object.fromEntries(modules), config: conversion.config(config) }
}

/** What {@link converted} was given, of what it made. */
export function restored(adapter: AdapterArrays, config: LoraConfig): AdapterArrays {
  const conversion = methodOf(config).converted
  if (!conversion) return adapter
  return Object.fromEntries(
    Object.entries(adapter).map(([name, parts]) => [name, conversion.restore(parts, loraRank(config, name))]),
  )
}

/**
 * A fresh adapter of a method that does not read the base: B zero, A normal with deviation 1/√(3·in). That is the spread of PEFT's
 * default (Kaiming uniform with a = √5), so that learning rates carry over.
 * @throws ConfigError for settings that do not fit the model, or a method that starts from the base; {@link startAdapter} takes any
 */
export function initAdapter(model: DecoderConfig, config: LoraConfig, seed: number, device?: Device): Adapter {
  checkLoraConfig(config)
  const method = methodOf(config)
  if (method.readsBase)
    throw new ConfigError(`a ${methodName(config)} adapter starts from the base's weights: startAdapter reads them`)
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

/** An adapter of zeros, where only its shapes count. @throws ConfigError for settings that do not fit the model */
export const emptyAdapter = (model: DecoderConfig, config: LoraConfig, device?: Device): Adapter =>
  Object.fromEntries(
    adaptedModules(model, config).map((module) => [
      module.name,
      mapParts(methodOf(config).shapes(module, config), (shape) =>
        tensor(new Float32Array(sizeOf(shape)), { shape, ...(device ? { device } : {}) }),
      ),
    ]),
  )

/**
 * A fresh adapter of any method for `decoder`, whose weights are read one at a time where the method starts from them.
 * @throws ConfigError for settings that do not fit the model
 */
export async function startAdapter(
  decoder: Pick<Decoder, 'config' | 'weights'>,
  config: LoraConfig,
  seed: number,
  device?: Device,
): Promise<Adapter> {
  checkLoraConfig(config)
  const method = methodOf(config)
  const adapter: Record<string, Parts<Tensor>> = {}
  for (const [index, module] of adaptedModules(decoder.config, config).entries()) {
    const base = method.readsBase ? await readWeight(decoder, `${module.name}.weight`) : new Float32Array()
    const arrays = method.init(module, config, deriveSeed(seed, index), base)
    adapter[module.name] = uploadParts(arrays, loraRank(config, module.name), device)
  }
  return adapter
}

/** A weight of the decoder on the host, f32, row-major. */
async function readWeight({ weights }: Pick<Decoder, 'weights'>, name: string): Promise<Float32Array> {
  const weight = weights[name]
  if (!weight) throw new ConfigError(`the model has no weight ${name}`)
  const values = valuesOf(weight, 'f32')
  const data = (await values.data()) as Float32Array
  if (values !== weight) values.dispose()
  return data
}

/**
 * The adapter for a decoder that is only asked: what each call would compute of adapter and weights alone is computed once.
 * Tensors of `adapter` are used in it.
 */
export function settleAdapter(
  adapter: Adapter,
  { weights, dtype = 'f32' }: Pick<Decoder, 'weights' | 'dtype'>,
  config: LoraConfig,
): Adapter {
  const settle = methodOf(config).settled
  if (!settle) return adapter
  return Object.fromEntries(
    Object.entries(adapter).map(([name, parts]) => {
      const weight = weights[`${name}.weight`]
      if (!weight) throw new ConfigError(`the model has no weight ${name}.weight`)
      const base = (x: Tensor) => denseLinear(name, x, weight)
      const program = jit(() => {
        const { lengths } = settle(parts, { weight, base, scale: loraScaling(config, name) }, dtype)
        return { lengths: lengths! }
      })
      const made = program()
      program.dispose()
      return [name, { ...parts, ...made }]
    }),
  )
}

/** Tensors that training leaves alone, by module. */
export type FrozenParts = { readonly [module: string]: Partial<Parts<Tensor>> }

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
  adaptedModules(model, config).reduce(
    (count, module) =>
      partsOf(methodOf(config).shapes(module, config)).reduce(
        (sum, [name, shape]) => sum + (isTrained(name) ? sizeOf(shape) : 0),
        count,
      ),
    0,
  )

/** An adapter as the argument of a program: its scale is a tensor too, so that adapters of equal shapes share programs. */
export type AdapterArgument = { readonly [module: string]: Parts<Tensor> & { readonly scale: Tensor } }

/** The adapter with the scale of each module, f32 `[]`, on the adapter's device. */
export const adapterArgument = (adapter: Adapter, config: LoraConfig, device?: Device): AdapterArgument =>
  Object.fromEntries(
    Object.entries(adapter).map(([name, parts]) => {
      const scale = tensor(Float32Array.of(loraScaling(config, name)), { shape: [], ...(device ? { device } : {}) })
      return [name, { ...parts, scale }]
    }),
  )

/** The layer `name` with the adapter `parts` beside it. */
function adapted(
  parts: Parts<Tensor>,
  [name, x, weight]: Parameters<Linear>,
  how: Pick<AdaptedLayer, 'scale' | 'dropout'>,
): Tensor {
  const base = (input: Tensor) => denseLinear(name, input, weight)
  return methodOfParts(parts).forward(parts, x, base(x), { weight, base, ...how })
}

/** As {@link loraLinear}, of an adapter that a program takes as an argument. */
export const argumentLinear =
  (adapter: AdapterArgument): Linear =>
  (...call) => {
    const entry = adapter[call[0]]
    if (!entry) return denseLinear(...call)
    const { scale, ...parts } = entry
    return adapted(parts, call, { scale })
  }

/**
 * Linear layers with the adapter beside them, for `decode`.
 * @param dropoutKey u32 `[batch, 2]`, a key for each row, new for every step; or one for all, `[2]`. Absent when not training
 */
export function loraLinear(adapter: Adapter, config: LoraConfig, dropoutKey?: Tensor): Linear {
  const streams = new Map(Object.keys(adapter).map((name, index) => [name, index]))
  return (...call) => {
    const [name] = call
    const parts = adapter[name]
    if (!parts) return denseLinear(...call)
    const drop = dropoutKey && ((x: Tensor) => dropout(x, config.dropout, dropoutKey, streams.get(name)))
    return adapted(parts, call, { scale: loraScaling(config, name), dropout: drop })
  }
}
