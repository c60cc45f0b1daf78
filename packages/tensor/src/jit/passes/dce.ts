// Dead-code removal: drops nodes that no output needs, and constants that no node reads.
import type { Graph, Node, Value } from '../../ir/graph'

/** `graph` without nodes and constants that no output needs. */
export function removeDeadCode<T>(graph: Graph<T>): Graph<T> {
  const needed = new Set<Value>(graph.outputs)
  const kept: Node[] = []
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((v) => needed.has(v))) continue
    node.inputs.forEach((v) => needed.add(v))
    kept.push(node)
  }
  return { ...graph, constants: graph.constants.filter((c) => needed.has(c.value)), nodes: kept.reverse() }
}
