// Work that is put off so that it runs while an exchange is under way.
import { sizeOf } from '@jora/tensor'
import { isOp, type Node, type OpParams } from '@jora/tensor/graph'
import type { Stretch } from './steps'
import type { Exchange } from './types'

/** Operations of the products among `nodes`: what is worth a segment of its own. */
const productWork = (nodes: readonly Node[]): number =>
  nodes.reduce((sum, node) => {
    if (!isOp(node, 'dot')) return sum
    const { shape } = node.inputs[0]!.aval
    const inner = shape.at((node.params as OpParams['dot']).transposeA ? -2 : -1)!
    return sum + 2 * sizeOf(node.outputs[0]!.aval.shape) * inner
  }, 0)

/** Work that hides an exchange must be more than a message takes: some tens of microseconds of a GPU. */
const overlappedWork = 2 ** 30

/** Puts off what the exchanges of a step do not send, where it is work enough to do while they are under way. */
export function overlapping(
  runs: readonly (readonly Node[])[],
  exchanges: readonly (readonly Exchange[])[],
): Stretch[] {
  return runs.flatMap((nodes, step): Stretch[] => {
    const started = exchanges[step]!
    const whole = { nodes, exchanges: started, overlaps: false }
    if (started.length === 0) return [whole]
    const urgent = new Set<Node>(started.flatMap((e) => e.outgoing.flatMap((value) => value.node ?? [])))
    for (const node of [...nodes].reverse())
      if (urgent.has(node)) for (const { node: from } of node.inputs) if (from) urgent.add(from)
    const rest = nodes.filter((node) => !urgent.has(node))
    if (productWork(rest) < overlappedWork) return [whole]
    return [
      { nodes: nodes.filter((node) => urgent.has(node)), exchanges: started, overlaps: false },
      { nodes: rest, exchanges: [], overlaps: true },
    ]
  })
}
