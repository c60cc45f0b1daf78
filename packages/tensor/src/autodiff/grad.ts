// grad and valueAndGrad: functions that compute gradients, as graph → graph.
import { fail } from '../errors'
import { showAval } from '../ir/print'
import { activeTrace } from '../ir/tracer'
import { jit } from '../jit/jit'
import { apply } from '../ops/apply'
import { full, zerosLike } from '../ops/create'
import { Tensor } from '../tensor'
import { flatten, type Tree } from '../tree'
import { backward } from './backward'
import { rematerialise } from './rematerialise'

/** What a differentiated function returns: its scalar, or `[scalar, aux]` with values that are passed through. */
export type ScalarOrAux = Tensor | readonly [Tensor, Tree]

/** `[value, gradient]`, the gradient having the structure of the first argument. */
export type ValueAndGrad<A extends readonly Tree[], R extends ScalarOrAux> = (...args: A) => [R, A[0]]

/**
 * A function that returns the value of `fn` and its gradient with respect to the first argument (any tree of float
 * tensors). `fn` returns an f32 scalar, or `[scalar, aux]`. Outside `jit` the pair is compiled on first use.
 * @throws TensorError when the value is not a float scalar
 */
export function valueAndGrad<A extends readonly [Tree, ...Tree[]], R extends ScalarOrAux>(
  fn: (...args: A) => R,
): ValueAndGrad<A, R> {
  const traced = (...args: A): [R, A[0]] => {
    const trace = activeTrace() ?? fail('valueAndGrad', 'needs an active trace')
    const flat = flatten(args[0])
    // Aliases, so that a tensor which fn also closes over counts as a constant there, as in JAX.
    const inputs = flat.leaves.map((t) => apply('reshape', [t], { shape: t.shape }))
    const result = fn(...([flat.unflatten(inputs), ...args.slice(1)] as unknown as A))
    const value = result instanceof Tensor ? result : (result[0] as Tensor)
    if (value.size !== 1 || value.shape.length !== 0 || value.dtype !== 'f32')
      fail('valueAndGrad', `the function returned ${showAval(value.aval)}, expected f32[]`)
    const seed = full([], 1)
    const begin = trace.nodes.length
    const cotangents = backward(trace, [[value, seed]], inputs).map((g, i) => g ?? zerosLike(inputs[i]!))
    const pulled = trace.nodes.splice(begin)
    const outputs = cotangents.map((g) => trace.valueOf(g))
    const kept = rematerialise(trace.nodes, pulled, outputs, [trace.valueOf(seed)])
    trace.nodes.splice(0, Infinity, ...kept.forward, ...kept.nodes)
    return [result, flat.unflatten(kept.outputs.map((v) => Tensor.fromTrace(trace, v))) as A[0]]
  }
  const eager = jit(traced as (...args: A) => [Tree, Tree]) as unknown as ValueAndGrad<A, R>
  return (...args) => (activeTrace() ? traced(...args) : eager(...args))
}

/** The gradient of a scalar function with respect to its first argument. See {@link valueAndGrad}. */
export function grad<A extends readonly [Tree, ...Tree[]]>(fn: (...args: A) => ScalarOrAux): (...args: A) => A[0] {
  const both = valueAndGrad(fn)
  const eager = jit(((...args: A) => both(...args)[1]) as (...args: A) => Tree) as unknown as (...args: A) => A[0]
  return (...args) => (activeTrace() ? both(...args)[1] : eager(...args))
}
