// AdamW (Loshchilov & Hutter 2019), as graph functions over trees of tensors.
import { zeros } from '../ops/create'
import { add, div, mul, sqrt, square, sub } from '../ops/elementwise'
import type { Tensor } from '../tensor'
import { treeMap, type Tree } from '../tree'
import { decayedOf, numberAt, ratesOf, type Decays, type RateOf } from './rates'

/** The constants of AdamW, as torch.optim.AdamW names them. */
export interface AdamWConfig {
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
  /** Decoupled: each step multiplies the parameters by 1 − learningRate · weightDecay. */
  readonly weightDecay: number
  /** Which parameters are decayed; all when absent. Trainers leave out norms and biases. */
  readonly decays?: Decays | undefined
  /**
   * The learning rate of the parameter at `path`, as a multiple of that of the step: LoRA+ (Hayou et al. 2024) has 16 for
   * every `loraB`. A path is the keys from the tree's root, e.g. `['model.layers.0.mlp.up_proj', 'loraB']`. 1 for all when absent.
   */
  readonly rateOf?: RateOf | undefined
}

/** First and second moments, shaped as the parameters. */
export type AdamWState<T extends Tree> = { readonly m: T; readonly v: T }

/** Zero moments for `params`. */
export const initAdamW = <T extends Tree>(params: T): AdamWState<T> => ({
  m: treeMap((p) => zeros(p.shape), params),
  v: treeMap((p) => zeros(p.shape), params),
})

/**
 * The numbers of one step, f32 `[3]`: learning rate and the two bias corrections 1 − β₁ᵗ and √(1 − β₂ᵗ), computed in
 * float64 because 1 − βᵗ cancels in float32.
 * @param step 1 for the first
 */
export const stepNumbers = (learningRate: number, step: number, { beta1, beta2 }: AdamWConfig): Float32Array =>
  Float32Array.of(learningRate, 1 - beta1 ** step, Math.sqrt(1 - beta2 ** step))

/**
 * One AdamW update, as torch.optim.AdamW computes it, with a parameter group for each rate that `rateOf` gives, and one without decay
 * for what `decays` leaves out.
 * @param params f32, as are `grads` and both moments, of the same structure and shapes
 * @param numbers f32 `[3]` or longer, from {@link stepNumbers}
 * @throws TensorError for a rate that is negative or not finite
 */
export function adamw<T extends Tree>(
  params: T,
  grads: T,
  state: AdamWState<T>,
  numbers: Tensor,
  config: AdamWConfig,
): { params: T; state: AdamWState<T> } {
  const { beta1, beta2, epsilon, weightDecay, rateOf } = config
  const decayed = decayedOf(params, config)
  const [correction1, correction2] = [numberAt(numbers, 1), numberAt(numbers, 2)]
  const rates = ratesOf('adamw', params, numberAt(numbers, 0), rateOf, (learningRate) => ({
    learningRate,
    stepSize: div(learningRate, correction1),
  }))
  const m = treeMap((old, g) => add(mul(old, beta1), mul(g, 1 - beta1)), state.m, grads)
  const v = treeMap((old, g) => add(mul(old, beta2), mul(square(g), 1 - beta2)), state.v, grads)
  const update = (p: Tensor, first: Tensor, second: Tensor, i: number) => {
    const { learningRate, stepSize } = rates[i]!
    const kept = decayed[i] ? mul(p, sub(1, mul(learningRate, weightDecay))) : p
    const scale = add(div(sqrt(second), correction2), epsilon)
    return sub(kept, mul(div(first, scale), stepSize))
  }
  return { params: treeMap(update, params, m, v), state: { m, v } }
}
