// Checks that a graph is well formed: every value defined before use, every aval what its shape rule says.
import { fail } from '../errors'
import type { Graph, Value } from './graph'
import { inferAvals } from './op'
import { showAval } from './print'

/** Throws when a pass has broken `graph`. Passes are run under it in tests. */
export function verifyGraph(graph: Graph): void {
  const defined = new Set<Value>([...graph.inputs, ...graph.constants.map((c) => c.value)])
  for (const node of graph.nodes) {
    for (const value of node.inputs)
      if (!defined.has(value))
        fail('verifyGraph', `${node.op} reads a ${showAval(value.aval)} that is not defined before it`)
    const avals = inferAvals(
      node.op,
      node.inputs.map((v) => v.aval),
      node.params,
    )
    node.outputs.forEach((value, i) => {
      const expected = avals[i]
      if (!expected || showAval(expected) !== showAval(value.aval))
        fail(
          'verifyGraph',
          `${node.op} says ${showAval(value.aval)}, its rule ${expected ? showAval(expected) : 'nothing'}`,
        )
      defined.add(value)
    })
  }
  for (const value of graph.outputs)
    if (!defined.has(value)) fail('verifyGraph', `an output ${showAval(value.aval)} is not defined`)
}
