// What a partition rule is: how an op runs when its inputs are placed in parts along one axis of a mesh.
import { dtypeBytes, isFloat, type Shape, type Tensor } from '@jora/tensor'
import type { Aval, Node, OpName, OpParams } from '@jora/tensor/graph'
import type { AxisState } from '../mesh/placement'

/** An op seen along one axis of the mesh; the axes before it have been decided. */
export interface AxisView<K extends OpName = OpName> {
  readonly node: Node<K>
  /** Devices along the axis. */
  readonly devices: number
  /** Inputs, and outputs, as the decided axes leave them on a device. */
  readonly inputs: readonly Aval[]
  readonly outputs: readonly Aval[]
  /** Nothing in this program needs the result's sum: it is only returned. */
  readonly deferred: boolean
  /** Whether input `i` is made of constants alone. Weights are never gathered: what they multiply is. */
  frozen(i: number): boolean
}

/** How the inputs must be placed for the op to run on each device by itself, and how the outputs are placed then. */
export interface AxisDecision {
  readonly inputs: readonly AxisState[]
  readonly outputs: readonly AxisState[]
}

/** One device's side of an op. */
export interface LocalView<K extends OpName = OpName> {
  readonly node: Node<K>
  readonly params: OpParams[K]
  /** Shape of output `i` on this device. */
  outputShape(i: number): Shape
  /** First index, along dimension `dim` of input `i`, of this device's part. */
  start(i: number, dim: number): number
  /** Mesh axes that split dimension `dim` of input `i`, and the devices they have in all. */
  split(i: number, dim: number): { readonly axes: readonly string[]; readonly count: number }
}

export interface PartitionRule<K extends OpName> {
  /** Decides along one axis, from how the inputs are placed. */
  axis(states: readonly AxisState[], view: AxisView<K>): AxisDecision
  /** The op on one device's parts; the same op with the same parameters when absent. */
  local?(inputs: readonly Tensor[], view: LocalView<K>): readonly Tensor[]
}

/** Every device computes the whole. */
export const whole = (view: AxisView): AxisDecision => ({
  inputs: view.inputs.map(() => 'replicated'),
  outputs: view.outputs.map(() => 'replicated'),
})

/** A decision in which input `i` and output `i` are `inputs[i]` and `outputs[i]`; what is not named is replicated. */
export const decide = (
  view: AxisView,
  inputs: readonly (AxisState | undefined)[],
  outputs: readonly AxisState[],
): AxisDecision => ({
  inputs: view.inputs.map((_, i) => inputs[i] ?? 'replicated'),
  outputs: view.outputs.map((_, i) => outputs[i] ?? 'replicated'),
})

const elements = (shape: Shape): number => shape.reduce((n, d) => n * d, 1)

/** Whether summing `from` first moves less than summing `to`, which is made of it. */
export const grows = (from: Aval, to: Aval): boolean => elements(to.shape) > elements(from.shape)

/**
 * Activations from this size on are summed by parts. Between two devices a sum is else one exchange and by parts it is two;
 * among more it is two all the same.
 */
const scatteredBytes = (devices: number): number => (devices === 2 ? 2 ** 22 : 2 ** 20)

/**
 * The dimension along which terms of `aval` are summed by parts, each device those of its own rows: the tokens of large
 * activations `[batch, tokens, hidden]`. What follows up to the next product (residual, norm) then costs each device a
 * part of the time and memory, and the sum with its later gathering moves what an all-reduce would (sequence parallelism,
 * Korthikanti et al. 2022). Undefined where the whole is better summed everywhere.
 */
export function scatterDim({ shape, dtype }: Aval, devices: number): number | undefined {
  const large = shape.length === 3 && elements(shape) * dtypeBytes[dtype] >= scatteredBytes(devices)
  return large && isFloat(dtype) && shape[1]! % devices === 0 ? 1 : undefined
}

/** Elements that move to bring a value of `aval` from one state to another, times the devices that they reach. */
function moved(from: AxisState, to: AxisState, { shape }: Aval): number {
  if (from === to || from === 'replicated') return to === 'unreduced' && from !== to ? Infinity : 0
  const size = elements(shape)
  if (from === 'unreduced') return to === 'replicated' ? 2 * size : size
  return to === 'unreduced' ? Infinity : size
}

/** Ways an op can run, of which the one that moves least is taken; among equals the one that changes fewest inputs, then the first. */
export function cheapest(states: readonly AxisState[], view: AxisView, ways: readonly AxisDecision[]): AxisDecision {
  let best: { way: AxisDecision; cost: number; changes: number } | undefined
  for (const way of ways) {
    let [cost, changes] = [0, 0]
    way.inputs.forEach((to, i) => {
      const from = states[i]!
      cost += typeof from === 'number' && from !== to && view.frozen(i) ? Infinity : moved(from, to, view.inputs[i]!)
      if (from !== to) changes++
    })
    if (!best || cost < best.cost || (cost === best.cost && changes < best.changes)) best = { way, cost, changes }
  }
  return best && best.cost < Infinity ? best.way : whole(view)
}

/** Whether dimension `dim` of a value can be split further over the axis. */
export const divides = ({ shape }: Aval, dim: number, devices: number): boolean =>
  (shape[dim] ?? 0) % devices === 0 && shape[dim] !== 0
