// Rematerialisation: what one pass over elements gives is computed again in the backward pass, not kept for it.
import { isFloat } from '../dtype'
import { makeNode, rewrite, type Graph, type Node, type Value } from '../ir/graph'
import type { OpName } from '../ir/op'
import { elementwiseRules } from '../ir/ops/elementwise'
import { isFused } from '../nn/decompositions'
import { keptHalves } from './halves'
import { isMade, Recompute } from './recompute'

/** Ops that cost a pass over their elements, or less, beside those of `elementwiseRules`. */
const onePass = new Set<string>(['silu', 'dropout', 'rmsNorm', 'rope', 'reshape', 'transpose', 'broadcastTo', 'slice'])

const isElementwise = (op: OpName): boolean => op in elementwiseRules
const isCheap = ({ op }: Node): boolean => isElementwise(op) || onePass.has(op)

/** Steps from what is kept to what is computed again of it: more cost more than the memory they save. */
const mostSteps = 12

/** Views of inputs and constants, and what is made without reading any. */
function isFree(value: Value): boolean {
  const { node } = value
  return !node || isMade(value) || (node.op === 'reshape' && isFree(node.inputs[0]!))
}

/**
 * How many ops give each value of `forward` from what the backward pass keeps: 0 for what is kept, none for what would have
 * to be kept for it.
 * @param read what the backward pass reads
 */
function stepsToCompute(forward: readonly Node[], read: ReadonlySet<Value>): Map<Value, number> {
  const steps = new Map<Value, number>()
  for (const node of forward) {
    const own = 1 + Math.max(...node.inputs.map((v) => (isFree(v) ? 0 : (steps.get(v) ?? Infinity))))
    const again = isCheap(node) && own <= mostSteps
    for (const value of node.outputs) {
      if (again) steps.set(value, own)
      else if (read.has(value)) steps.set(value, 0)
    }
  }
  return steps
}

/**
 * A backward pass that keeps less: of the values of `forward` that it reads, those that cheap ops give from others it keeps
 * anyway are computed again, a part of the model (a scope) at a time, once the gradient has arrived there. What fused ops
 * read is held back as well, so that what their definitions share with the forward pass, as attention's probabilities,
 * is computed again too. What is kept may be kept in 16 bits: see {@link keptHalves}.
 * @param outputs values of `backward` to give
 * @param seeds cotangents that the backward pass began with
 */
export function rematerialise(
  forward: readonly Node[],
  backward: readonly Node[],
  outputs: readonly Value[],
  seeds: readonly Value[],
): Pick<Graph, 'nodes' | 'outputs'> & { readonly forward: readonly Node[] } {
  const made = new Set(forward.flatMap((node) => node.outputs))
  const read = new Set(backward.flatMap((node) => node.inputs).filter((v) => made.has(v) && !isFree(v)))
  const steps = stepsToCompute(forward, read)
  const isAgain = (value: Value | undefined) => value !== undefined && (steps.get(value) ?? 0) > 0
  const again = (node: Node) => isAgain(node.outputs[0])
  const kept = keptHalves(forward, (value) => steps.get(value) === 0)
  const parts = new Map<string, Recompute>()
  // Values that exist only once the gradient has arrived: what descends from a seed and from a value of the forward pass.
  const fromSeed = new Set(seeds)
  const arrived = new Set<Value>()
  let token: Value | undefined
  const follow = ({ inputs, outputs }: Node, readsForward: boolean): void => {
    const isHere = inputs.some((v) => arrived.has(v))
    if (!isHere && !inputs.some((v) => fromSeed.has(v))) return
    for (const value of outputs) {
      fromSeed.add(value)
      if (!isHere && !readsForward) continue
      arrived.add(value)
      if (isFloat(value.aval.dtype)) token = value
    }
  }
  const { halfOf } = kept
  const rewritten = rewrite({ inputs: [], constants: [], nodes: backward, outputs }, (node, inputs, emit) => {
    const mayShare = node.op !== 'barrier' && (isElementwise(node.op) || isFused(node.op))
    const current = inputs.map((value) => {
      if (!read.has(value) || !(mayShare || isAgain(value) || halfOf(value))) return value
      const part = parts.get(node.scope) ?? (token && new Recompute({ isFree, again, halfOf, token, emit }))
      if (!part) return value
      parts.set(node.scope, part)
      return part.value(value)
    })
    const unchanged = current.every((v, i) => v === node.inputs[i])
    const now = emit(unchanged ? node : makeNode(node.op, node.params, current, node.scope, node.region))
    follow(
      now,
      inputs.some((v) => made.has(v)),
    )
    return now.outputs
  })
  return { ...rewritten, forward: kept.nodes }
}
