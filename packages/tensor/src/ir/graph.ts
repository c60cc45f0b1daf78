// The graph: a straight line of typed nodes in an order in which they can run. What JAX calls a jaxpr.
import { inferAvals, type Aval, type OpName, type OpParams } from './op'

/** A value of a graph: an input, a constant or one output of a node. */
export interface Value {
  readonly aval: Aval
  /** The node that computes it; null for inputs and constants. */
  readonly node: Node | null
  /** Which of the node's outputs it is. */
  readonly index: number
}

/** One op applied to values. */
export interface Node<K extends OpName = OpName> {
  readonly op: K
  readonly params: OpParams[K]
  readonly inputs: readonly Value[]
  readonly outputs: readonly Value[]
  /** Where in the model it is, for the reader (`layers.0/attention`). */
  readonly scope: string
  /** Checkpointed region it belongs to (0: none): its values are computed again in the backward pass. */
  readonly region: number
}

/** A value bound when the graph is compiled (a frozen weight) and the concrete tensor it stands for. */
export interface Constant<T = unknown> {
  readonly value: Value
  readonly tensor: T
}

/** Nodes in an order in which they can run, what they start from and what they give. `T`: what constants are bound to. */
export interface Graph<T = unknown> {
  readonly inputs: readonly Value[]
  readonly constants: readonly Constant<T>[]
  readonly nodes: readonly Node[]
  readonly outputs: readonly Value[]
}

/** A value that no node computes. */
export const leafValue = (aval: Aval): Value => ({ aval, node: null, index: 0 })

/** A new node; its outputs' avals come from the op's shape rule. */
export function makeNode<K extends OpName>(
  op: K,
  params: OpParams[K],
  inputs: readonly Value[],
  scope = '',
  region = 0,
): Node<K> {
  const outputs: Value[] = []
  const node: Node<K> = { op, params, inputs, outputs, scope, region }
  const avals = inferAvals(
    op,
    inputs.map((v) => v.aval),
    params,
  )
  avals.forEach((aval, index) => outputs.push({ aval, node, index }))
  return node
}

/** The node, narrowed to one op (the table's key type is lost where nodes of all ops are mixed). */
export const isOp = <K extends OpName>(node: Node | null | undefined, op: K): node is Node<K> => node?.op === op

/** How many nodes and outputs read each value. */
export function useCounts(graph: Graph): Map<Value, number> {
  const uses = new Map<Value, number>()
  const count = (value: Value) => uses.set(value, (uses.get(value) ?? 0) + 1)
  for (const node of graph.nodes) node.inputs.forEach(count)
  graph.outputs.forEach(count)
  return uses
}

/**
 * Rebuilds a graph node by node in order. `visit` gets each node with its inputs already mapped and returns the values
 * that stand for its outputs; return the outputs of `keep()` to keep the node as it is.
 */
export function rewrite<T>(
  graph: Graph<T>,
  visit: (node: Node, inputs: readonly Value[], emit: (node: Node) => Node) => readonly Value[],
): Graph<T> {
  const mapped = new Map<Value, Value>()
  const lookup = (value: Value) => mapped.get(value) ?? value
  const nodes: Node[] = []
  const emit = (node: Node) => (nodes.push(node), node)
  for (const node of graph.nodes) {
    const outputs = visit(node, node.inputs.map(lookup), emit)
    node.outputs.forEach((old, i) => {
      const replacement = outputs[i]
      if (replacement) mapped.set(old, replacement)
    })
  }
  return { inputs: graph.inputs, constants: graph.constants, nodes, outputs: graph.outputs.map(lookup) }
}
