// The VJP table: for each op, how cotangents of its outputs become cotangents of its inputs.
import { fail } from '../errors'
import type { CollectiveOp, FusedOp, OpName, OpParams } from '../ir/op'
import { apply, applyAll } from '../ops/apply'
import { add, cast, cos, div, eq, log, lt, mul, neg, pow, sigmoid, sin, square, sub, where } from '../ops/elementwise'
import { full, zerosLike } from '../ops/create'
import { gather, scatterAdd } from '../ops/indexing'
import { dot } from '../ops/linalg'
import {
  broadcastTo,
  dynamicSlice,
  dynamicUpdateSlice,
  pad,
  reshape,
  slice,
  sliceAxis,
  sumToShape,
  transpose,
} from '../ops/movement'
import { sum } from '../ops/reduce'
import { shardingConstraint } from '../ops/sharding'
import { rmsNorm } from '../nn/norm'
import { rope } from '../nn/rope'
import { isFloat } from '../dtype'
import type { Tensor } from '../tensor'

export interface VjpContext<K extends OpName> {
  readonly params: OpParams[K]
  /** Primal input `i`; only what is read here is kept (or computed again) for the backward pass. */
  input(i: number): Tensor
  /** Primal output `i`. */
  output(i: number): Tensor
  /** Whether anyone wants the cotangent of input `i`. */
  needs(i: number): boolean
  readonly inputCount: number
}

/** Cotangents of the inputs from that of the first output; undefined where there is none. */
export type VjpRule<K extends OpName> = (cotangent: Tensor, context: VjpContext<K>) => readonly (Tensor | undefined)[]

/** Ops through which no gradient flows: integer- or bool-valued, or stopped on purpose. */
const none: VjpRule<OpName> = () => []

/** Collectives are in graphs that already hold their gradients. */
const afterDifferentiation =
  (op: CollectiveOp): VjpRule<OpName> =>
  () =>
    fail(op, 'is written by the partitioner, after differentiation; differentiate first')

/** Whether gradients can flow through `op` at all. */
export const isDifferentiable = (op: OpName): boolean => vjpRules[op] !== none

const elementwise =
  (...rules: ((g: Tensor, x: VjpContext<OpName>) => Tensor)[]): VjpRule<OpName> =>
  (g, context) =>
    rules.map((rule, i) => (context.needs(i) ? sumToShape(rule(g, context), context.input(i).shape) : undefined))

/** maximum and minimum: the winner takes the cotangent, ties share it. */
const winner = (wins: (a: Tensor, b: Tensor) => Tensor): VjpRule<OpName> =>
  elementwise(
    (g, x) => where(wins(x.input(0), x.input(1)), g, where(eq(x.input(0), x.input(1)), mul(g, 0.5), 0)),
    (g, x) => where(wins(x.input(1), x.input(0)), g, where(eq(x.input(0), x.input(1)), mul(g, 0.5), 0)),
  )

const restoreAxes = (g: Tensor, shape: readonly number[], axes: readonly number[]): Tensor =>
  reshape(
    g,
    shape.map((d, i) => (axes.includes(i) ? 1 : d)),
  )

/** Puts the axes `from..from+count` of x first. */
const axesFirst = (rank: number, from: number, count: number): number[] => {
  const moved = Array.from({ length: count }, (_, i) => from + i)
  return [...moved, ...Array.from({ length: rank }, (_, i) => i).filter((i) => !moved.includes(i))]
}

function dotVjp(
  g: Tensor,
  { params: { transposeA: tA, transposeB: tB }, input, needs }: VjpContext<'dot'>,
): (Tensor | undefined)[] {
  const [a, b] = [input(0), input(1)]
  const da = () => (tA ? dot(b, g, { transposeA: tB, transposeB: true }) : dot(g, b, { transposeB: !tB }))
  const db = () => {
    if (b.shape.length === 2 && a.shape.length > 2 && !tA) {
      // One matrix product over all rows instead of one a batch element, summed.
      const [rows, grows] = [reshape(a, [-1, a.shape.at(-1)!]), reshape(g, [-1, g.shape.at(-1)!])]
      return tB ? dot(grows, rows, { transposeA: true }) : dot(rows, grows, { transposeA: true })
    }
    return tB ? dot(g, a, { transposeA: true, transposeB: tA }) : dot(a, g, { transposeA: !tA })
  }
  return [needs(0) ? sumToShape(da(), a.shape) : undefined, needs(1) ? sumToShape(db(), b.shape) : undefined]
}

