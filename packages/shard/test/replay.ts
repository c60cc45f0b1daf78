// Running a program's graph again on other values.
import * as t from '@jora/tensor'
import type { Tensor } from '@jora/tensor'
import { applyAll, type Graph, type Value } from '@jora/tensor/graph'

/** The program as a function of its inputs. */
export function replay({ nodes, inputs, outputs }: Graph<Tensor>, args: readonly Tensor[]): Tensor[] {
  const known = new Map<Value, Tensor>(inputs.map((value, i) => [value, args[i]!]))
  for (const node of nodes) {
    const made = applyAll(
      node.op,
      node.inputs.map((value) => known.get(value)!),
      node.params,
    )
    node.outputs.forEach((value, i) => known.set(value, made[i]!))
  }
  return outputs.map((value) => known.get(value)!)
}

/** A number that all float results of a program go into, each element with a weight of its own. */
export function lossOf(results: readonly Tensor[]): Tensor {
  const terms = results
    .filter((x) => x.dtype === 'f32')
    .map((x) => {
      const weights = t.reshape(t.sin(t.add(t.cast(t.iota([x.size], 0), 'f32'), 1)), x.shape)
      return t.mul(t.sum(t.mul(x, weights)), 1 / x.size)
    })
  return terms.reduce((a, b) => t.add(a, b))
}
