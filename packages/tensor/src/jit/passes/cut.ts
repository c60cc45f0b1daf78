// Cuts a graph into parts: programs that run one after another, and what each reads and makes.
import { leafValue, makeNode, type Graph, type Node, type Value } from '../../ir/graph'
import { keyOf } from '../../ir/key'
import { showAval } from '../../ir/print'

/** Nodes of one part, before they are a program. */
export interface Stretch {
  readonly nodes: readonly Node[]
  /** Values that are wanted after it beside what later nodes read. */
  readonly sends?: readonly Value[]
}

/** Nodes that run one after another, as a program of their own. */
export interface Part {
  /** The program; its inputs and outputs stand for `reads` and `makes`. */
  readonly graph: Graph<never>
  readonly reads: readonly Value[]
  readonly makes: readonly Value[]
}

/** What a stretch has become. */
export interface CutStep {
  /** Undefined where nothing after it wants what it makes. */
  readonly part: Part | undefined
  /** Values that nothing after this step reads. */
  readonly dead: readonly Value[]
}

/** Where a graph is cut. */
export interface Cut {
  /** Nodes that run wherever they are used, as often as that is. */
  readonly free: ReadonlySet<Node>
  readonly inputs: readonly Value[]
  readonly outputs: readonly Value[]
}

/** Nodes become a program whose inputs are leaves, in the order in which they are first read. */
function partOf(nodes: readonly Node[], free: ReadonlySet<Node>, makes: readonly Value[]): Part | undefined {
  if (makes.length === 0) return undefined
  const inside = new Set<Node>(nodes)
  const mapped = new Map<Value, Value>()
  const [reads, inputs, own]: [Value[], Value[], Node[]] = [[], [], []]
  const of = (value: Value): Value => {
    const known = mapped.get(value)
    if (known) return known
    const { node } = value
    if (node && (inside.has(node) || free.has(node))) {
      const copy = makeNode(node.op, node.params, node.inputs.map(of), node.scope)
      own.push(copy)
      node.outputs.forEach((output, i) => mapped.set(output, copy.outputs[i]!))
      return mapped.get(value)!
    }
    const leaf = leafValue(value.aval)
    mapped.set(value, leaf)
    reads.push(value)
    inputs.push(leaf)
    return leaf
  }
  // In the order of the program, so that equal layers give equal parts.
  for (const node of nodes) if (!mapped.has(node.outputs[0]!)) of(node.outputs[0]!)
  return { graph: { inputs, constants: [], nodes: own, outputs: makes.map(of) }, reads, makes }
}

/** A step for each stretch of a program. */
export function cut(stretches: readonly Stretch[], { free, inputs, outputs }: Cut): CutStep[] {
  /** Last step that reads a value: as an input of its part, or to send it. Inputs that none reads are dead at once. */
  const lastRead = new Map<Value, number>(inputs.map((value) => [value, 0]))
  const kept = new Set(outputs)
  const madeIn = new Map<Node, number>(
    stretches.flatMap(({ nodes }, step) => nodes.map((node) => [node, step] as const)),
  )
  const needed = new Map<number, Set<Value>>()
  const need = (value: Value, step: number) => {
    const { node } = value
    if (node && free.has(node)) return node.inputs.forEach((v) => need(v, step))
    lastRead.set(value, step)
    const made = node ? madeIn.get(node) : undefined
    if (made !== undefined && (made !== step || kept.has(value))) markMade(value, made)
  }
  const markMade = (value: Value, step: number) => needed.set(step, (needed.get(step) ?? new Set()).add(value))
  stretches.forEach(({ nodes, sends = [] }, step) => {
    for (const node of nodes) node.inputs.forEach((value) => need(value, step))
    for (const value of sends) {
      need(value, step)
      if (value.node && madeIn.has(value.node)) markMade(value, madeIn.get(value.node)!)
    }
  })
  for (const value of outputs) if (value.node) markMade(value, madeIn.get(value.node)!)
  const isStored = (value: Value) => !value.node || (needed.get(madeIn.get(value.node)!)?.has(value) ?? false)
  const deadAfter = new Map<number, Value[]>()
  for (const [value, step] of lastRead)
    if (!kept.has(value) && isStored(value)) deadAfter.set(step, [...(deadAfter.get(step) ?? []), value])
  return stretches.map(({ nodes }, step) => ({
    part: partOf(nodes, free, [...(needed.get(step) ?? [])]),
    dead: deadAfter.get(step) ?? [],
  }))
}

/**
 * A graph as text that is equal for graphs that compute the same.
 * @param paramsOf what of a node's parameters counts (default: all)
 */
export function graphKey(graph: Graph, paramsOf: (node: Node) => unknown = ({ params }) => params): string {
  const ids = new Map<Value, number>()
  const idOf = (value: Value) => ids.get(value) ?? (ids.set(value, ids.size), ids.size - 1)
  const inputs = graph.inputs.map((value) => (idOf(value), showAval(value.aval)))
  const nodes = graph.nodes.map((node) => {
    const args = node.inputs.map(idOf)
    node.outputs.forEach(idOf)
    return `${node.op}(${args.join()})${keyOf(paramsOf(node))}`
  })
  return [inputs.join(), ...nodes, graph.outputs.map(idOf).join()].join('\n')
}
