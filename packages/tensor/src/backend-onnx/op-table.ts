// The ONNX lowering table: how each op is written with ONNX (and ONNX Runtime contrib) operators.
import type { DType } from '../dtype'
import type { Node } from '../ir/graph'
import type { Aval, CollectiveOp, FusedOp, OpName } from '../ir/op'
import { drawLayout, keyWords, type DrawLayout } from '../ops/random'
import { sizeOf, type Shape } from '../shape'
import type { OnnxBuilder } from './builder'
import { dequantised } from './quantised/dequantise'
import type { Draws } from './draws'
import { onnxType } from './model-proto'
import { reshapeTarget } from './reshape-target'

export interface LowerContext<K extends OpName> {
  readonly b: OnnxBuilder
  readonly node: Node<K>
  /** Factor to fold into a matrix product. */
  readonly alpha: number
  /** Inverse root-mean-squares kept by rmsNorm for its gradient, by the name of x. */
  readonly inverseRms: Map<string, string>
  readonly draws: Draws
}

/** Names of the outputs, given those of the inputs. */
type Lowering<K extends OpName> = (inputs: readonly string[], context: LowerContext<K>) => string | readonly string[]

const direct =
  (opType: string): Lowering<OpName> =>
  (inputs, { b }) =>
    b.node(opType, inputs)

/** The op is a name for its input; nothing runs. */
const alias: Lowering<OpName> = (inputs) => inputs[0]!

const microsoft = 'com.microsoft'

function filled(b: OnnxBuilder, shape: Shape, dtype: DType, value: number): string {
  const single = b.scalar(dtype, value)
  const expanded = shape.length === 0 ? single : b.node('Expand', [single, b.int64s(shape)])
  return dtype === 'f16' || dtype === 'bf16' ? b.node('Cast', [expanded], { to: BigInt(onnxType[dtype]) }) : expanded
}

const asInt32 = (b: OnnxBuilder, x: string) => b.node('Cast', [x], { to: BigInt(onnxType.i32) })
const asUint32 = (b: OnnxBuilder, x: string) => b.node('Cast', [x], { to: BigInt(onnxType.u32) })

/** Indices of `shape` as int64 `[...shape, 1]`, as the ND operators take them. */
const asColumn = (b: OnnxBuilder, indices: string, shape: Shape) =>
  b.node('Reshape', [b.node('Cast', [indices], { to: BigInt(onnxType.i64) }), b.int64s([...shape, 1])])

/** Indices of a draw's elements, mixed: i32 `[elements]`, or `[1, elements of a row]`, as keys `[2]` or `[rows, 2]` meet them. */
function countersOf(b: OnnxBuilder, shape: Shape, { rowKeys, strides, offset }: DrawLayout): string {
  const [dims, steps] = rowKeys ? [shape.slice(1), strides.slice(1)] : [shape, strides]
  const size = sizeOf(dims)
  const indexOf = (flat: number) =>
    dims.reduceRight(
      ({ rest, index }, d, i) => ({ rest: Math.floor(rest / d), index: index + (rest % d) * steps[i]! }),
      { rest: flat, index: offset },
    ).index
  return b.shared(`counters ${rowKeys} ${dims.join()} ${steps.join()} ${offset}`, () =>
    b.constant(
      'i32',
      rowKeys ? [1, size] : [size],
      Int32Array.from({ length: size }, (_, i) => Math.imul(indexOf(i), 0x9e3779b9)),
    ),
  )
}

