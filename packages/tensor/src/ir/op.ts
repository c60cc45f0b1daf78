// The op table: every operation a graph may hold, with its parameters and its shape rule.
import { isFloat, type DType } from '../dtype'
import { fail } from '../errors'
import { broadcastShapes, sameShape, showShape, sizeOf, type Shape } from '../shape'

/** What is known of a value before it runs: shape and element type. */
export interface Aval {
  readonly shape: Shape
  readonly dtype: DType
}

type None = Record<never, never>

/**
 * Which rows of a larger vocabulary the weight `[v, d]` of a head holds: those from `vocabStart`; absent: it holds all.
 * Labels number the whole vocabulary. A part's loss is its own log-sum-exp less the label's logit where the label is
 * among its rows; its gradients are those of the log-sum-exp they are given, which may be the whole vocabulary's.
 */
interface HeadParams {
  readonly vocabStart?: number
  /** Logits z become softcap · tanh(z / softcap). */
  readonly softcap?: number
}

/** The last query stands at the last key: query r has index r + keys − queries. */
interface AttentionParams {
  readonly scale: number
  /** A query of index i sees keys from i − window + 1 to i at most, whatever else says. */
  readonly window?: number
  /** Scaled scores s become softcap · tanh(s / softcap), before any is hidden. */
  readonly softcap?: number
}

/** A part of a larger array: what is drawn depends on where its elements stand in that one. */
export interface Window {
  /** Of the larger array, of the same rank. */
  readonly shape: Shape
  /** Where the part begins, for each dimension. */
  readonly starts: readonly number[]
}

/** Parameters of each op: everything that is fixed when the graph is built. */
export interface OpParams {
  // elementwise
  neg: None
  exp: None
  log: None
  sqrt: None
  rsqrt: None
  sin: None
  cos: None
  tanh: None
  sigmoid: None
  silu: None
  abs: None
  not: None
  add: None
  sub: None
  mul: None
  div: None
  pow: None
  maximum: None
  minimum: None
  eq: None
  lt: None
  le: None
  and: None
  or: None
  where: None
  cast: { readonly dtype: DType }
  stopGradient: None
  /** First input, made to wait for the second: keeps recomputed work in the backward pass. */
  barrier: None
  /** For each dimension, the mesh axes it is split over (none: every device has it whole). Values do not change. */
  shardingConstraint: { readonly spec: ShardingSpec }
  // creation
  full: { readonly shape: Shape; readonly dtype: DType; readonly value: number }
  /** A small table written in the graph itself, row-major. */
  literal: { readonly shape: Shape; readonly dtype: DType; readonly values: readonly number[] }
  iota: { readonly shape: Shape; readonly dtype: DType; readonly axis: number }
  // reduction
  sum: { readonly axes: readonly number[]; readonly keepDims: boolean }
  max: { readonly axes: readonly number[]; readonly keepDims: boolean }
  argmax: { readonly axis: number }
  softmax: None
  // movement
  reshape: { readonly shape: Shape }
  transpose: { readonly permutation: readonly number[] }
  broadcastTo: { readonly shape: Shape }
  slice: { readonly starts: readonly number[]; readonly limits: readonly number[] }
  pad: { readonly low: readonly number[]; readonly high: readonly number[]; readonly value: number }
  concat: { readonly axis: number }
  dynamicSlice: { readonly axis: number; readonly size: number }
  dynamicUpdateSlice: { readonly axis: number }
  // linear algebra
  dot: { readonly transposeA: boolean; readonly transposeB: boolean }
  // indexing
  /** With `batchDims` 1, dimension 0 of both inputs is a batch: each element of it is read, or added to, by itself. */
  gather: { readonly axis: number; readonly batchDims: 0 | 1 }
  scatterAdd: { readonly size: number; readonly batchDims: 0 | 1 }
  // random
  /** `stream` separates draws made with one key (a layer's number). */
  randomUniform: { readonly shape: Shape; readonly stream: number; readonly window?: Window }
  dropout: { readonly rate: number; readonly stream: number; readonly window?: Window }
  // fused
  rmsNorm: { readonly epsilon: number }
  rmsNormGrad: { readonly epsilon: number }
  rope: None
  attention: AttentionParams
  attentionGrad: AttentionParams
  /** Of each row: its loss, its log Σ exp, and the gradient of its loss by its hidden vector. */
  linearCrossEntropy: HeadParams
  /** That gradient for a part of the vocabulary, given the log Σ exp of the whole. */
  linearCrossEntropyGradInput: HeadParams
  /** The gradient of Σ g · loss by the weight. */
  linearCrossEntropyGradWeight: HeadParams
  // between the devices of a mesh: written by the partitioner, carried out between programs
  /** Sum or maximum over the `count` devices that differ only along the mesh axes. */
  allReduce: { readonly axes: readonly string[]; readonly count: number; readonly reduction: 'sum' | 'max' }
  /** Their parts of dimension `dim`, joined in the axes' row-major order. */
  allGather: { readonly axes: readonly string[]; readonly count: number; readonly dim: number }
  /** Each device's own part of dimension `dim` of their sum. */
  reduceScatter: { readonly axes: readonly string[]; readonly count: number; readonly dim: number }
}

