// Which messages a program's collectives become: small sums bundled, large ones made in parts.
import { concat, dtypeBytes, pad, reshape, sizeOf, slice, Tensor } from '@jora/tensor'
import { apply, isOp, Trace, withTrace, type Graph, type Node, type OpParams, type Value } from '@jora/tensor/graph'
import { byLevel, freeNodes, levelsOf } from './levels'

/** Sums up to this size that are due together travel as one message. */
const bundledBytes = 2 ** 20

/** Sums above this size between more than two devices are made in parts: each device adds one, and hands it round. */
const wholeBytes = 2 ** 15

const bytesOf = ({ aval }: Value): number => sizeOf(aval.shape) * dtypeBytes[aval.dtype]

/** Rebuilds a graph level by level; `collectives` says what becomes of those of one level. */
function rebuild<T>(
  graph: Graph<T>,
  collectives: (nodes: readonly Node[], inputOf: (node: Node) => Tensor) => readonly Tensor[],
): Graph<T> {
  const free = freeNodes(graph)
  const trace = new Trace()
  const tensors = new Map<Value, Tensor>()
  const of = (value: Value): Tensor => tensors.get(value) ?? Tensor.fromTrace(trace, value)
  return withTrace(trace, () => {
    const run = (node: Node) => {
      trace.scope = node.scope
      const same = node.inputs.every((v) => !tensors.has(v))
      if (same) trace.nodes.push(node)
      else trace.record(node.op, node.inputs.map(of), node.params).forEach((t, i) => tensors.set(node.outputs[i]!, t))
    }
    graph.nodes.filter((node) => free.has(node)).forEach(run)
    for (const level of byLevel(graph.nodes, levelsOf(graph, free))) {
      level.runs.forEach(run)
      const made = collectives(level.collectives, (node) => ((trace.scope = node.scope), of(node.inputs[0]!)))
      level.collectives.forEach((node, i) => tensors.set(node.outputs[0]!, made[i]!))
    }
    return {
      inputs: graph.inputs,
      constants: graph.constants,
      nodes: trace.nodes,
      outputs: graph.outputs.map((value) => of(value).traced!.value),
    }
  })
}

const flat = (x: Tensor): Tensor => reshape(x, [x.size])

/** Small sums that are due together become one. */
export function bundle<T>(graph: Graph<T>): Graph<T> {
  return rebuild(graph, (nodes, inputOf) => {
    const groups = new Map<string, Node[]>()
    for (const node of nodes) {
      const [input] = node.inputs
      const small = node.op === 'allReduce' && bytesOf(input!) <= bundledBytes
      const key = small ? JSON.stringify([node.params, input!.aval.dtype]) : `alone ${groups.size}`
      groups.set(key, [...(groups.get(key) ?? []), node])
    }
    const made = new Map<Node, Tensor>()
    for (const group of groups.values()) {
      if (group.length === 1) {
        const [node] = group as [Node]
        made.set(node, apply(node.op, [inputOf(node)], node.params))
        continue
      }
      const inputs = group.map(inputOf)
      const { axes, count, reduction } = group[0]!.params as OpParams['allReduce']
      const sums = apply('allReduce', [concat(inputs.map(flat))], { axes, count, reduction })
      let at = 0
      group.forEach((node, i) => {
        made.set(node, reshape(slice(sums, [at], [(at += inputs[i]!.size)]), inputs[i]!.shape))
      })
    }
    return nodes.map((node) => made.get(node)!)
  })
}

/** Large sums between many devices: each device sums one part and sends it round, which moves twice the value and not n times. */
export function splitLargeSums<T>(graph: Graph<T>): Graph<T> {
  return rebuild(graph, (nodes, inputOf) =>
    nodes.map((node) => {
      const x = inputOf(node)
      const params = node.params as OpParams['allReduce']
      const large =
        isOp(node, 'allReduce') &&
        params.reduction === 'sum' &&
        params.count > 2 &&
        bytesOf(node.inputs[0]!) > wholeBytes
      if (!large) return apply(node.op, [x], node.params)
      const { axes, count } = params
      const extra = (count - (x.size % count)) % count
      const parts = reshape(pad(flat(x), [0], [extra]), [count, (x.size + extra) / count])
      const sums = apply('allGather', [apply('reduceScatter', [parts], { axes, count, dim: 0 })], {
        axes,
        count,
        dim: 0,
      })
      return reshape(slice(flat(sums), [0], [x.size]), x.shape)
    }),
  )
}