/** The generator of ops/random.ts, for keys computed in the graph. Products wrap in int32, logical shifts need uint32: casts between are bit copies. */
function uniform(b: OnnxBuilder, key: string, shape: Shape, stream: number, layout: DrawLayout): string {
  const keyed = b.node('BitwiseXor', [key, b.constant('u32', [2], Uint32Array.from(keyWords(stream)))])
  const [k0, k1] = b.nodeAll('Split', [keyed], { axis: -1n, num_outputs: 2n }, { count: 2 }) as [string, string]
  const counters = countersOf(b, shape, layout)
  const foldHigh = (x: string, bits: number) =>
    b.node('BitwiseXor', [x, b.node('BitShift', [x, b.scalar('u32', bits)], { direction: 'RIGHT' })])
  const times = (x: string, factor: number) => asUint32(b, b.node('Mul', [asInt32(b, x), b.scalar('i32', factor | 0)]))
  let x = asUint32(b, b.node('Add', [counters, asInt32(b, k0)]))
  x = foldHigh(times(foldHigh(x, 16), 0x7feb352d), 15)
  x = foldHigh(times(b.node('BitwiseXor', [x, k1]), 0x846ca68b), 16)
  const top = b.node('Cast', [b.node('BitShift', [x, b.scalar('u32', 8)], { direction: 'RIGHT' })], {
    to: BigInt(onnxType.f32),
  })
  return b.node('Reshape', [b.node('Mul', [top, b.scalar('f32', 2 ** -24)]), b.int64s(shape)])
}

/** No sizes (int64 [0]) that are there only once `token` is: its elements are not read, and no pass works the shape out before. */
const nothingAfter = (b: OnnxBuilder, token: string): string =>
  b.shared(`nothing after ${token}`, () => b.node('Shape', [token], { start: 0n, end: 0n }))

/** `x`, available only after `token`: a Reshape to its own shape, which copies nothing. */
export const after = (b: OnnxBuilder, x: string, { shape, dtype }: Aval, token: string): string => {
  const own = b.shared(`sizes ${shape.join()} after ${token}`, () =>
    b.node('Concat', [nothingAfter(b, token), b.int64s(shape)], { axis: 0n }),
  )
  return b.declared(b.node('Reshape', [x, own]), dtype, shape)
}

