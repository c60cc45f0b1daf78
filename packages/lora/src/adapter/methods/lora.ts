// LoRA (Hu et al. 2022): W₀x + s·B A x, with W₀ frozen and W₀ + s·BA never formed.
import { Random } from '@jora/data'
import { add, cast, linear, mul, type Tensor } from '@jora/tensor'
import { loraRank } from '../../settings/lora-config'
import { addLowRank } from '../low-rank'
import type { AdaptedLayer, AdapterMethod, Parts } from './method'

/** Standard normal numbers (Box–Muller) times `deviation`, a pure function of the seed. */
function normals(seed: number, count: number, deviation: number): Float32Array {
  const random = new Random(seed)
  const uniform = () => (random.below(2 ** 24) + 0.5) * 2 ** -24
  return Float32Array.from(
    { length: count },
    () => deviation * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  )
}

/** s·B A x, f32. As in PEFT the adapter computes in its own f32 whatever the base computes in. */
export const lowRankUpdate = ({ loraA, loraB }: Parts<Tensor>, x: Tensor, { scale, dropout }: AdaptedLayer): Tensor =>
  linear(mul(linear(cast(dropout ? dropout(x) : x, 'f32'), loraA), scale), loraB)

export const lora: AdapterMethod = {
  shapes({ name, inFeatures, outFeatures }, config) {
    const r = loraRank(config, name)
    return { loraA: [r, inFeatures], loraB: [outFeatures, r] }
  },

  readsBase: false,

  /**
   * B zero, A normal with deviation 1/√(3·in). That is the spread of PEFT's default (Kaiming uniform with a = √5), so that
   * learning rates carry over.
   */
  init({ name, inFeatures, outFeatures }, config, seed) {
    const r = loraRank(config, name)
    return {
      loraA: normals(seed, r * inFeatures, 1 / Math.sqrt(3 * inFeatures)),
      loraB: new Float32Array(outFeatures * r),
    }
  },

  forward: (parts, x, y, layer) => add(y, cast(lowRankUpdate(parts, x, layer), x.dtype)),

  merge: ({ loraA, loraB }, rows, from, r, scale) => addLowRank(rows, from, loraA, loraB, r, scale),
}