export type OpName = keyof OpParams

/** Names of mesh axes, for each dimension of a tensor. */
export type ShardingSpec = readonly (readonly string[])[]

/** An op that several devices carry out together: no backend of one device runs it. */
export type CollectiveOp = 'allReduce' | 'allGather' | 'reduceScatter'

const collectives: Readonly<Record<CollectiveOp, true>> = { allReduce: true, allGather: true, reduceScatter: true }

export const isCollective = (op: OpName): op is CollectiveOp => op in collectives

/** What a backend of one device says to a collective. */
export const refuseCollective = (op: CollectiveOp): never =>
  fail(op, 'runs between devices of a mesh; compile this graph for a mesh device')

/** From the inputs' avals to the outputs'. Throws a TensorError that says what came and what was expected. */
type ShapeRule<K extends OpName> = (inputs: readonly Aval[], params: OpParams[K], op: K) => readonly Aval[]

function input(op: string, inputs: readonly Aval[], index: number): Aval {
  return inputs[index] ?? fail(op, `input ${index} is missing`)
}

function sameDType(op: string, inputs: readonly Aval[]): DType {
  const dtype = input(op, inputs, 0).dtype
  for (const other of inputs) if (other.dtype !== dtype) fail(op, `dtypes ${dtype} and ${other.dtype} differ`)
  return dtype
}

function expectFloat(op: string, aval: Aval): Aval {
  return isFloat(aval.dtype) ? aval : fail(op, `needs a float tensor, got ${aval.dtype}${showShape(aval.shape)}`)
}

function expectShape(op: string, what: string, aval: Aval, shape: Shape): void {
  if (!sameShape(aval.shape, shape))
    fail(op, `${what} has shape ${showShape(aval.shape)}, expected ${showShape(shape)}`)
}

const unary: ShapeRule<OpName> = (inputs, _params, op) => [input(op, inputs, 0)]
const unaryFloat: ShapeRule<OpName> = (inputs, _params, op) => [expectFloat(op, input(op, inputs, 0))]

const binary: ShapeRule<OpName> = (inputs, _params, op) => {
  const dtype = sameDType(op, inputs)
  if (dtype === 'bool') fail(op, 'does not take bool; cast first')
  return [{ shape: broadcastShapes(op, input(op, inputs, 0).shape, input(op, inputs, 1).shape), dtype }]
}

const compare: ShapeRule<OpName> = (inputs, _params, op) => {
  sameDType(op, inputs)
  return [{ shape: broadcastShapes(op, input(op, inputs, 0).shape, input(op, inputs, 1).shape), dtype: 'bool' }]
}

const logical: ShapeRule<OpName> = (inputs, _params, op) => {
  if (sameDType(op, inputs) !== 'bool') fail(op, `needs bool tensors, got ${input(op, inputs, 0).dtype}`)
  return [{ shape: inputs.map((a) => a.shape).reduce((a, b) => broadcastShapes(op, a, b)), dtype: 'bool' }]
}

