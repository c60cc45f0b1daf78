// One collective as what is sent, and the arithmetic on what arrives.
import { add, concat, maximum, Tensor } from '@jora/tensor'
import { apply, leafValue, type Node, type OpParams, type Trace } from '@jora/tensor/graph'
import type { Exchange } from './types'

/** A collective as what is sent, and what is made of what arrives. */
export function expand(node: Node, x: Tensor, trace: Trace): { exchange: Exchange; arrive: () => Tensor } {
  const op = node.op as Exchange['op']
  const { axes, count } = node.params as OpParams['allReduce']
  const scope = node.scope
  const make = (outgoing: readonly Tensor[]): { exchange: Exchange; parts: Tensor[] } => {
    const parts = Array.from({ length: count }, () => leafValue(outgoing[0]!.aval))
    const values = outgoing.map((t) => t.traced!.value)
    return {
      exchange: { op, axes, count, outgoing: values, parts, scope },
      parts: parts.map((v) => Tensor.fromTrace(trace, v)),
    }
  }
  if (op === 'reduceScatter') {
    const { dim } = node.params as OpParams['reduceScatter']
    const size = x.shape[dim]! / count
    const pieces = Array.from({ length: count }, (_, j) =>
      apply('slice', [x], {
        starts: x.shape.map((_d, i) => (i === dim ? j * size : 0)),
        limits: x.shape.map((d, i) => (i === dim ? (j + 1) * size : d)),
      }),
    )
    const { exchange, parts } = make(pieces)
    return { exchange, arrive: () => parts.reduce((a, b) => add(a, b)) }
  }
  const { exchange, parts } = make([x])
  if (op === 'allGather') return { exchange, arrive: () => concat(parts, (node.params as OpParams['allGather']).dim) }
  const { reduction } = node.params as OpParams['allReduce']
  return { exchange, arrive: () => parts.reduce((a, b) => (reduction === 'max' ? maximum(a, b) : add(a, b))) }
}
