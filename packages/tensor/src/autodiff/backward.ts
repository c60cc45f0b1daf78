// The reverse sweep: appends to a trace the nodes that compute cotangents, and recomputes checkpointed regions.
import { fail } from '../errors'
import type { Node, Value } from '../ir/graph'
import type { OpName } from '../ir/op'
import { showAval } from '../ir/print'
import type { Trace } from '../ir/tracer'
import { decompositions, isFused } from '../nn/decompositions'
import { apply } from '../ops/apply'
import { add } from '../ops/elementwise'
import { Tensor } from '../tensor'
import { isMade, Recompute } from './recompute'
import { isDifferentiable, vjpRules, type VjpContext, type VjpRule } from './vjp-rules'

/** Values computed from `sources`, through ops that pass gradients on. */
function dependents(nodes: readonly Node[], sources: readonly Value[]): Set<Value> {
  const dependent = new Set(sources)
  for (const node of nodes) {
    if (isDifferentiable(node.op) && node.inputs.some((v) => dependent.has(v)))
      node.outputs.forEach((v) => dependent.add(v))
  }
  return dependent
}

/** Cotangents of `inputs` by differentiating the op's definition in primitives. */
function vjpOfDecomposition(
  trace: Trace,
  node: Node,
  inputs: readonly Tensor[],
  cotangents: readonly (Tensor | undefined)[],
  needs: readonly boolean[],
): (Tensor | undefined)[] {
  if (!isFused(node.op)) fail(node.op, 'has neither a VJP rule nor a decomposition')
  const aliases = inputs.map((t) => apply('reshape', [t], { shape: t.shape }))
  const decompose = decompositions[node.op] as (inputs: readonly Tensor[], params: object) => readonly Tensor[]
  const outputs = decompose(aliases, node.params)
  const wanted = aliases.filter((_, i) => needs[i])
  const pulled = backward(
    trace,
    outputs.map((t, i) => [t, cotangents[i]] as const),
    wanted,
  )
  return needs.map((needed) => (needed ? pulled.shift() : undefined))
}

/**
 * Cotangents of `wrt`, given those of some outputs, as new nodes of `trace` (which must be active). Undefined where no
 * gradient flows. Only nodes between `wrt` and the outputs are visited: nothing is computed for frozen inputs.
 */
export function backward(
  trace: Trace,
  outputs: readonly (readonly [Tensor, Tensor | undefined])[],
  wrt: readonly Tensor[],
): (Tensor | undefined)[] {
  const nodes = trace.nodes.slice()
  const sources = wrt.map((t) => trace.valueOf(t))
  const dependent = dependents(nodes, sources)
  const cotangents = new Map<Value, Tensor>()
  const accumulate = (value: Value, cotangent: Tensor) => {
    const sum = cotangents.get(value)
    cotangents.set(value, sum ? add(sum, cotangent) : cotangent)
  }
  for (const [output, cotangent] of outputs) if (cotangent) accumulate(trace.valueOf(output), cotangent)

  const regions = new Map<number, Recompute>()
  const outerScope = trace.scope
  for (const node of nodes.reverse()) {
    const received = node.outputs.map((v) => cotangents.get(v))
    const needs = node.inputs.map((v) => dependent.has(v))
    const token = received.find((g) => g !== undefined)
    if (!token || !needs.includes(true) || !node.outputs.some((v) => dependent.has(v))) continue
    trace.scope = node.scope === '' ? outerScope : `${node.scope}/grad`
    let recompute = regions.get(node.region)
    if (!recompute && node.region !== 0) {
      recompute = new Recompute({
        isFree: (value) => trace.isConstant(value) || isMade(value),
        again: ({ region }) => region === node.region,
        token: trace.valueOf(token),
        emit: (copy) => trace.nodes.push(copy),
      })
      regions.set(node.region, recompute)
    }
    const primal = (value: Value | undefined) => {
      if (!value) return fail(node.op, 'its VJP rule reads an input it does not have')
      return Tensor.fromTrace(trace, recompute ? recompute.value(value) : value)
    }
    const rule = vjpRules[node.op] as VjpRule<OpName> | 'decompose'
    let pulled: readonly (Tensor | undefined)[]
    if (rule === 'decompose' || received.slice(1).some((g) => g !== undefined)) {
      pulled = vjpOfDecomposition(trace, node, node.inputs.map(primal), received, needs)
    } else {
      const context: VjpContext<OpName> = {
        params: node.params,
        input: (i) => primal(node.inputs[i]),
        output: (i) => primal(node.outputs[i]),
        needs: (i) => needs[i] ?? false,
        inputCount: node.inputs.length,
      }
      pulled = rule(received[0]!, context)
    }
    node.inputs.forEach((value, i) => {
      const cotangent = pulled[i]
      if (!cotangent || !needs[i]) return
      if (showAval(cotangent.aval) !== showAval(value.aval))
        fail(node.op, `its VJP rule gave ${showAval(cotangent.aval)} for input ${i} of ${showAval(value.aval)}`)
      accumulate(value, cotangent)
    })
  }
  trace.scope = outerScope
  return sources.map((value) => cotangents.get(value))
}
