// Holds the default device against the float64 reference, case by case: for the conformance suite and for run.ts.
import {
  add,
  disposeTree,
  jit,
  makeGraph,
  mul,
  sum,
  tensor,
  treeLeaves,
  valueAndGrad,
  verifyGraph,
} from '../../src/index'
import type { Graph, Tensor } from '../../src/index'
import type { Case } from './cases'
import { evaluate, numbers, type Nd } from './reference'

export const asList = (result: Tensor | Tensor[]): Tensor[] => (Array.isArray(result) ? result : [result])

export function hostInputs({ inputs }: Case): Nd[] {
  return inputs.map(({ shape, dtype, make }, i) => {
    const { data } = numbers(shape, i + 1)
    return { shape, data: data.map((x, at) => (dtype === 'f32' ? Math.fround(make(x, at)) : make(x, at))) }
  })
}

const arrays = { f32: Float32Array, i32: Int32Array, u32: Uint32Array, u8: Uint8Array, bool: Uint8Array }
export const toTensors = (c: Case, values: readonly Nd[]): Tensor[] =>
  c.inputs.map(({ shape, dtype }, i) => tensor(arrays[dtype].from(values[i]!.data), { shape, dtype }))

/** The f32 inputs, and a scalar that weighs every element of the outputs differently. */
const floatInputs = (c: Case): number[] =>
  c.inputs.flatMap((spec, i) => (spec.dtype === 'f32' && !spec.frozen ? [i] : []))
function scalarOf(c: Case, weights: readonly Tensor[]): (floats: Tensor[], all: Tensor[]) => Tensor {
  return (floats, all) => {
    const merged = all.slice()
    floatInputs(c).forEach((at, i) => (merged[at] = floats[i]!))
    return asList(c.fn(...merged))
      .map((out, i) => sum(mul(out, weights[i]!)))
      .reduce((a, b) => add(a, b))
  }
}

/** Elements may differ by `tolerance` times the largest of them, or of 1. */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what: string,
): void {
  if (actual.length !== expected.length)
    throw new Error(`${what} has ${actual.length} elements, not ${expected.length}`)
  let scale = 1
  for (let i = 0; i < expected.length; i++)
    if (Number.isFinite(expected[i]!)) scale = Math.max(scale, Math.abs(expected[i]!))
  for (let i = 0; i < expected.length; i++) {
    const difference = actual[i] === expected[i] ? 0 : Math.abs(actual[i]! - expected[i]!)
    if (!(difference <= tolerance * scale)) throw new Error(`${what}[${i}] is ${actual[i]}, expected ${expected[i]}`)
  }
}

/** Outputs by the reference, the same on every backend. */
const outputsByCase = new WeakMap<Case, Nd[]>()
function outputsOf(c: Case): Nd[] {
  const known = outputsByCase.get(c)
  if (known) return known
  const host = hostInputs(c)
  const graph = makeGraph((...xs: Tensor[]) => c.fn(...xs))(...toTensors(c, host))
  verifyGraph(graph)
  const outputs = evaluate(graph, host)
  outputsByCase.set(c, outputs)
  return outputs
}

/** @throws when an output is not what the reference computes */
export async function checkValues(c: Case): Promise<void> {
  const expected = outputsOf(c)
  const inputs = toTensors(c, hostInputs(c))
  const outputs = asList(jit((...xs: Tensor[]) => c.fn(...xs))(...inputs))
  for (const [i, out] of outputs.entries()) expectClose(await out.data(), expected[i]!.data, 2e-6, `output ${i}`)
  disposeTree([...inputs, ...outputs])
}

/**
 * @param changes whether giving up input `i` changes the program; where it does not, the run is that of `checkValues`
 * @throws when an output is not what the reference computes once an input has given up its memory
 */
