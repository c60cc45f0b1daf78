// LoRA (Hu et al. 2022): W₀x + (alpha/r)·B A x, with W₀ frozen and W₀+BA never formed.
import { add, cast, dropout, linear, mul, tensor, type Device, type Tensor } from '@jora/tensor'
import { denseLinear, type Linear, type DecoderConfig } from '@jora/llama'
import { deriveSeed, Random } from '@jora/data'
import { checkLoraConfig, loraRank, loraScaling, type LoraConfig } from '../settings/lora-config'
import { adaptedModules, type AdaptedModule } from './target-modules'

/** The trained pair of one module. */
export interface LoraPair {
  /** `[r, in]`, f32. */
  readonly loraA: Tensor
  /** `[out, r]`, f32. */
  readonly loraB: Tensor
}

/** Pairs by module name, e.g. `model.layers.0.self_attn.q_proj`. */
export type Adapter = { readonly [module: string]: { readonly loraA: Tensor; readonly loraB: Tensor } }

/** Standard normal numbers (Box–Muller), a pure function of the seed. */
function normals(seed: number, count: number, deviation: number): Float32Array {
  const random = new Random(seed)
  const uniform = () => (random.below(2 ** 24) + 0.5) * 2 ** -24
  return Float32Array.from(
    { length: count },
    () => deviation * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  )
}

/**
 * A fresh adapter: B zero, A normal with deviation 1/√(3·in). That is the spread of PEFT's default (Kaiming uniform with
 * a = √5), so that learning rates carry over.
 */
export function initAdapter(model: DecoderConfig, config: LoraConfig, seed: number, device?: Device): Adapter {
  checkLoraConfig(config)
  const on = device ? { device } : {}
  const pair = ({ name, inFeatures, outFeatures }: AdaptedModule, index: number): LoraPair => {
    const r = loraRank(config, name)
    return {
      loraA: tensor(normals(deriveSeed(seed, index), r * inFeatures, 1 / Math.sqrt(3 * inFeatures)), {
        shape: [r, inFeatures],
        ...on,
      }),
      loraB: tensor(new Float32Array(outFeatures * r), { shape: [outFeatures, r], ...on }),
    }
  }
  return Object.fromEntries(adaptedModules(model, config).map((module, index) => [module.name, pair(module, index)]))
}

/** An adapter as the argument of a program: its scale is a tensor too, so that adapters of equal shapes share programs. */
export type AdapterArgument = {
  readonly [module: string]: { readonly loraA: Tensor; readonly loraB: Tensor; readonly scale: Tensor }
}

/** The adapter with the scale of each module, f32 `[]`, on the adapter's device. */
export const adapterArgument = (adapter: Adapter, config: LoraConfig, device?: Device): AdapterArgument =>
  Object.fromEntries(
    Object.entries(adapter).map(([name, pair]) => {
      const scale = tensor(Float32Array.of(loraScaling(config, name)), { shape: [], ...(device ? { device } : {}) })
      return [name, { ...pair, scale }]
    }),
  )

/** As {@link loraLinear}, for an adapter that a program takes as an argument. */
export const argumentLinear =
  (adapter: AdapterArgument): Linear =>
  (name, x, weight) => {
    const base = denseLinear(name, x, weight)
    const entry = adapter[name]
    if (!entry) return base
    const update = linear(linear(cast(x, 'f32'), entry.loraA), entry.loraB)
    return add(base, cast(mul(update, entry.scale), x.dtype))
  }

/**
 * Linear layers with the adapter added, for `decode`: x Wᵀ + scale · x Aᵀ Bᵀ for every adapted module (Hu et al. 2021),
 * computed as written and never as W + BA.
 * @param dropoutKey u32 `[batch, 2]`, a key for each row, new for every step; or one for all, `[2]`. Absent when not
 * training
 */
export function loraLinear(adapter: Adapter, config: LoraConfig, dropoutKey?: Tensor): Linear {
  const streams = new Map(Object.keys(adapter).map((name, index) => [name, index]))
  return (name, x, weight) => {
    const base = denseLinear(name, x, weight)
    const pair = adapter[name]
    if (!pair) return base
    // As PEFT does: the adapter computes in its own f32 whatever the base computes in.
    const input = cast(dropoutKey ? dropout(x, config.dropout, dropoutKey, streams.get(name)) : x, 'f32')
    return add(base, cast(mul(linear(linear(input, pair.loraA), pair.loraB), loraScaling(config, name)), x.dtype))
  }
}
