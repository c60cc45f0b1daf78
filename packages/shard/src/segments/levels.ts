// When each node of a program runs: in which segment, and after which a collective is started.
import { isCollective, type Graph, type Node } from '@jora/tensor/graph'

/** Nodes made of constants and numbers alone. They run where they are used, as often as that is. */
export function freeNodes(graph: Graph): ReadonlySet<Node> {
  const free = new Set<Node>()
  const constants = new Set(graph.constants.map((c) => c.value))
  for (const node of graph.nodes)
    if (!isCollective(node.op) && node.inputs.every((v) => constants.has(v) || (v.node !== null && free.has(v.node))))
      free.add(node)
  return free
}

/** Segments that pass until what a node makes can be read: an exchange has arrived before the next. */
const took = (node: Node): number => (isCollective(node.op) ? 1 : 0)

/**
 * The segment each node runs in, and after which each collective is started. Nodes run as soon as they can. Sums are made as
 * late as they may be: those of many gradients, which nothing waits for, are then due together. Parts are gathered and
 * scattered when a node has all else it needs: earlier they would take memory, later what waits with them would.
 */
export function levelsOf(graph: Graph, free: ReadonlySet<Node>): Map<Node, number> {
  const earliest = new Map<Node, number>()
  const levels = new Map<Node, number>()
  const forward = (into: Map<Node, number>, startOf: (node: Node, ready: number) => number) => {
    for (const node of graph.nodes) {
      if (free.has(node)) continue
      const ready = node.inputs.map(({ node: from }) => (from && into.has(from) ? into.get(from)! + took(from) : 0))
      into.set(node, startOf(node, Math.max(0, ...ready)))
    }
  }
  forward(earliest, (_node, ready) => ready)
  // What is only returned has to be there at the end, and no earlier.
  const end = Math.max(0, ...[...earliest].map(([node, level]) => level + took(node)))
  const latest = new Map<Node, number>()
  for (const node of [...graph.nodes].reverse()) {
    if (free.has(node)) continue
    const own = latest.get(node) ?? end - took(node)
    latest.set(node, own)
    for (const { node: from } of node.inputs)
      if (from && !free.has(from)) latest.set(from, Math.min(latest.get(from) ?? end, own - took(from)))
  }
  const wanted = wantedAt(graph, earliest)
  forward(levels, (node, ready) => {
    if (!isCollective(node.op)) return ready
    return Math.max(ready, node.op === 'allReduce' ? latest.get(node)! : (wanted.get(node) ?? ready))
  })
  return levels
}

/** After which segment the first reader of each collective has all its other inputs. */
function wantedAt(graph: Graph, earliest: ReadonlyMap<Node, number>): Map<Node, number> {
  const wanted = new Map<Node, number>()
  for (const reader of graph.nodes) {
    const ready = reader.inputs.map(({ node }) => (node ? (earliest.get(node) ?? 0) + took(node) : 0))
    reader.inputs.forEach(({ node }, i) => {
      if (!node || !isCollective(node.op)) return
      const others = Math.max(ready[i]!, ...ready.filter((_, j) => j !== i)) - 1
      wanted.set(node, Math.min(wanted.get(node) ?? Infinity, others))
    })
  }
  return wanted
}

/** Nodes by segment: of each level first what runs, then the collectives. */
export function byLevel(
  nodes: readonly Node[],
  levels: ReadonlyMap<Node, number>,
): { runs: Node[]; collectives: Node[] }[] {
  const result: { runs: Node[]; collectives: Node[] }[] = []
  for (const node of nodes) {
    const level = levels.get(node)
    if (level === undefined) continue
    while (result.length <= level) result.push({ runs: [], collectives: [] })
    if (isCollective(node.op)) result[level]!.collectives.push(node)
    else result[level]!.runs.push(node)
  }
  return result
}
