// Partition rules of reductions: a sum over what is split is left to be made; a maximum is made at once.
import { apply } from '@jora/tensor/graph'
import type { OpName } from '@jora/tensor/graph'
import { isFloat } from '@jora/tensor'
import { decide, whole, type PartitionRule } from './rule'

/** Where dimension `dim` is once `axes` are reduced. */
const keptDim = (dim: number, axes: readonly number[], keepDims: boolean): number =>
  keepDims ? dim : dim - axes.filter((a) => a < dim).length

export const summing: PartitionRule<'sum'> = {
  axis: ([state], view) => {
    const { axes, keepDims } = view.node.params
    if (typeof state !== 'number') {
      const terms = state === 'unreduced' && isFloat(view.inputs[0]!.dtype)
      return terms ? decide(view, [state], ['unreduced']) : whole(view)
    }
    return decide(view, [state], [axes.includes(state) ? 'unreduced' : keptDim(state, axes, keepDims)])
  },
}

export const maximal: PartitionRule<'max'> = {
  axis: ([state], view) => {
    const { axes, keepDims } = view.node.params
    if (typeof state !== 'number') return whole(view)
    return decide(view, [state], [axes.includes(state) ? 'replicated' : keptDim(state, axes, keepDims)])
  },
  local: ([x], view) => {
    const own = apply('max', [x!], view.params)
    const splits = view.params.axes.map((dim) => view.split(0, dim))
    const axes = splits.flatMap((s) => s.axes)
    const count = splits.reduce((n, s) => n * s.count, 1)
    return [count === 1 ? own : apply('allReduce', [own], { axes, count, reduction: 'max' })]
  },
}

/** Ops that need dimension `needed` whole, and go along any other. */
const needing = (
  needed: (view: Parameters<PartitionRule<OpName>['axis']>[1]) => number,
  outputDim: (dim: number, needed: number) => number,
): PartitionRule<OpName> => ({
  axis: ([state], view) => {
    const dim = needed(view)
    if (typeof state !== 'number' || state === dim) return whole(view)
    return decide(view, [state], [outputDim(state, dim)])
  },
})

export const softmaxing = needing(
  (view) => view.inputs[0]!.shape.length - 1,
  (dim) => dim,
)
export const argmaxing = needing(
  (view) => (view.node.params as { axis: number }).axis,
  (dim, axis) => (dim > axis ? dim - 1 : dim),
)
