// Partition rules of movement: a split follows its dimension where the op leaves that dimension whole.
import { isFloat, type Shape } from '@jora/tensor'
import { apply, type OpName } from '@jora/tensor/graph'
import type { AxisState } from '../mesh/placement'
import { decide, divides, grows, whole, type AxisDecision, type AxisView, type PartitionRule } from './rule'

/** A sum left to be made goes through a movement that does not copy it about. */
const terms = (view: AxisView, states: readonly AxisState[]): AxisDecision =>
  states[0] === 'unreduced' && isFloat(view.inputs[0]!.dtype) && !grows(view.inputs[0]!, view.outputs[0]!)
    ? decide(view, [states[0]], ['unreduced'])
    : whole(view)

/**
 * The dimension of `to` whose coarsest part is what dimension `dim` of `from` is, both being the same elements row-major;
 * undefined where there is none.
 */
function reshapedDim(from: Shape, to: Shape, dim: number): number | undefined {
  const before = from.slice(0, dim).reduce((n, d) => n * d, 1)
  let size = 1
  for (let i = 0; i < to.length; i++) {
    if (size === before && to[i] !== 1) return i
    size *= to[i]!
  }
  return undefined
}

export const reshaping: PartitionRule<'reshape'> = {
  axis: (states, view) => {
    const [state] = states
    if (typeof state !== 'number') return terms(view, states)
    // A dimension that begins inside another of the result is no run of it: it has to be whole.
    const dim = reshapedDim(view.inputs[0]!.shape, view.outputs[0]!.shape, state)
    if (dim === undefined || !divides(view.outputs[0]!, dim, view.devices)) return whole(view)
    // Of several dimensions merged into one only the first is cut into runs of the result.
    return decide(view, [state], [dim])
  },
  local: ([x], view) => [apply('reshape', [x!], { shape: view.outputShape(0) })],
}

export const transposing: PartitionRule<'transpose'> = {
  axis: (states, view) => {
    const [state] = states
    return typeof state === 'number'
      ? decide(view, [state], [view.node.params.permutation.indexOf(state)])
      : terms(view, states)
  },
}

export const broadcasting: PartitionRule<'broadcastTo'> = {
  axis: (states, view) => {
    const [state] = states
    if (typeof state !== 'number') return terms(view, states)
    const shift = view.outputs[0]!.shape.length - view.inputs[0]!.shape.length
    return view.node.inputs[0]!.aval.shape[state] === 1 ? whole(view) : decide(view, [state], [state + shift])
  },
  local: ([x], view) => [apply('broadcastTo', [x!], { shape: view.outputShape(0) })],
}

/** Dimensions that the op does not leave as they are. */
const touched = (view: AxisView): ReadonlySet<number> => {
  const [from, to] = [view.node.inputs[0]!.aval.shape, view.node.outputs[0]!.aval.shape]
  return new Set(from.flatMap((d, i) => (d === to[i] ? [] : [i])))
}

const alongside = (states: readonly AxisState[], view: AxisView): AxisDecision =>
  typeof states[0] === 'number'
    ? touched(view).has(states[0])
      ? whole(view)
      : decide(view, [states[0]], [states[0]])
    : terms(view, states)

export const slicing: PartitionRule<'slice'> = {
  axis: alongside,
  local: ([x], { params, node, outputShape }) => {
    const from = node.inputs[0]!.aval.shape
    const untouched = (i: number) => params.starts[i] === 0 && params.limits[i] === from[i]
    return [
      apply('slice', [x!], {
        starts: params.starts,
        limits: params.limits.map((limit, i) => (untouched(i) ? outputShape(0)[i]! : limit)),
      }),
    ]
  },
}

export const padding: PartitionRule<'pad'> = {
  axis: (states, view) =>
    states[0] === 'unreduced' && view.node.params.value !== 0
      ? whole(view)
      : states[0] === 'unreduced'
        ? decide(view, [states[0]], ['unreduced'])
        : alongside(states, view),
}

export const concatenating: PartitionRule<'concat'> = {
  axis: (states, view) => {
    const { axis } = view.node.params
    if (states.every((s) => s === 'unreduced')) return decide(view, states, ['unreduced'])
    const dim = states.find((s): s is number => typeof s === 'number' && s !== axis)
    return dim === undefined
      ? whole(view)
      : decide(
          view,
          states.map(() => dim),
          [dim],
        )
  },
}

export const dynamicSlicing: PartitionRule<'dynamicSlice'> = {
  axis: (states, view) => {
    const [state] = states
    return typeof state === 'number' && state !== view.node.params.axis ? decide(view, [state], [state]) : whole(view)
  },
}

export const dynamicUpdating: PartitionRule<'dynamicUpdateSlice'> = {
  axis: (states, view) => {
    const dim = [states[0], states[1]].find((s): s is number => typeof s === 'number' && s !== view.node.params.axis)
    return dim === undefined ? whole(view) : decide(view, [dim, dim], [dim])
  },
}

/** What a program's author asked for. Axes that do not divide the dimension leave it whole. */
export const constraining = (
  states: readonly AxisState[],
  view: AxisView<'shardingConstraint'>,
  axis: string,
): AxisDecision => {
  const dim = view.node.params.spec.findIndex((axes) => axes.includes(axis))
  const wanted: AxisState = dim >= 0 && divides(view.inputs[0]!, dim, view.devices) ? dim : 'replicated'
  return decide(view, [wanted], [wanted])
}

/** Ops without inputs, and draws: every device makes the whole. */
export const making: PartitionRule<OpName> = { axis: (_states, view) => whole(view) }
