// Holds what the op table says to the float64 reference: how inputs are read, and which dtypes are refused.
import { grad, makeGraph, mul, sum, TensorError, checkpoint, sin } from '../../src/index'
import type { DType, Graph, Node, OpName, Tensor, Value } from '../../src/index'
import { leafValue } from '../../src/ir/graph'
import { inferAvals, opRules, readsOf } from '../../src/ir/op'
import { keyOf } from '../../src/ir/key'
import { showAval } from '../../src/ir/print'
import { decompose } from '../../src/jit/passes/decompose'
import { isFused } from '../../src/nn/decompositions'
import { isFloat } from '../../src/dtype'
import { sizeOf, stridesOf, type Shape } from '../../src/shape'
import type { Case } from './cases'
import { asList, hostInputs, toTensors } from './compare'
import { evaluate, type Nd } from './reference'

/** One op with inputs for it. */
export interface Applied {
  readonly node: Node
  readonly inputs: readonly Nd[]
}

const single = (node: Node): Graph => {
  const inputs = node.inputs.map(({ aval }) => leafValue(aval))
  const outputs: Value[] = []
  const copy: Node = { ...node, inputs, outputs }
  node.outputs.forEach(({ aval }, index) => outputs.push({ aval, node: copy, index }))
  return { inputs, constants: [], nodes: [copy], outputs }
}

/** Every node of `graph`, with the values it reads in a run on `host`. */
function appliedIn(graph: Graph, host: readonly Nd[]): Applied[] {
  const read = [...new Set(graph.nodes.flatMap((node) => node.inputs))]
  const values = evaluate({ ...graph, outputs: read }, host)
  const valueOf = new Map(read.map((value, i) => [value, values[i]!]))
  return graph.nodes.map((node) => ({ node, inputs: node.inputs.map((v) => valueOf.get(v)!) }))
}

/** The ops that a case runs, and those that its gradient adds. */
export function opsOf(c: Case): Applied[] {
  const host = hostInputs(c)
  const inputs = toTensors(c, host)
  const applied = appliedIn(makeGraph((...xs: Tensor[]) => c.fn(...xs))(...inputs), host)
  // Cases of other numbers alone have the gradient of the case they are like.
  if (!c.smooth || c.kernelsOf !== undefined) return applied
  const floats = c.inputs.flatMap((spec, i) => (spec.dtype === 'f32' && !spec.frozen ? [i] : []))
  const gradient = grad((chosen: Tensor[], all: Tensor[]) => {
    const merged = all.slice()
    floats.forEach((at, i) => (merged[at] = chosen[i]!))
    // Checkpointed, so that barriers are among the ops.
    return sum(checkpoint((xs: Tensor[]) => sin(mul(asList(c.fn(...xs))[0]!, 1.5)))(merged))
  })
  const graph = makeGraph(gradient)(
    floats.map((i) => inputs[i]!),
    inputs,
  )
  return [...applied, ...appliedIn(graph, [...floats.map((i) => host[i]!), ...host])]
}

/** What tells ops apart of which checking one is enough. */
export const keyOfApplied = ({ node }: Applied): string =>
  `${node.op} ${node.inputs.map((v) => showAval(v.aval)).join()} ${keyOf(node.params)}`

/** Flat index of the element of an input that broadcasting reads for element `flat` of the output; −1 where it cannot. */
function broadcastIndex(input: Shape, output: Shape, flat: number): number {
  if (sizeOf(input) === sizeOf(output)) return flat
  const aligned = input.every((d, i) => d === 1 || d === output[i + output.length - input.length])
  if (!aligned) return -1
  const [own, all] = [stridesOf(input), stridesOf(output)]
  const lead = output.length - input.length
  return input.reduce((at, d, i) => at + (d === 1 ? 0 : (Math.floor(flat / all[i + lead]!) % d) * own[i]!), 0)
}

