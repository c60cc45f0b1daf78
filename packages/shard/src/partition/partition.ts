// The partitioner: from a program for one device to what one device of a mesh runs of it.
import { Tensor, type Aval } from '@jora/tensor'
import {
  applyAll,
  leafValue,
  Trace,
  withTrace,
  type Graph,
  type Node,
  type OpName,
  type Value,
} from '@jora/tensor/graph'
import type { Mesh } from '../mesh/mesh'
import {
  localShape,
  partStart,
  replicated,
  samePlacement,
  splitAxes,
  type AxisState,
  type Placement,
} from '../mesh/placement'
import { reshard } from './reshard'
import { partitionRules } from '../rules'
import { constraining } from '../rules/movement'
import { divides, whole, type AxisDecision, type AxisView, type LocalView, type PartitionRule } from '../rules/rule'

/** A value on a device: as it was made, or as it is placed since its sum was made, and what it was brought to besides. */
interface Versions {
  placement: Placement
  tensor: Tensor
  readonly others: { readonly placement: Placement; readonly tensor: Tensor }[]
}

export interface Partitioned<T> {
  /** What the device at `position` runs, collectives included. Constants carry the tensors of the whole program. */
  readonly graph: Graph<T>
  readonly outputs: readonly Placement[]
}

/** Values that only the program's outputs need, directly or through sums and scalings of them. */
function returnedOnly(graph: Graph): ReadonlySet<Value> {
  const readers = new Map<Value, Node[]>()
  for (const node of graph.nodes)
    for (const value of node.inputs) readers.set(value, [...(readers.get(value) ?? []), node])
  const result = new Set<Value>()
  const returned = new Set(graph.outputs)
  for (const node of [...graph.nodes].reverse())
    for (const value of node.outputs) {
      const needed = readers.get(value) ?? []
      const passes = needed.every((reader) => reader.op === 'add' && result.has(reader.outputs[0]!))
      if (passes && (returned.has(value) || needed.length > 0)) result.add(value)
    }
  return result
}

/** Values made of constants alone. */
function frozenValues(graph: Graph): ReadonlySet<Value> {
  const frozen = new Set<Value>(graph.constants.map((c) => c.value))
  for (const node of graph.nodes)
    if (node.inputs.length > 0 && node.inputs.every((v) => frozen.has(v))) node.outputs.forEach((v) => frozen.add(v))
  return frozen
}

const shaped = (aval: Aval, shape: Aval['shape']): Aval => ({ dtype: aval.dtype, shape })

/** Decides, axis by axis, how `node` runs: what its inputs must be, and where its outputs then are placed. */
function decideNode(
  node: Node,
  states: readonly Placement[],
  mesh: Mesh,
  { deferred, frozen }: { deferred: boolean; frozen: (i: number) => boolean },
): { inputs: Placement[]; outputs: Placement[] } {
  const rule = partitionRules[node.op] as PartitionRule<OpName> | 'collective' | 'given'
  const inputs = node.inputs.map(() => [...replicated(mesh)])
  const outputs = node.outputs.map(() => [...replicated(mesh)])
  mesh.axes.forEach((axis, index) => {
    const devices = mesh.sizes[index]!
    if (devices === 1) return
    const view: AxisView = {
      node,
      devices,
      inputs: node.inputs.map(({ aval }, i) => shaped(aval, localShape(mesh, inputs[i]!, aval.shape))),
      outputs: node.outputs.map(({ aval }, i) => shaped(aval, localShape(mesh, outputs[i]!, aval.shape))),
      deferred,
      frozen,
    }
    const along = states.map((placement) => placement[index]!)
    const wanted: AxisDecision =
      rule === 'given'
        ? constraining(along, view as AxisView<'shardingConstraint'>, axis)
        : (rule as PartitionRule<OpName>).axis(along, view)
    // Rules follow the split of one input; an earlier axis may have split the same dimension for the sake of another.
    const fits = (avals: readonly Aval[], placed: readonly AxisState[]) =>
      placed.every((state, i) => typeof state !== 'number' || divides(avals[i]!, state, devices))
    const decision = fits(view.inputs, wanted.inputs) && fits(view.outputs, wanted.outputs) ? wanted : whole(view)
    decision.inputs.forEach((state, i) => (inputs[i]![index] = state))
    decision.outputs.forEach((state, i) => (outputs[i]![index] = state))
  })
  return { inputs, outputs }
}

