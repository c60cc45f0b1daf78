// The partition rule of matrix products: Megatron's column and row splits, and their gradients, are its cases.
import type { Shape } from '@jora/tensor'
import type { AxisState } from '../mesh/placement'
import { cheapest, decide, divides, type AxisDecision, type PartitionRule } from './rule'

/** The dimension that holds rows (or columns) of a matrix: the last two may be swapped. */
const rowsAndInner = (shape: Shape, transposed: boolean): [rows: number, inner: number] =>
  transposed ? [shape.length - 1, shape.length - 2] : [shape.length - 2, shape.length - 1]

export const product: PartitionRule<'dot'> = {
  axis: (states, view) => {
    const [a, b] = [view.inputs[0]!, view.inputs[1]!]
    const out = view.outputs[0]!
    const rank = out.shape.length
    const { transposeA, transposeB } = view.node.params
    const [m, ka] = rowsAndInner(a.shape, transposeA)
    const [n, kb] = rowsAndInner(b.shape, !transposeB)
    const ways: AxisDecision[] = []
    const way = (ofA: AxisState, ofB: AxisState, result: AxisState) => ways.push(decide(view, [ofA, ofB], [result]))
    if (states[0] === 'unreduced') way('unreduced', 'replicated', 'unreduced')
    if (states[1] === 'unreduced') way('replicated', 'unreduced', 'unreduced')
    // A split is taken up where one of the operands has it.
    const has = (i: number, dim: number) => states[i] === dim
    if (has(1, n)) way('replicated', n, rank - 1)
    if (has(0, m)) way(m, 'replicated', rank - 2)
    if ((has(0, ka) || has(1, kb)) && divides(a, ka, view.devices)) way(ka, kb, 'unreduced')
    for (let dim = 0; dim < rank - 2; dim++) {
      const ofA = dim - (rank - a.shape.length)
      const ofB = dim - (rank - b.shape.length)
      const along = (own: number, shape: Shape): AxisState =>
        own >= 0 && shape[own] === out.shape[dim] ? own : 'replicated'
      const [stateA, stateB] = [along(ofA, a.shape), along(ofB, b.shape)]
      const taken = (typeof stateA === 'number' && has(0, stateA)) || (typeof stateB === 'number' && has(1, stateB))
      if (taken && divides(out, dim, view.devices)) way(stateA, stateB, dim)
    }
    way('replicated', 'replicated', 'replicated')
    return cheapest(states, view, ways)
  },
}