const reduce: ShapeRule<'sum' | 'max'> = (inputs, { axes, keepDims }, op) => {
  const { shape, dtype } = input(op, inputs, 0)
  if (dtype === 'bool') fail(op, 'does not take bool; cast first')
  const kept = shape.flatMap((d, i) => (axes.includes(i) ? (keepDims ? [1] : []) : [d]))
  return [{ shape: kept, dtype }]
}

function dotShape(op: string, a: Aval, b: Aval, transposeA: boolean, transposeB: boolean): Shape {
  if (a.shape.length < 2 || b.shape.length < 2) {
    fail(op, `needs at least 2 dimensions, got ${showShape(a.shape)}·${showShape(b.shape)}`)
  }
  const [aRows, aCols] = a.shape.slice(-2) as [number, number]
  const [bRows, bCols] = b.shape.slice(-2) as [number, number]
  const [m, k] = transposeA ? [aCols, aRows] : [aRows, aCols]
  const [k2, n] = transposeB ? [bCols, bRows] : [bRows, bCols]
  const turned = (shape: Shape, transposed: boolean) => showShape(shape) + (transposed ? 'ᵀ' : '')
  if (k !== k2) {
    fail(op, `inner dims ${k} ≠ ${k2} for ${turned(a.shape, transposeA)}·${turned(b.shape, transposeB)}`)
  }
  return [...broadcastShapes(op, a.shape.slice(0, -2), b.shape.slice(0, -2)), m, n]
}

/** q [b,h,sq,d], k and v [b,hkv,sk,d], visibility [b|1,sq,4] or absent. */
function checkSoftcap(op: string, softcap: number | undefined): void {
  if (softcap !== undefined && !(softcap > 0 && softcap < Infinity))
    fail(op, `softcap is ${softcap}, expected a positive number`)
}

function checkAttention(
  op: string,
  inputs: readonly Aval[],
  visibility: Aval | undefined,
  { window, softcap }: AttentionParams,
): void {
  checkSoftcap(op, softcap)
  const [q, k, v] = [input(op, inputs, 0), input(op, inputs, 1), input(op, inputs, 2)]
  if (q.shape.length !== 4 || k.shape.length !== 4)
    fail(op, `q and k need 4 dimensions, got ${showShape(q.shape)}, ${showShape(k.shape)}`)
  const [batch, heads, queries, headDim] = q.shape as [number, number, number, number]
  const [, kvHeads, keys] = k.shape as [number, number, number, number]
  expectShape(op, 'k', k, [batch, kvHeads, keys, headDim])
  expectShape(op, 'v', v, k.shape)
  if (heads % kvHeads !== 0) fail(op, `${heads} query heads are not a multiple of ${kvHeads} kv heads`)
  if (visibility) {
    if (visibility.dtype !== 'i32') fail(op, `visibility is ${visibility.dtype}, expected i32`)
    expectShape(op, 'visibility', visibility, [visibility.shape[0] === 1 ? 1 : batch, queries, 4])
  }
  if ((!visibility || window !== undefined) && keys < queries)
    fail(op, `causal attention needs at least as many keys as queries, got ${keys} < ${queries}`)
  if (window !== undefined && !(Number.isInteger(window) && window > 0))
    fail(op, `window is ${window}, expected a positive integer`)
}

function checkLinearCrossEntropy(
  op: string,
  inputs: readonly Aval[],
  { vocabStart = 0, softcap }: HeadParams,
): [n: number, d: number, v: number] {
  checkSoftcap(op, softcap)
  const [h, w, labels] = [input(op, inputs, 0), input(op, inputs, 1), input(op, inputs, 2)]
  const [n = 0, d = 0] = h.shape
  const [v = 0] = w.shape
  if (h.shape.length !== 2) fail(op, `hidden rows need 2 dimensions, got ${showShape(h.shape)}`)
  expectShape(op, 'weight', w, [v, d])
  expectShape(op, 'labels', labels, [n])
  if (!Number.isInteger(vocabStart) || vocabStart < 0) fail(op, `vocabStart ${vocabStart} is no row of a vocabulary`)
  if (labels.dtype !== 'i32') fail(op, `labels are ${labels.dtype}, expected i32`)
  return [n, d, v]
}

