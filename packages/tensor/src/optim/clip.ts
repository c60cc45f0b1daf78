// Clipping by the global norm of a tree of gradients.
import { add, div, maximum, mul, sqrt, square } from '../ops/elementwise'
import { sum } from '../ops/reduce'
import type { Tensor } from '../tensor'
import { treeLeaves, treeMap, type Tree } from '../tree'

/** √Σg² over all leaves, f32 scalar. */
export const globalNorm = (grads: Tree): Tensor =>
  sqrt(
    treeLeaves(grads)
      .map((g) => sum(square(g)))
      .reduce((a, b) => add(a, b)),
  )

/** What gradients of this norm are multiplied by so that it is at most `maxNorm`, f32 scalar. As torch's clip_grad_norm_. */
export const clipFactor = (norm: Tensor, maxNorm: number): Tensor => div(maxNorm, maximum(add(norm, 1e-6), maxNorm))

/** Scales `grads` so that their global norm is at most `maxNorm`; returns the norm before. As torch's clip_grad_norm_. */
export function clipByGlobalNorm<T extends Tree>(grads: T, maxNorm: number): { grads: T; norm: Tensor } {
  const norm = globalNorm(grads)
  if (maxNorm === 0) return { grads, norm }
  const factor = clipFactor(norm, maxNorm)
  return { grads: treeMap((g) => mul(g, factor), grads), norm }
}
