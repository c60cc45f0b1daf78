// Partition rules of gather and scatterAdd: a table split by rows is read where the row is, and the parts are summed.
import { full, isFloat, le, logicalAnd, lt, reshape, sub, where, type Tensor } from '@jora/tensor'
import { apply } from '@jora/tensor/graph'
import { decide, grows, whole, type PartitionRule } from './rule'

const integer = (value: number): Tensor => full([], value, 'i32')

export const gathering: PartitionRule<'gather'> = {
  axis: (states, view) => {
    const { axis, batchDims } = view.node.params
    const [x, indices] = states
    const indexRank = view.inputs[1]!.shape.length
    const outDim = (dim: number) => (dim < axis ? dim : dim - 1 + indexRank - batchDims)
    if (batchDims > 0 && (x === 0 || indices === 0)) return decide(view, [0, 0], [0])
    if (x === axis) return isFloat(view.inputs[0]!.dtype) ? decide(view, [axis], ['unreduced']) : whole(view)
    if (typeof x === 'number') return decide(view, [x], [outDim(x)])
    if (x === 'unreduced')
      return grows(view.inputs[0]!, view.outputs[0]!) || !isFloat(view.inputs[0]!.dtype)
        ? whole(view)
        : decide(view, [x], ['unreduced'])
    if (typeof indices === 'number' && indices >= batchDims)
      return decide(view, ['replicated', indices], [axis + indices - batchDims])
    return whole(view)
  },
  local: ([x, indices], view) => {
    const { axis } = view.params
    const { count } = view.split(0, axis)
    if (count === 1) return [apply('gather', [x!, indices!], view.params)]
    const own = sub(indices!, integer(view.start(0, axis)))
    const here = logicalAnd(le(integer(0), own), lt(own, integer(x!.shape[axis]!)))
    const rows = apply('gather', [x!, where(here, own, integer(0))], view.params)
    const lead = view.params.batchDims === 1 ? 0 : axis
    const seen = reshape(
      here,
      rows.shape.map((_, i) => (i < lead ? 1 : (here.shape[i - lead] ?? 1))),
    )
    return [where(seen, rows, full([], 0, rows.dtype))]
  },
}

export const scattering: PartitionRule<'scatterAdd'> = {
  axis: (states, view) => {
    const { batchDims } = view.node.params
    const [indices, updates] = states
    const indexRank = view.inputs[0]!.shape.length
    const split = [indices, updates].find((s): s is number => typeof s === 'number')
    if (batchDims > 0 && split === 0) return decide(view, [0, 0], [0])
    // Rows added by several devices are terms of each result.
    if (split !== undefined && split < indexRank) return decide(view, [split, split], ['unreduced'])
    if (typeof updates === 'number') return decide(view, ['replicated', updates], [updates - indexRank + 1 + batchDims])
    if (updates === 'unreduced' && !grows(view.inputs[1]!, view.outputs[0]!))
      return decide(view, ['replicated', updates], ['unreduced'])
    return whole(view)
  },
}