/** A key u32 `[2]`, or one for each row of what is drawn. */
function checkDraw(op: string, key: Aval, shape: Shape, window: Window | undefined): void {
  const [rows] = shape
  const rowKeys = rows !== undefined && sameShape(key.shape, [rows, 2])
  if (key.dtype !== 'u32' || !(rowKeys || sameShape(key.shape, [2]))) {
    const perRow = rows === undefined ? '' : ` or u32[${rows},2]`
    fail(op, `key is ${key.dtype}${showShape(key.shape)}, expected u32[2]${perRow}`)
  }
  if (!window) return
  const { shape: whole, starts } = window
  const fits = (d: number, i: number) => (rowKeys && i === 0) || (starts[i]! >= 0 && starts[i]! + d <= whole[i]!)
  if (whole.length !== shape.length || starts.length !== shape.length || !shape.every(fits))
    fail(op, `a window of ${showShape(shape)} at ${showShape(starts)} is not inside ${showShape(whole)}`)
}

/** Size of dimension `dim` of the first input, which a collective joins or cuts. */
function collectiveDim(op: CollectiveOp, { shape }: Aval, { dim, count }: OpParams['allGather']): number {
  if (!Number.isInteger(count) || count < 1) fail(op, `count ${count} is no number of devices`)
  return shape[dim] ?? fail(op, `dimension ${dim} is outside ${showShape(shape)}`)
}

