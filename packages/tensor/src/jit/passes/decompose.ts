// Replaces fused ops a backend has no kernel for by their definition in primitives.
import { makeNode, rewrite, type Graph, type Node, type Value } from '../../ir/graph'
import { Trace, withTrace } from '../../ir/tracer'
import { decompositions, isFused, type Definitions } from '../../nn/decompositions'
import type { Tensor } from '../../tensor'

function definition(node: Node, definitions: Definitions): Graph {
  const trace = new Trace()
  return withTrace(trace, () => {
    const inputs = node.inputs.map((v) => trace.addInput(v.aval))
    const decompose = definitions[node.op as keyof Definitions] as (
      inputs: readonly Tensor[],
      params: object,
    ) => readonly Tensor[]
    return trace.finish(decompose(inputs, node.params))
  })
}

/**
 * `graph` without the fused ops that `keep` does not name.
 * @param definitions what stands for them: a backend may have definitions of its own
 */
export function decompose<T>(
  graph: Graph<T>,
  keep: (node: Node) => boolean,
  definitions: Definitions = decompositions,
): Graph<T> {
  return rewrite(graph, (node, inputs, emit) => {
    const expand = (current: Node, currentInputs: readonly Value[]): readonly Value[] => {
      if (!isFused(current.op) || keep(current)) {
        return emit(makeNode(current.op, current.params, currentInputs, node.scope, node.region)).outputs
      }
      const body = definition(current, definitions)
      const mapped = new Map(body.inputs.map((value, i) => [value, currentInputs[i]!]))
      for (const inner of body.nodes) {
        const outputs = expand(
          inner,
          inner.inputs.map((v) => mapped.get(v)!),
        )
        inner.outputs.forEach((v, i) => mapped.set(v, outputs[i]!))
      }
      return body.outputs.map((v) => mapped.get(v)!)
    }
    return expand(node, inputs)
  })
}
