// Common-subexpression removal: the same op on the same values is computed once.
import { makeNode, rewrite, type Graph, type Value } from '../../ir/graph'
import { keyOf } from '../../ir/key'

/** `graph` with nodes of equal op, parameters and inputs made one. */
export function removeCommonSubexpressions<T>(graph: Graph<T>): Graph<T> {
  const ids = new Map<Value, number>()
  const idOf = (value: Value) => ids.get(value) ?? (ids.set(value, ids.size), ids.size - 1)
  const seen = new Map<string, readonly Value[]>()
  return rewrite(graph, (node, inputs, emit) => {
    const key = `${node.op}(${inputs.map(idOf).join(',')})${keyOf(node.params)}`
    const known = seen.get(key)
    if (known) return known
    const unchanged = inputs.every((v, i) => v === node.inputs[i])
    const { outputs } = emit(unchanged ? node : makeNode(node.op, node.params, inputs, node.scope, node.region))
    seen.set(key, outputs)
    return outputs
  })
}