/** One shape rule an op. */
export const shapeRules: { readonly [K in OpName]: ShapeRule<K> } = {
  neg: unary,
  exp: unaryFloat,
  log: unaryFloat,
  sqrt: unaryFloat,
  rsqrt: unaryFloat,
  sin: unaryFloat,
  cos: unaryFloat,
  tanh: unaryFloat,
  sigmoid: unaryFloat,
  silu: unaryFloat,
  abs: unary,
  not: logical,
  add: binary,
  sub: binary,
  mul: binary,
  div: binary,
  pow: binary,
  maximum: binary,
  minimum: binary,
  eq: compare,
  lt: compare,
  le: compare,
  and: logical,
  or: logical,
  where: (inputs, _params, op) => {
    const condition = input(op, inputs, 0)
    if (condition.dtype !== 'bool') fail(op, `condition is ${condition.dtype}, expected bool`)
    const dtype = sameDType(op, inputs.slice(1))
    return [{ shape: inputs.map((a) => a.shape).reduce((a, b) => broadcastShapes(op, a, b)), dtype }]
  },
  cast: (inputs, { dtype }, op) => [{ shape: input(op, inputs, 0).shape, dtype }],
  stopGradient: unary,
  barrier: unary,
  shardingConstraint: (inputs, { spec }, op) => {
    const x = input(op, inputs, 0)
    if (spec.length !== x.shape.length)
      fail(op, `a spec of ${spec.length} dimensions for ${x.dtype}${showShape(x.shape)}`)
    const axes = spec.flat()
    if (new Set(axes).size !== axes.length) fail(op, `a mesh axis splits two dimensions in [${axes.join(',')}]`)
    return [x]
  },
  full: (_inputs, { shape, dtype }) => [{ shape, dtype }],
  literal: (_inputs, { shape, dtype, values }, op) => {
    if (values.length !== sizeOf(shape)) fail(op, `${values.length} values do not fill ${showShape(shape)}`)
    return [{ shape, dtype }]
  },
  iota: (_inputs, { shape, dtype, axis }, op) => {
    if (axis < 0 || axis >= shape.length) fail(op, `axis ${axis} is outside ${showShape(shape)}`)
    return [{ shape, dtype }]
  },
  sum: reduce,
  max: reduce,
  argmax: (inputs, { axis }, op) => [{ shape: input(op, inputs, 0).shape.filter((_, i) => i !== axis), dtype: 'i32' }],
  softmax: unaryFloat,
  reshape: (inputs, { shape }, op) => {
    const from = input(op, inputs, 0)
    if (sizeOf(from.shape) !== sizeOf(shape))
      fail(op, `${showShape(from.shape)} has ${sizeOf(from.shape)} elements, ${showShape(shape)} has ${sizeOf(shape)}`)
    return [{ shape, dtype: from.dtype }]
  },
  transpose: (inputs, { permutation }, op) => {
    const { shape, dtype } = input(op, inputs, 0)
    const isPermutation = permutation.length === shape.length && new Set(permutation).size === shape.length
    return [
      {
        shape: permutation.map(
          (p) =>
            (isPermutation ? shape[p] : undefined) ??
            fail(op, `[${permutation.join(',')}] is no permutation of rank ${shape.length}`),
        ),
        dtype,
      },
    ]
  },
  broadcastTo: (inputs, { shape }, op) => {
    const from = input(op, inputs, 0)
    if (!sameShape(broadcastShapes(op, from.shape, shape), shape))
      fail(op, `${showShape(from.shape)} does not broadcast to ${showShape(shape)}`)
    return [{ shape, dtype: from.dtype }]
  },
  slice: (inputs, { starts, limits }, op) => {
    const { shape, dtype } = input(op, inputs, 0)
    const sliced = shape.map((d, i) => {
      const [start = 0, limit = d] = [starts[i], limits[i]]
      if (start < 0 || limit > d || start > limit)
        fail(op, `${start}..${limit} is outside dimension ${i} of ${showShape(shape)}`)
      return limit - start
    })
    return [{ shape: sliced, dtype }]
  },
  pad: (inputs, { low, high }, op) => {
    const { shape, dtype } = input(op, inputs, 0)
    return [{ shape: shape.map((d, i) => d + (low[i] ?? 0) + (high[i] ?? 0)), dtype }]
  },
  concat: (inputs, { axis }, op) => {
    const first = input(op, inputs, 0)
    const dtype = sameDType(op, inputs)
    for (const other of inputs)
      expectShape(
        op,
        'input',
        other,
        first.shape.map((d, i) => (i === axis ? (other.shape[i] ?? d) : d)),
      )
    const total = inputs.reduce((n, a) => n + (a.shape[axis] ?? 0), 0)
    return [{ shape: first.shape.map((d, i) => (i === axis ? total : d)), dtype }]
  },
  dynamicSlice: (inputs, { axis, size }, op) => {
    const { shape, dtype } = input(op, inputs, 0)
    expectShape(op, 'start', input(op, inputs, 1), [])
    if (size > (shape[axis] ?? 0)) fail(op, `size ${size} exceeds dimension ${axis} of ${showShape(shape)}`)
    return [{ shape: shape.map((d, i) => (i === axis ? size : d)), dtype }]
  },
  dynamicUpdateSlice: (inputs, { axis }, op) => {
    const [x, update] = [input(op, inputs, 0), input(op, inputs, 1)]
    expectShape(op, 'start', input(op, inputs, 2), [])
    expectShape(
      op,
      'update',
      update,
      x.shape.map((d, i) => (i === axis ? Math.min(d, update.shape[i] ?? d) : d)),
    )
    return [x]
  },
  dot: (inputs, { transposeA, transposeB }, op) => {
    const dtype = sameDType(op, inputs)
    if (!isFloat(dtype)) fail(op, `needs float tensors, got ${dtype}`)
    return [{ shape: dotShape(op, input(op, inputs, 0), input(op, inputs, 1), transposeA, transposeB), dtype }]
  },
  gather: (inputs, { axis, batchDims }, op) => {
    const [x, indices] = [input(op, inputs, 0), input(op, inputs, 1)]
    if (indices.dtype !== 'i32') fail(op, `indices are ${indices.dtype}, expected i32`)
    if (batchDims === 1) {
      if (axis !== 1) fail(op, `gathers along axis 1 in a batch, got axis ${axis}`)
      if (indices.shape.length === 0 || indices.shape[0] !== x.shape[0])
        fail(op, `indices ${showShape(indices.shape)} and ${showShape(x.shape)} are not of one batch`)
    }
    const found = indices.shape.slice(batchDims)
    return [{ shape: [...x.shape.slice(0, axis), ...found, ...x.shape.slice(axis + 1)], dtype: x.dtype }]
  },
  scatterAdd: (inputs, { size, batchDims }, op) => {
    const [indices, updates] = [input(op, inputs, 0), input(op, inputs, 1)]
    const rank = indices.shape.length
    expectShape(op, 'indices', indices, updates.shape.slice(0, rank))
    if (batchDims > rank) fail(op, 'indices of a batch need at least 1 dimension, got none')
    const batch = indices.shape.slice(0, batchDims)
    return [{ shape: [...batch, size, ...updates.shape.slice(rank)], dtype: updates.dtype }]
  },
  randomUniform: (inputs, { shape, window }, op) => {
    checkDraw(op, input(op, inputs, 0), shape, window)
    return [{ shape, dtype: 'f32' }]
  },
  dropout: (inputs, { rate, window }, op) => {
    checkDraw(op, input(op, inputs, 1), input(op, inputs, 0).shape, window)
    if (!(rate >= 0 && rate < 1)) fail(op, `rate ${rate} is outside 0..1`)
    return [expectFloat(op, input(op, inputs, 0))]
  },
  rmsNorm: (inputs, _params, op) => {
    const x = expectFloat(op, input(op, inputs, 0))
    expectShape(op, 'weight', input(op, inputs, 1), x.shape.slice(-1))
    return [x]
  },
  rmsNormGrad: (inputs, _params, op) => {
    const x = expectFloat(op, input(op, inputs, 0))
    expectShape(op, 'cotangent', input(op, inputs, 2), x.shape)
    return [x]
  },
  rope: (inputs, _params, op) => {
    const x = expectFloat(op, input(op, inputs, 0))
    const [batch = 0, , seq = 0, headDim = 0] = x.shape
    for (const table of [input(op, inputs, 1), input(op, inputs, 2)]) {
      expectShape(op, 'cos and sin', table, [table.shape[0] === 1 ? 1 : batch, seq, headDim / 2])
    }
    return [x]
  },
  attention: (inputs, params, op) => {
    checkAttention(op, inputs, inputs[3], params)
    const q = input(op, inputs, 0)
    return [q, { shape: q.shape.slice(0, 3), dtype: 'f32' }]
  },
  attentionGrad: (inputs, params, op) => {
    checkAttention(op, inputs, inputs[6], params)
    return inputs.slice(0, 3)
  },
  linearCrossEntropy: (inputs, params, op) => {
    const [n, d] = checkLinearCrossEntropy(op, inputs, params)
    return [
      { shape: [n], dtype: 'f32' },
      { shape: [n], dtype: 'f32' },
      { shape: [n, d], dtype: 'f32' },
    ]
  },
  linearCrossEntropyGradInput: (inputs, params, op) => {
    const [n, d] = checkLinearCrossEntropy(op, inputs, params)
    expectShape(op, 'log Σ exp', input(op, inputs, 3), [n])
    return [{ shape: [n, d], dtype: 'f32' }]
  },
  linearCrossEntropyGradWeight: (inputs, params, op) => {
    checkLinearCrossEntropy(op, inputs, params)
    return [input(op, inputs, 1)]
  },
  allReduce: unary,
  allGather: (inputs, params, op) => {
    const x = input(op, inputs, 0)
    const size = collectiveDim(op, x, params) * params.count
    return [{ ...x, shape: x.shape.map((d, i) => (i === params.dim ? size : d)) }]
  },
  reduceScatter: (inputs, params, op) => {
    const x = input(op, inputs, 0)
    const size = collectiveDim(op, x, params) / params.count
    if (!Number.isInteger(size))
      fail(op, `dimension ${params.dim} of ${showShape(x.shape)} is no multiple of ${params.count} devices`)
    return [{ ...x, shape: x.shape.map((d, i) => (i === params.dim ? size : d)) }]
  },
}

/** Avals of what `op` returns for these inputs. */
export function inferAvals<K extends OpName>(op: K, inputs: readonly Aval[], params: OpParams[K]): readonly Aval[] {
  const rule: ShapeRule<K> = shapeRules[op]
  return rule(inputs, params, op)
}