/** One rule an op; 'decompose' differentiates the op's definition in primitives (nn/decompositions). */
export const vjpRules: { readonly [K in OpName]: VjpRule<K> | (K extends FusedOp ? 'decompose' : never) } = {
  neg: (g) => [neg(g)],
  exp: (g, { output }) => [mul(g, output(0))],
  log: (g, { input }) => [div(g, input(0))],
  sqrt: (g, { output }) => [div(mul(g, 0.5), output(0))],
  rsqrt: (g, { output }) => [mul(mul(g, -0.5), mul(output(0), square(output(0))))],
  sin: (g, { input }) => [mul(g, cos(input(0)))],
  cos: (g, { input }) => [neg(mul(g, sin(input(0))))],
  tanh: (g, { output }) => [mul(g, sub(1, square(output(0))))],
  sigmoid: (g, { output }) => [mul(g, mul(output(0), sub(1, output(0))))],
  // x·σ(x) has the slope σ + y(1 − σ): of what the forward pass made, only σ and y are kept.
  silu: (g, { input, output }) => {
    const s = sigmoid(input(0))
    return [mul(g, add(s, mul(output(0), sub(1, s))))]
  },
  abs: (g, { input }) => [where(lt(input(0), 0), neg(g), g)],
  not: none,
  add: elementwise(
    (g) => g,
    (g) => g,
  ),
  sub: elementwise(
    (g) => g,
    (g) => neg(g),
  ),
  mul: elementwise(
    (g, x) => mul(g, x.input(1)),
    (g, x) => mul(g, x.input(0)),
  ),
  div: elementwise(
    (g, x) => div(g, x.input(1)),
    (g, x) => neg(div(mul(g, x.output(0)), x.input(1))),
  ),
  pow: elementwise(
    (g, x) => mul(g, mul(x.input(1), pow(x.input(0), sub(x.input(1), 1)))),
    (g, x) => mul(g, mul(x.output(0), log(x.input(0)))),
  ),
  maximum: winner((a, b) => lt(b, a)),
  minimum: winner((a, b) => lt(a, b)),
  eq: none,
  lt: none,
  le: none,
  and: none,
  or: none,
  where: (g, { input, needs }) => [
    undefined,
    needs(1) ? sumToShape(where(input(0), g, 0), input(1).shape) : undefined,
    needs(2) ? sumToShape(where(input(0), 0, g), input(2).shape) : undefined,
  ],
  cast: (g, { input }) => [isFloat(input(0).dtype) ? cast(g, input(0).dtype) : undefined],
  stopGradient: none,
  barrier: (g) => [g],
  shardingConstraint: (g, { params: { spec } }) => [shardingConstraint(g, spec)],
  full: none,
  literal: none,
  iota: none,
  sum: (g, { input, params }) => [broadcastTo(restoreAxes(g, input(0).shape, params.axes), input(0).shape)],
  max: (g, { input, output, params }) => {
    const x = input(0)
    const hit = cast(eq(x, restoreAxes(output(0), x.shape, params.axes)), x.dtype)
    const ties = sum(hit, { axis: params.axes, keepDims: true })
    return [mul(hit, div(restoreAxes(g, x.shape, params.axes), ties))]
  },
  argmax: none,
  softmax: (g, { output }) => {
    const gy = mul(g, output(0))
    return [sub(gy, mul(output(0), sum(gy, { axis: -1, keepDims: true })))]
  },
  reshape: (g, { input }) => [reshape(g, input(0).shape)],
  transpose: (g, { params: { permutation } }) => [
    transpose(
      g,
      permutation.map((_, i) => permutation.indexOf(i)),
    ),
  ],
  broadcastTo: (g, { input }) => [sumToShape(g, input(0).shape)],
  slice: (g, { input, params: { starts, limits } }) => [
    pad(
      g,
      starts,
      input(0).shape.map((d, i) => d - limits[i]!),
    ),
  ],
  pad: (g, { input, params: { low } }) => [
    slice(
      g,
      low,
      input(0).shape.map((d, i) => low[i]! + d),
    ),
  ],
  concat: (g, { input, needs, params: { axis } }) => {
    const cotangents: (Tensor | undefined)[] = []
    for (let i = 0, from = 0; from < g.shape[axis]!; i++) {
      const to = from + input(i).shape[axis]!
      cotangents.push(needs(i) ? sliceAxis(g, axis, from, to) : undefined)
      from = to
    }
    return cotangents
  },
  dynamicSlice: (g, { input, params: { axis } }) => [dynamicUpdateSlice(zerosLike(input(0)), g, input(1), axis)],
  dynamicUpdateSlice: (g, { input, needs, params: { axis } }) => [
    needs(0) ? dynamicUpdateSlice(g, zerosLike(input(1)), input(2), axis) : undefined,
    needs(1) ? dynamicSlice(g, input(2), axis, input(1).shape[axis]!) : undefined,
  ],
  dot: dotVjp,
  gather: (g, { input, params: { axis, batchDims } }) => {
    const [x, indices] = [input(0), input(1)]
    if (batchDims === 1) return [scatterAdd(indices, g, x.shape[1]!, { batchDims })]
    const rows = transpose(g, axesFirst(g.shape.length, axis, indices.shape.length))
    const added = scatterAdd(indices, rows, x.shape[axis]!)
    const back = axesFirst(x.shape.length, axis, 1)
    return [
      transpose(
        added,
        back.map((_, i) => back.indexOf(i)),
      ),
    ]
  },
  scatterAdd: (g, { input, params: { batchDims } }) => [undefined, gather(g, input(0), batchDims, { batchDims })],
  dequantise: () => fail('dequantise', 'a quantised weight is frozen: it has no gradient'),
  randomUniform: none,
  dropout: (g, { input, params }) => [apply('dropout', [g, input(1)], params)],
  rmsNorm: (g, { input, needs, params }) => {
    const [x, w] = [input(0), input(1)]
    return [
      needs(0) ? apply('rmsNormGrad', [x, w, g], params) : undefined,
      needs(1)
        ? cast(sumToShape(mul(g, rmsNorm(x, full(w.shape, 1, w.dtype), params.epsilon)), w.shape), w.dtype)
        : undefined,
    ]
  },
  rope: (g, { input, needs }) => {
    if (needs(1) || needs(2)) fail('rope', 'cos and sin are not differentiable')
    return [rope(g, input(1), neg(input(2)))]
  },
  attention: (g, { input, output, params, inputCount }) => {
    const extra = inputCount > 3 ? [input(3)] : []
    return applyAll('attentionGrad', [input(0), input(1), input(2), output(0), output(1), g, ...extra], params)
  },
  linearCrossEntropy: (g, { input, output, needs, params }) => {
    const [h, w, labels] = [input(0), input(1), input(2)]
    return [
      needs(0) ? cast(mul(output(2), reshape(g, [-1, 1])), h.dtype) : undefined,
      needs(1) ? apply('linearCrossEntropyGradWeight', [h, w, labels, output(1), g], params) : undefined,
    ]
  },
  rmsNormGrad: 'decompose',
  attentionGrad: 'decompose',
  linearCrossEntropyGradInput: 'decompose',
  linearCrossEntropyGradWeight: 'decompose',
  allReduce: afterDifferentiation('allReduce'),
  allGather: afterDifferentiation('allGather'),
  reduceScatter: afterDifferentiation('reduceScatter'),
}
