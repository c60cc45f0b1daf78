// AdamW (Loshchilov & Hutter 2019) and gradient clipping, as graph functions over trees of tensors.
import {
  add,
  div,
  maximum,
  mul,
  sliceAxis,
  reshape,
  sqrt,
  square,
  sub,
  sum,
  treeLeaves,
  treeMap,
  zeros,
  type Tensor,
  type Tree,
} from '@jora/tensor'

export interface AdamWConfig {
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
  /** Decoupled: each step multiplies the parameters by 1 − learningRate · weightDecay. */
  readonly weightDecay: number
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

/** One AdamW update, as torch.optim.AdamW computes it. `numbers` comes from {@link stepNumbers}. */
export function adamw<T extends Tree>(
  params: T,
  grads: T,
  state: AdamWState<T>,
  numbers: Tensor,
  { beta1, beta2, epsilon, weightDecay }: AdamWConfig,
): { params: T; state: AdamWState<T> } {
  const number = (i: number) => reshape(sliceAxis(numbers, 0, i, i + 1), [])
  const [learningRate, correction1, correction2] = [number(0), number(1), number(2)]
  const stepSize = div(learningRate, correction1)
  const gradLeaves = treeLeaves(grads)
  const [oldM, oldV] = [treeLeaves(state.m), treeLeaves(state.v)]
  const newM = gradLeaves.map((g, i) => add(mul(oldM[i]!, beta1), mul(g, 1 - beta1)))
  const newV = gradLeaves.map((g, i) => add(mul(oldV[i]!, beta2), mul(square(g), 1 - beta2)))
  const update = (p: Tensor, i: number) => {
    const decayed = weightDecay === 0 ? p : mul(p, sub(1, mul(learningRate, weightDecay)))
    const scale = add(div(sqrt(newV[i]!), correction2), epsilon)
    return sub(decayed, mul(div(newM[i]!, scale), stepSize))
  }
  return {
    params: treeMap(update, params),
    state: { m: treeMap((_, i) => newM[i]!, state.m), v: treeMap((_, i) => newV[i]!, state.v) },
  }
}

/** √Σg² over all leaves, f32 scalar. */
export const globalNorm = (grads: Tree): Tensor =>
  sqrt(
    treeLeaves(grads)
      .map((g) => sum(square(g)))
      .reduce((a, b) => add(a, b)),
  )

/** Scales `grads` so that their global norm is at most `maxNorm`; returns the norm before. As torch's clip_grad_norm_. */
export function clipByGlobalNorm<T extends Tree>(grads: T, maxNorm: number): { grads: T; norm: Tensor } {
  const norm = globalNorm(grads)
  if (maxNorm === 0) return { grads, norm }
  const factor = div(maxNorm, maximum(add(norm, 1e-6), maxNorm))
  return { grads: treeMap((g) => mul(g, factor), grads), norm }
}
