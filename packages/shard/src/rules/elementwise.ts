// Partition rules of elementwise ops: any split that all inputs share, and sums left to be made where the op is linear.
import { isFloat } from '@jora/tensor'
import type { OpName } from '@jora/tensor/graph'
import type { AxisState } from '../mesh/placement'
import { decide, divides, grows, scatterDim, whole, type AxisDecision, type AxisView, type PartitionRule } from './rule'

/** How an op treats terms of a sum. `first`: linear in its first input; `sum`: in all together; `product`: in each. */
type Linearity = 'none' | 'first' | 'sum' | 'product'

/** Results below this many elements may as well be summed later, with others. */
const smallResult = 4096

/** Dimension of input `i` that lines up with output dimension `dim`; undefined where the input is broadcast. */
function inputDim(view: AxisView, i: number, dim: number): number | undefined {
  const [input, output] = [view.node.inputs[i]!.aval.shape, view.node.outputs[0]!.aval.shape]
  const own = dim - (output.length - input.length)
  return own < 0 || (input[own] === 1 && output[dim] !== 1) ? undefined : own
}

/** All inputs split as the largest that is: what others hold whole is cut, which moves nothing. */
function split(states: readonly AxisState[], view: AxisView): AxisDecision | undefined {
  const rank = view.outputs[0]!.shape.length
  const bySize = states
    .map((state, i) => ({ state, i, size: view.inputs[i]!.shape.reduce((n, d) => n * d, 1) }))
    .sort((a, b) => b.size - a.size)
  const leader = bySize.find(({ state }) => typeof state === 'number')
  if (!leader) return undefined
  const dim = (leader.state as number) + rank - view.inputs[leader.i]!.shape.length
  if (!divides(view.outputs[0]!, dim, view.devices)) return undefined
  return decide(
    view,
    states.map((_, i) => inputDim(view, i, dim) ?? 'replicated'),
    [dim],
  )
}

const rule =
  (linearity: Linearity) =>
  (states: readonly AxisState[], view: AxisView): AxisDecision => {
    const shared = split(states, view)
    if (shared) return shared
    const terms = states.map((state) => state === 'unreduced')
    const sums = terms.filter(Boolean).length
    const [out] = view.outputs
    if (sums === 0 || !isFloat(out!.dtype)) return whole(view)
    const keep = () => decide(view, states, ['unreduced'])
    if (linearity === 'first') return terms[0] && sums === 1 && !grows(view.inputs[0]!, out!) ? keep() : whole(view)
    if (linearity === 'product')
      return sums === 1 && !grows(view.inputs[terms.indexOf(true)]!, out!) ? keep() : whole(view)
    if (linearity === 'sum') {
      const small = out!.shape.reduce((n, d) => n * d, 1) <= smallResult
      // What is whole becomes a term that one device holds: no sum is made that is not needed yet.
      if (sums === states.length || view.deferred || small)
        return decide(
          view,
          states.map(() => 'unreduced'),
          ['unreduced'],
        )
    }
    const rows = linearity === 'sum' ? scatterDim(out!, view.devices) : undefined
    return rows === undefined
      ? whole(view)
      : decide(
          view,
          states.map((_, i) => inputDim(view, i, rows) ?? 'replicated'),
          [rows],
        )
  }

const entry = (linearity: Linearity): PartitionRule<OpName> => ({ axis: rule(linearity) })

export const nonlinear = entry('none')
export const linear = entry('first')
export const additive = entry('sum')
export const multiplicative = entry('product')

/** Between floats a cast is as good as linear: terms of a sum travel in the type they are computed in. */
export const casting: PartitionRule<'cast'> = {
  axis: (states, view) => rule(isFloat(view.inputs[0]!.dtype) ? 'first' : 'none')(states, view),
}

/** where(c, a, b) is linear in a and b together. */
export const selection: PartitionRule<'where'> = {
  axis: (states, view) => {
    const terms = states[1] === 'unreduced' && states[2] === 'unreduced' && states[0] === 'replicated'
    return terms ? decide(view, states, ['unreduced']) : rule('none')(states, view)
  },
}

/** The first input goes through as it is; a second only has to exist, wherever it is placed. */
export const passing: PartitionRule<'barrier' | 'stopGradient'> = {
  axis: (states, view) => decide(view, states, [states[0]!]),
}