export async function checkDonated(c: Case, changes: (graph: Graph, i: number) => boolean = () => true): Promise<void> {
  const host = hostInputs(c)
  const fn = (...xs: Tensor[]) => c.fn(...xs)
  const graph = makeGraph(fn)(...toTensors(c, host))
  const expected = outputsOf(c)
  for (const donated of c.inputs.keys()) {
    if (!changes(graph, donated)) continue
    const inputs = toTensors(c, host)
    const outputs = asList(jit(fn, { donate: [donated] })(...inputs))
    for (const [i, out] of outputs.entries())
      expectClose(await out.data(), expected[i]!.data, 2e-6, `output ${i}, input ${donated} donated,`)
    disposeTree([...inputs, ...outputs])
  }
}

/** What a case's value and gradients are by the reference, and the weights of its outputs in that value. */
interface Expected {
  readonly value: Nd
  readonly grads: readonly Nd[]
  readonly weights: readonly Nd[]
}
/** By case: the same on every backend. */
const expectedByCase = new WeakMap<Case, Expected>()

const uploaded = (nds: readonly Nd[]): Tensor[] =>
  nds.map(({ shape, data }) => tensor(Float32Array.from(data), { shape }))

const stepOf = (c: Case) => (fs: Tensor[], all: Tensor[], ws: Tensor[]) =>
  valueAndGrad((xs: Tensor[]) => scalarOf(c, ws)(xs, all))(fs)

/** @throws when a gradient of the reference is not what finite differences say */
function expectedOf(c: Case): Expected {
  const known = expectedByCase.get(c)
  if (known) return known
  const host = hostInputs(c)
  const inputs = toTensors(c, host)
  const outShapes = makeGraph((...xs: Tensor[]) => c.fn(...xs))(...inputs).outputs.map((v) => v.aval.shape)
  const weights = outShapes.map((shape, i) => numbers(shape, 100 + i))
  const floats = floatInputs(c)
  const wrt = floats.map((i) => inputs[i]!)
  const graph = makeGraph(stepOf(c))(wrt, inputs, uploaded(weights))
  verifyGraph(graph)
  const [value, ...grads] = evaluate(graph, [...floats.map((i) => host[i]!), ...host, ...weights])

  const lossGraph = makeGraph((fs: Tensor[], all: Tensor[], ws: Tensor[]) => scalarOf(c, ws)(fs, all))(
    wrt,
    inputs,
    uploaded(weights),
  )
  const loss = (values: readonly Nd[]) => evaluate(lossGraph, [...values, ...host, ...weights])[0]!.data[0]!
  for (const [slot, at] of floats.entries()) {
    const { data, shape } = host[at]!
    const stride = data.length > 300 ? data.length - 1 : Math.max(1, Math.floor(data.length / 12)) // a dozen elements, two of large inputs
    for (let e = 0; e < data.length; e += stride) {
      const nudge = (by: number) =>
        floats.map((i, s) => (s === slot ? { shape, data: data.map((x, k) => (k === e ? x + by : x)) } : host[i]!))
      const numeric = (loss(nudge(1e-5)) - loss(nudge(-1e-5))) / 2e-5
      const analytic = grads[slot]!.data[e]!
      if (Math.abs(numeric - analytic) > 1e-6 * Math.max(1, Math.abs(numeric)))
        throw new Error(`∂/∂input${at}[${e}] is ${analytic}, finite differences say ${numeric}`)
    }
  }
  const found = { value: value!, grads, weights }
  expectedByCase.set(c, found)
  return found
}

/** @throws when a gradient is not what the reference computes, or the reference's not what finite differences say */
export async function checkGradients(c: Case): Promise<void> {
  const { value, grads, weights } = expectedOf(c)
  const inputs = toTensors(c, hostInputs(c))
  const wrt = floatInputs(c).map((i) => inputs[i]!)
  const [actualValue, actualGrads] = jit(stepOf(c))(wrt, inputs, uploaded(weights))
  expectClose(await actualValue.data(), value.data, 1e-5, 'value')
  for (const [i, g] of treeLeaves(actualGrads).entries())
    expectClose(await g.data(), grads[i]!.data, 1e-5, `gradient ${i}`)
}
