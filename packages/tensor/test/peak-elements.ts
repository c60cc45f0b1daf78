// What a graph holds at once when its nodes run in order.
import { sizeOf, type Graph, type Value } from '../src/index'

/** Ops that give their first input under another name. */
const views = new Set(['barrier', 'reshape', 'stopGradient'])

const stored = (value: Value): Value => (value.node && views.has(value.node.op) ? stored(value.node.inputs[0]!) : value)

/** Most elements alive at once: a value lives from its node to its last reader, through all its names. */
export function peakElements(graph: Graph): number {
  const last = new Map<Value, number>()
  graph.nodes.forEach((node, at) => node.inputs.forEach((v) => last.set(stored(v), at)))
  graph.outputs.forEach((v) => last.set(stored(v), graph.nodes.length))
  let [live, peak] = [0, 0]
  graph.nodes.forEach((node, at) => {
    const made = node.outputs.filter((v) => stored(v) === v && last.has(v))
    for (const v of made) live += sizeOf(v.aval.shape)
    peak = Math.max(peak, live)
    for (const v of new Set(node.inputs.map(stored))) if (v.node && last.get(v) === at) live -= sizeOf(v.aval.shape)
  })
  return peak
}
