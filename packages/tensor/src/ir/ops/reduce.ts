// Reductions: many elements to one.
import { float, input, likeFirst, number, type OpRule, type OpRules, type None } from '../rule'

interface Reduction {
  readonly axes: readonly number[]
  readonly keepDims: boolean
}

export interface ReduceParams {
  sum: Reduction
  max: Reduction
  argmax: { readonly axis: number }
  softmax: None
}

const reduction: OpRule<Reduction> = {
  inputs: [number],
  reads: 'moved',
  shape: (inputs, { axes, keepDims }) => {
    const { shape, dtype } = input(inputs, 0)
    return [{ shape: shape.flatMap((d, i) => (axes.includes(i) ? (keepDims ? [1] : []) : [d])), dtype }]
  },
}

export const reduceRules: OpRules<ReduceParams> = {
  sum: reduction,
  max: reduction,
  argmax: {
    inputs: [number],
    reads: 'moved',
    shape: (inputs, { axis }) => [{ shape: input(inputs, 0).shape.filter((_, i) => i !== axis), dtype: 'i32' }],
  },
  softmax: { inputs: [float], reads: 'moved', shape: likeFirst },
}
