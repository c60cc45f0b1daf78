// A decoder with an adapter: as a part of a program, or as an argument of it.
import { dropout, jit, tensor, type Device, type Tensor } from '@jora/tensor'
import { denseLinear, type Decoder, type DecoderConfig, type Linear } from '@jora/llama'
import { ConfigError } from '../settings/config-error'
import { loraScaling, type LoraConfig } from '../settings/lora-config'
import { lowRankOf, type Adapter } from './adapter'
import { methodOf, methodOfParts } from './methods'
import { isLowRank, type AdaptedLayer, type Parts } from './methods/method'
import { replacedArguments, withReplaced, type ReplacedArgument } from './replaced/apply'
import { replaces } from './replaced/modules'

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
      if (!isLowRank(parts)) return [name, parts]
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

/** An adapter as the argument of a program: its scale is a tensor too, so that adapters of equal shapes share programs. */
export type AdapterArgument = {
  readonly [module: string]: (Parts<Tensor> & { readonly scale: Tensor }) | ReplacedArgument
}

/**
 * The adapter with the scale of each module, f32 `[]`, on the adapter's device, and embedding and head apart.
 * @param model the model it is for; one of low rank does without
 * @throws ConfigError for settings that replace what this model does not have
 */
export function adapterArgument(
  adapter: Adapter,
  config: LoraConfig,
  device?: Device,
  model?: DecoderConfig,
): AdapterArgument {
  if (!model && replaces(config)) throw new TypeError('an adapter with an embedding or a head needs its model')
  const on = device ? { device } : {}
  const scaled = Object.entries(lowRankOf(adapter)).map(([name, parts]) => {
    const scale = tensor(Float32Array.of(loraScaling(config, name)), { shape: [], ...on })
    return [name, { ...parts, scale }] as const
  })
  const ids = (tokens: readonly number[]) => tensor(Int32Array.from(tokens), { shape: [tokens.length], ...on })
  return { ...Object.fromEntries(scaled), ...(model && replacedArguments(adapter, model, config, ids)) }
}

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
    if (!entry || !isLowRank(entry)) return denseLinear(...call)
    const { scale, ...parts } = entry
    return adapted(parts, call, { scale })
  }

/** As {@link withAdapter}, of an adapter that a program takes as an argument. */
export const withArgument = (decoder: Decoder, adapter: AdapterArgument): Decoder => ({
  ...withReplaced(decoder, adapter),
  linear: argumentLinear(adapter),
})

/**
 * Linear layers with an adapter of low rank beside them, for `decode`; {@link withAdapter} takes any.
 * @param dropoutKey u32 `[batch, 2]`, a key for each row, new for every step; or one for all, `[2]`. Absent when not training
 * @throws TypeError for an adapter that has more than that
 */
export function loraLinear(adapter: Adapter, config: LoraConfig, dropoutKey?: Tensor): Linear {
  const whole = Object.keys(adapter).find((name) => !isLowRank(adapter[name]!))
  if (whole !== undefined)
    throw new TypeError(`the adapter has a ${whole} of its own, which is no linear layer: use withAdapter`)
  const streams = new Map(Object.keys(adapter).map((name, index) => [name, index]))
  return (...call) => {
    const [name] = call
    const parts = adapter[name]
    if (!parts || !isLowRank(parts)) return denseLinear(...call)
    const drop = dropoutKey && ((x: Tensor) => dropout(x, config.dropout, dropoutKey, streams.get(name)))
    return adapted(parts, call, { scale: loraScaling(config, name), dropout: drop })
  }
}

/** The decoder with an adapter. @param dropoutKey see {@link loraLinear} */
export const withAdapter = (decoder: Decoder, adapter: Adapter, config: LoraConfig, dropoutKey?: Tensor): Decoder => ({
  ...withReplaced(decoder, replacedArguments(adapter, decoder.config, config)),
  linear: loraLinear(lowRankOf(adapter), config, dropoutKey),
})