/**
 * What the device at `position` of `mesh` runs of `graph`, whose inputs and constants are placed as told. Every device runs the same
 * ops on parts of its own; where an op needs its input otherwise than it is placed, a collective or a cut comes before it.
 * @throws ShardingError | TensorError when the graph holds collectives already
 */
export function partition<T>(
  graph: Graph<T>,
  mesh: Mesh,
  placements: { readonly inputs: readonly Placement[]; readonly constants: readonly Placement[] },
  position: number,
): Partitioned<T> {
  const trace = new Trace()
  const known = new Map<Value, Versions>()
  const leaf = (value: Value, placement: Placement): Value => {
    const local = leafValue(shaped(value.aval, localShape(mesh, placement, value.aval.shape)))
    known.set(value, { placement, tensor: Tensor.fromTrace(trace, local), others: [] })
    return local
  }
  const inputs = graph.inputs.map((value, i) => leaf(value, placements.inputs[i]!))
  const constants = graph.constants.map(({ value, tensor }, i) => ({
    value: leaf(value, placements.constants[i]!),
    tensor,
  }))
  const deferred = returnedOnly(graph)
  const frozen = frozenValues(graph)

  function brought(value: Value, to: Placement): Tensor {
    const versions = known.get(value)!
    if (samePlacement(versions.placement, to)) return versions.tensor
    const had = versions.others.find((other) => samePlacement(other.placement, to))
    if (had) return had.tensor
    const tensor = reshard(versions.tensor, versions.placement, to, mesh, position)
    const wasSummed = versions.placement.some((state, i) => state === 'unreduced' && to[i] !== 'unreduced')
    // A sum once made is what every later reader sees.
    if (wasSummed) {
      versions.others.push({ placement: versions.placement, tensor: versions.tensor })
      versions.placement = to
      versions.tensor = tensor
    } else versions.others.push({ placement: to, tensor })
    return tensor
  }

  const outputs = withTrace(trace, () => {
    for (const node of graph.nodes) {
      trace.scope = node.scope
      const states = node.inputs.map((value) => known.get(value)!.placement)
      const decision = decideNode(node, states, mesh, {
        deferred: node.outputs.every((v) => deferred.has(v)),
        frozen: (i) => frozen.has(node.inputs[i]!),
      })
      const tensors = node.inputs.map((value, i) => brought(value, decision.inputs[i]!))
      const made = emit(node, tensors, decision)
      node.outputs.forEach((value, i) =>
        known.set(value, { placement: decision.outputs[i]!, tensor: made[i]!, others: [] }),
      )
    }
    return graph.outputs.map((value) => known.get(value)!)
  })

  function emit(
    node: Node,
    tensors: readonly Tensor[],
    decision: { inputs: Placement[]; outputs: Placement[] },
  ): readonly Tensor[] {
    const rule = partitionRules[node.op] as PartitionRule<OpName> | 'given'
    if (rule === 'given') return tensors
    if (!rule.local) return applyAll(node.op, tensors, node.params)
    const view: LocalView = {
      node,
      params: node.params,
      outputShape: (i) => localShape(mesh, decision.outputs[i]!, node.outputs[i]!.aval.shape),
      start: (i, dim) => partStart(mesh, decision.inputs[i]!, dim, node.inputs[i]!.aval.shape[dim]!, position),
      split: (i, dim) => {
        const axes = splitAxes(mesh, decision.inputs[i]!, dim)
        return { axes, count: axes.reduce((n, axis) => n * mesh.along(axis), 1) }
      },
    }
    return rule.local(tensors, view)
  }

  return {
    graph: { inputs, constants, nodes: trace.nodes, outputs: outputs.map(({ tensor }) => tensor.traced!.value) },
    outputs: outputs.map(({ placement }) => placement),
  }
}