/** Another value for an element. */
const nudged = (x: number, dtype: DType): number =>
  dtype === 'bool'
    ? 1 - x
    : isFloat(dtype)
      ? x + 3.75
      : dtype === 'u32'
        ? (x ^ 0x5bd1e995) >>> 0
        : dtype === 'u8'
          ? x ^ 0x59
          : x > 0
            ? x - 1
            : 1

/** Elements of an input that are changed, one by one. */
const perturbed = 7

/** Whether some output element depends on an element of input `i` that is not at its own place. */
export function readsElsewhere({ node, inputs }: Applied, i: number): boolean {
  const graph = single(node)
  const before = evaluate(graph, inputs)
  const { shape, data } = inputs[i]!
  const { dtype } = node.inputs[i]!.aval
  const stride = Math.max(1, Math.floor(data.length / perturbed))
  for (let e = 0; e < data.length; e += stride) {
    const changed = { shape, data: data.map((x, k) => (k === e ? nudged(x, dtype) : x)) }
    const after = evaluate(
      graph,
      inputs.map((x, k) => (k === i ? changed : x)),
    )
    for (const [o, out] of after.entries())
      for (let flat = 0; flat < out.data.length; flat++)
        if (!Object.is(out.data[flat], before[o]!.data[flat]) && broadcastIndex(shape, out.shape, flat) !== e)
          return true
  }
  return false
}

/** @throws when the table says that an input is read at the same place only, and the reference reads elsewhere */
export function checkReads(applied: Applied): void {
  const { node } = applied
  for (const i of node.inputs.keys())
    if (readsOf(node.op, i) === 'same' && readsElsewhere(applied, i))
      throw new Error(
        `opRules.${node.op} says that input ${i} is read at the 'same' place; changing one element of ${showAval(node.inputs[i]!.aval)} changes others of the output`,
      )
}

const dtypes: readonly DType[] = ['f32', 'f16', 'bf16', 'i32', 'u32', 'u8', 'bool']

/**
 * Gives each input each dtype, the others staying as they are.
 * @throws when one that the rule does not name is taken, or refused for something else; or when a fused op takes what its
 * definition does not
 */
export function checkDTypes({ node }: Applied): void {
  const rule = opRules[node.op]
  const avals = node.inputs.map((v) => v.aval)
  const like = avals[rule.inputs.findIndex((r) => r.alike)]?.dtype
  for (const i of avals.keys()) {
    const { of, alike } = rule.inputs[i] ?? rule.inputs.at(-1)!
    for (const dtype of dtypes) {
      const tried = avals.map((aval, k) => (k === i ? { ...aval, dtype } : aval))
      const others = rule.inputs.filter((r) => r.alike).length > 1 || avals.length > rule.inputs.length
      const taken = of.includes(dtype) && !(alike && others && dtype !== like)
      let error: unknown
      try {
        const outputs = inferAvals(node.op, tried, node.params)
        if (isFused(node.op)) checkDefinition(node.op, tried, node.params, outputs)
      } catch (caught) {
        error = caught
      }
      const what = `${node.op}, input ${i} ${dtype}`
      if (taken && error) throw new Error(`${what}: refused`, { cause: error })
      if (!taken && !(error instanceof TensorError && /the dtype of .* is .*, expected /.test(error.message)))
        throw new Error(`${what}: ${error ? (error as Error).message : 'taken'}, expected a refusal of its dtype`)
    }
  }
}

/** @throws when the op's definition in primitives refuses these inputs or gives other outputs */
function checkDefinition(
  op: OpName,
  inputs: readonly Value['aval'][],
  params: Node['params'],
  outputs: readonly Value['aval'][],
): void {
  const leaves = inputs.map(leafValue)
  const made: Value[] = []
  const node: Node = { op, params, inputs: leaves, outputs: made, scope: '', region: 0 }
  outputs.forEach((aval, index) => made.push({ aval, node, index }))
  const plain = decompose({ inputs: leaves, constants: [], nodes: [node], outputs: made }, () => false)
  const [said, meant] = [outputs, plain.outputs.map((v) => v.aval)].map((list) => list.map(showAval).join())
  if (said !== meant) throw new Error(`${op}: the rule says ${said}, the definition ${meant}`)
}
