// Cuts a device's program at its collectives: segments that run on the device, and exchanges between them.
import { Tensor } from '@jora/tensor'
import { apply, Trace, withTrace, type Graph, type Node, type Value } from '@jora/tensor/graph'
import { expand } from './exchange'
import { byLevel, freeNodes, levelsOf } from './levels'
import { bundle, splitLargeSums } from './messages'
import { overlapping } from './overlap'
import { stepsOf } from './steps'
import type { Exchange, Schedule } from './types'

/** Plans how a device runs its program, one with collectives in it. */
export function schedule<T>(program: Graph<T>): Schedule {
  const graph = splitLargeSums(bundle(program))
  const free = freeNodes(graph)
  const levels = byLevel(graph.nodes, levelsOf(graph, free))
  const trace = new Trace()
  const mapped = new Map<Value, Value>()
  const of = (value: Value): Value => mapped.get(value) ?? value
  const tensorOf = (value: Value) => Tensor.fromTrace(trace, of(value))

  // Collectives become leaves for what arrives, and the arithmetic on it at the head of the next segment.
  const runs: Node[][] = []
  const exchanges: Exchange[][] = []
  let ahead: (() => void)[] = []
  const outputs = withTrace(trace, () => {
    /** Nodes that `body` adds to the trace. */
    const recorded = (body: () => void): Node[] => {
      const before = trace.nodes.length
      body()
      return trace.nodes.slice(before)
    }
    const again = (node: Node) => {
      if (node.inputs.every((v) => !mapped.has(v))) return void trace.nodes.push(node)
      trace
        .record(node.op, node.inputs.map(tensorOf), node.params)
        .forEach((t, i) => mapped.set(node.outputs[i]!, t.traced!.value))
    }
    for (const { runs: nodes, collectives } of levels) {
      const arrived = ahead
      ahead = []
      const started: Exchange[] = []
      runs.push(
        recorded(() => {
          for (const arrive of arrived) arrive()
          for (const node of nodes) {
            trace.scope = node.scope
            again(node)
          }
          for (const node of collectives) {
            trace.scope = node.scope
            let x = tensorOf(node.inputs[0]!)
            // What runs where it is used has to be made once to be sent.
            const { node: maker } = x.traced!.value
            if (maker && free.has(maker)) x = apply('reshape', [x], { shape: x.shape })
            const { exchange, arrive } = expand(node, x, trace)
            started.push(exchange)
            ahead.push(() => {
              trace.scope = node.scope
              mapped.set(node.outputs[0]!, arrive().traced!.value)
            })
          }
        }),
      )
      exchanges.push(started)
    }
    const rest = ahead
    runs.push(recorded(() => rest.forEach((arrive) => arrive())))
    exchanges.push([])
    // What is returned is made by the program, and handed out once.
    const seen = new Set<Value>()
    const own = recorded(() => {
      graph.outputs.forEach((value) => {
        const result = of(value)
        const isLeaf = !result.node || free.has(result.node)
        const again =
          isLeaf || seen.has(result)
            ? apply('reshape', [Tensor.fromTrace(trace, result)], { shape: result.aval.shape }).traced!.value
            : result
        seen.add(again)
      })
    })
    runs.at(-1)!.push(...own)
    return [...seen]
  })
  return {
    inputs: graph.inputs,
    constants: graph.constants.map((c) => c.value),
    outputs,
    steps: stepsOf(overlapping(runs, exchanges), { free, inputs: graph.inputs, outputs }),
  }
}
