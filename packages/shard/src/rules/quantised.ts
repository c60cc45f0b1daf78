// The partition rule of quantised weights: rows, and columns at the borders of groups, are placed with their scales.
import { decide, divides, whole, type PartitionRule } from './rule'

export const dequantising: PartitionRule<'dequantise'> = {
  axis: (states, view) => {
    const split = states.find((state) => typeof state === 'number')
    if (split === undefined || !divides(view.inputs[0]!, split, view.devices)) return whole(view)
    // One scale for a whole row serves every part of it, but for bytes that hold codes of both halves.
    const perRow = view.inputs[1]!.shape[split] === 1 && view.node.params.bits === 8
    if (!perRow && !divides(view.inputs[1]!, split, view.devices)) return whole(view)
    const ofScales = perRow ? 'replicated' : split
    return decide(view, [split, ofScales, ofScales], [split])
  },
}