export const onnxLowerings: {
  readonly [K in OpName]:
    | Lowering<K>
    | (K extends FusedOp ? 'decompose' : never)
    | (K extends CollectiveOp ? 'collective' : never)
} = {
  neg: direct('Neg'),
  exp: direct('Exp'),
  log: direct('Log'),
  sqrt: direct('Sqrt'),
  rsqrt: (inputs, { b }) => b.node('Reciprocal', [b.node('Sqrt', inputs)]),
  sin: direct('Sin'),
  cos: direct('Cos'),
  tanh: direct('Tanh'),
  sigmoid: direct('Sigmoid'),
  // x·σ(αx) with α = 1 in one pass, of an operator that f32 alone has.
  silu: ([x], { b, node }) =>
    node.outputs[0]!.aval.dtype === 'f32'
      ? b.node('QuickGelu', [x!], { alpha: 1 }, microsoft)
      : b.node('Mul', [x!, b.node('Sigmoid', [x!])]),
  abs: direct('Abs'),
  not: direct('Not'),
  add: direct('Add'),
  sub: direct('Sub'),
  mul: direct('Mul'),
  div: direct('Div'),
  pow: direct('Pow'),
  maximum: direct('Max'),
  minimum: direct('Min'),
  eq: direct('Equal'),
  lt: direct('Less'),
  le: direct('LessOrEqual'),
  and: direct('And'),
  or: direct('Or'),
  where: direct('Where'),
  cast: (inputs, { b, node }) => b.node('Cast', inputs, { to: BigInt(onnxType[node.params.dtype]) }),
  stopGradient: alias,
  shardingConstraint: alias,
  barrier: ([x, token], { b, node }) => after(b, x!, node.outputs[0]!.aval, token!),
  full: (_inputs, { b, node: { params } }) => filled(b, params.shape, params.dtype, params.value),
  literal: (_inputs, { b, node: { params } }) => {
    const table = b.constant('f32', params.shape, Float32Array.from(params.values))
    return params.dtype === 'f32' ? table : b.node('Cast', [table], { to: BigInt(onnxType[params.dtype]) })
  },
  iota: (_inputs, { b, node: { params } }) => {
    const { shape, dtype, axis } = params
    const line = b.constant(
      'i32',
      shape.map((d, i) => (i === axis ? d : 1)),
      Int32Array.from({ length: shape[axis]! }, (_, i) => i),
    )
    const grid = sizeOf(shape) === shape[axis] ? line : b.node('Expand', [line, b.int64s(shape)])
    return dtype === 'i32' ? grid : b.node('Cast', [grid], { to: BigInt(onnxType[dtype]) })
  },
  sum: (inputs, { b, node: { params } }) =>
    params.axes.length === 0
      ? inputs[0]!
      : b.node('ReduceSum', [inputs[0]!, b.int64s(params.axes)], { keepdims: params.keepDims ? 1n : 0n }),
  max: (inputs, { b, node: { params } }) =>
    params.axes.length === 0
      ? inputs[0]!
      : b.node('ReduceMax', [inputs[0]!, b.int64s(params.axes)], { keepdims: params.keepDims ? 1n : 0n }),
  argmax: (inputs, { b, node: { params } }) =>
    asInt32(b, b.node('ArgMax', inputs, { axis: BigInt(params.axis), keepdims: 0n })),
  softmax: (inputs, { b }) => b.node('Softmax', inputs, { axis: -1n }),
  reshape: (inputs, { b, node }) =>
    b.node('Reshape', [inputs[0]!, b.int64s(reshapeTarget(node.inputs[0]!.aval.shape, node.params.shape))]),
  transpose: (inputs, { b, node }) => b.node('Transpose', inputs, { perm: node.params.permutation }),
  broadcastTo: (inputs, { b, node }) => b.node('Expand', [inputs[0]!, b.int64s(node.params.shape)]),
  slice: (inputs, { b, node }) => {
    const { params } = node
    const { shape } = node.inputs[0]!.aval
    const axes = [...shape.keys()].filter((i) => params.starts[i] !== 0 || params.limits[i] !== shape[i])
    const [starts, limits] = [params.starts, params.limits].map((at) => b.int64s(axes.map((i) => at[i]!)))
    return b.node('Slice', [inputs[0]!, starts!, limits!, b.int64s(axes)])
  },
  pad: (inputs, { b, node: { params, outputs } }) =>
    b.node('Pad', [
      inputs[0]!,
      b.int64s([...params.low, ...params.high]),
      b.scalar(outputs[0]!.aval.dtype, params.value),
    ]),
  concat: (inputs, { b, node }) => b.node('Concat', inputs, { axis: BigInt(node.params.axis) }),
  dynamicSlice: ([x, start], { b, node: { params } }) => {
    const from = b.node('Reshape', [b.node('Cast', [start!], { to: BigInt(onnxType.i64) }), b.int64s([1])])
    return b.node('Slice', [x!, from, b.node('Add', [from, b.int64s([params.size])]), b.int64s([params.axis])])
  },
  dynamicUpdateSlice: ([x, update, start], { b, node }) => {
    const { axis } = node.params
    const [total, size] = [node.inputs[0]!.aval.shape[axis]!, node.inputs[1]!.aval.shape[axis]!]
    const from = b.node('Reshape', [b.node('Cast', [start!], { to: BigInt(onnxType.i64) }), b.int64s([1])])
    const to = b.node('Add', [from, b.int64s([size])])
    const axes = b.int64s([axis])
    return b.node(
      'Concat',
      [b.node('Slice', [x!, b.int64s([0]), from, axes]), update!, b.node('Slice', [x!, to, b.int64s([total]), axes])],
      { axis: BigInt(axis) },
    )
  },
  dot: (inputs, { b, node: { params }, alpha }) => {
    if (!params.transposeA && !params.transposeB && alpha === 1) return b.node('MatMul', inputs)
    return b.node(
      'FusedMatMul',
      inputs,
      { transA: params.transposeA ? 1n : 0n, transB: params.transposeB ? 1n : 0n, alpha },
      microsoft,
    )
  },
  gather: ([x, indices], { b, node }) => {
    const { axis, batchDims } = node.params
    if (batchDims === 0) return b.node('Gather', [x!, indices!], { axis: BigInt(axis) })
    return b.node('GatherND', [x!, asColumn(b, indices!, node.inputs[1]!.aval.shape)], { batch_dims: 1n })
  },
  scatterAdd: ([indices, updates], { b, node }) => {
    const { shape, dtype } = node.outputs[0]!.aval
    const from = node.inputs[0]!.aval.shape
    const rows = asColumn(b, indices!, from)
    if (node.params.batchDims === 0)
      return b.node('ScatterND', [filled(b, shape, dtype, 0), rows, updates!], { reduction: 'add' })
    const perBatch = sizeOf(from) / from[0]!
    const batch = BigInt64Array.from({ length: sizeOf(from) }, (_, i) => BigInt(Math.floor(i / perBatch)))
    const at = b.node('Concat', [b.constant('i64', [...from, 1], batch), rows], { axis: -1n })
    return b.node('ScatterND', [filled(b, shape, dtype, 0), at, updates!], { reduction: 'add' })
  },
  dequantise: (inputs, { b, node }) => dequantised(b, inputs, node),
  randomUniform: ([key], { b, node, draws }) => {
    const { shape, stream, window } = node.params
    const layout = drawLayout(shape, node.inputs[0]!.aval.shape, window)
    return draws.add(node.inputs[0]!, shape, stream, layout)?.name ?? uniform(b, key!, shape, stream, layout)
  },
  dropout: ([x, key], { b, node, draws }) => {
    const { rate, stream, window } = node.params
    const { shape } = node.inputs[0]!.aval
    const layout = drawLayout(shape, node.inputs[1]!.aval.shape, window)
    const mask = { keepFrom: Math.round(rate * 2 ** 24), scale: 1 / (1 - rate) }
    const drawn = draws.add(node.inputs[1]!, shape, stream, layout, mask)
    if (drawn?.dtype === 'f32') return b.node('Mul', [x!, drawn.name])
    const keep =
      drawn?.name ??
      b.node('LessOrEqual', [b.scalar('f32', mask.keepFrom / 2 ** 24), uniform(b, key!, shape, stream, layout)])
    return b.node('Where', [keep, b.node('Mul', [x!, b.scalar('f32', mask.scale)]), b.scalar('f32', 0)])
  },
  rmsNorm: (inputs, { b, node, inverseRms }) => {
    const attributes = { axis: -1n, epsilon: node.params.epsilon }
    const [y, inverse] = b.nodeAll('SimplifiedLayerNormalization', inputs, attributes, { count: 2 }) as [string, string]
    inverseRms.set(inputs[0]!, inverse)
    return y
  },
  // dx = r·(w∘g) − x·r³·mean(x∘w∘g), with the r of a norm of the same x where there is one.
  rmsNormGrad: ([x, w, g], { b, node, inverseRms }) => {
    const { shape } = node.inputs[0]!.aval
    const last = b.int64s([-1])
    const r =
      inverseRms.get(x!) ??
      b.nodeAll('SimplifiedLayerNormalization', [x!, w!], { axis: -1n, epsilon: node.params.epsilon }, { count: 2 })[1]!
    const wg = b.node('Mul', [g!, w!])
    const projection = b.node('ReduceSum', [b.node('Mul', [wg, x!]), last])
    const cubed = b.node('Mul', [b.node('Mul', [r, r]), b.node('Mul', [r, b.scalar('f32', 1 / shape.at(-1)!)])])
    return b.node('Sub', [b.node('Mul', [wg, r]), b.node('Mul', [x!, b.node('Mul', [projection, cubed])])])
  },
  rope: ([x, cos, sin], { b, node }) => {
    const [batch, , seq, headDim] = node.inputs[0]!.aval.shape as [number, number, number, number]
    const tables = node.inputs[1]!.aval.shape[0]!
    const rows = (table: string) => b.node('Reshape', [table, b.int64s([tables * seq, headDim / 2])])
    const positions = BigInt64Array.from({ length: batch * seq }, (_, i) => BigInt(tables === 1 ? i % seq : i))
    return b.node(
      'RotaryEmbedding',
      [x!, b.constant('i64', [batch, seq], positions), rows(cos!), rows(sin!)],
      {},
      microsoft,
    )
  },
  attention: 'decompose',
  attentionGrad: 'decompose',
  linearCrossEntropy: 'decompose',
  linearCrossEntropyGradInput: 'decompose',
  linearCrossEntropyGradWeight: 'decompose',
  allReduce: 'collective',
  allGather: 'collective',
  reduceScatter: 'collective',
}
