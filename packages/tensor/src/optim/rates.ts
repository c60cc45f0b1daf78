// The numbers of a step inside a graph: scalars of one vector, and a learning rate for each parameter.
import { fail } from '../errors'
import { mul } from '../ops/elementwise'
import { reshape, sliceAxis } from '../ops/movement'
import type { Tensor } from '../tensor'
import { treeLeaves, treePaths, type Tree } from '../tree'

/** A parameter's learning rate as a multiple of the step's, by the keys from the tree's root. */
export type RateOf = (path: readonly string[]) => number

/** Whether weight decay is applied to the parameter at a path, by the keys from the tree's root, and its shape. */
export type Decays = (path: readonly string[], shape: readonly number[]) => boolean

/** Whether each parameter is decayed, in the order of the leaves: all of them when `decays` is absent, none without a decay. */
export function decayedOf(
  params: Tree,
  { weightDecay, decays = () => true }: { readonly weightDecay: number; readonly decays?: Decays | undefined },
): boolean[] {
  const leaves = treeLeaves(params)
  return treePaths(params).map((path, i) => weightDecay !== 0 && decays(path, leaves[i]!.shape))
}

/** Number `i` of a vector, `[]`. */
export const numberAt = (numbers: Tensor, i: number): Tensor => reshape(sliceAxis(numbers, 0, i, i + 1), [])

/**
 * What `make` gives for the learning rate of each parameter, in the order of the leaves; parameters of one rate share it.
 * @param base the step's learning rate, `[]`
 * @throws TensorError naming `optimizer` for a rate that is negative or not finite
 */
export function ratesOf<R>(
  optimizer: string,
  params: Tree,
  base: Tensor,
  rateOf: RateOf = () => 1,
  make: (learningRate: Tensor) => R,
): R[] {
  const made = new Map<number, R>()
  return treePaths(params).map((path) => {
    const rate = rateOf(path)
    if (!(rate >= 0 && rate < Infinity))
      fail(optimizer, `the rate of ${path.join('.')} is ${rate}, expected a number ≥ 0`)
    const known = made.get(rate) ?? make(rate === 1 ? base : mul(base, rate))
    made.set(rate, known)
    return known
  })
}
