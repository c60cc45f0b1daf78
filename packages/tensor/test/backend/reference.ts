// A slow, plain interpreter of graphs in float64: what backends and gradients are held against in tests.
import { sizeOf, type DType, type Graph, type Node, type OpName, type OpParams, type Value } from '../../src/index'
import type { CollectiveOp, FusedOp } from '../../src/ir/op'
import { decompose } from '../../src/jit/passes/decompose'
import { codebooks, groupSize } from '../../src/ir/ops/quantised'
import { keyWords } from '../../src/ops/random'
import { stridesOf, type Shape } from '../../src/shape'

export interface Nd {
  readonly shape: Shape
  readonly data: Float64Array
}

type Rule<K extends OpName> = (inputs: readonly Nd[], params: OpParams[K], shape: Shape, dtype: DType) => Float64Array

/** Calls `visit` with every index of `shape`, in row-major order. */
function eachIndex(shape: Shape, visit: (index: readonly number[], flat: number) => void): void {
  const index = shape.map(() => 0)
  const size = sizeOf(shape)
  for (let flat = 0; flat < size; flat++) {
    visit(index, flat)
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      if (++index[axis]! < shape[axis]!) break
      index[axis] = 0
    }
  }
}

/** By how much an element's place moves with each axis: not at all where the axis is broadcast. */
const steps = new WeakMap<Nd, readonly number[]>()
function stepsOf(x: Nd): readonly number[] {
  let known = steps.get(x)
  if (!known) steps.set(x, (known = stridesOf(x.shape).map((stride, i) => (x.shape[i] === 1 ? 0 : stride))))
  return known
}

/** Place in `x` of the first axes' `index`, broadcasting size-1 and missing leading dimensions; `rank` axes in all. */
function placeOf(x: Nd, index: readonly number[], rank: number): number {
  const strides = stepsOf(x)
  const lead = rank - strides.length
  let at = 0
  for (let i = Math.max(0, lead); i < index.length; i++) at += strides[i - lead]! * index[i]!
  return at
}

/** Element of `x` at `index`, broadcasting size-1 and missing leading dimensions. */
const read = (x: Nd, index: readonly number[]): number => x.data[placeOf(x, index, index.length)]!

function build(shape: Shape, f: (index: readonly number[], flat: number) => number): Float64Array {
  const out = new Float64Array(sizeOf(shape))
  eachIndex(shape, (index, flat) => (out[flat] = f(index, flat)))
  return out
}

const map =
  (f: (...x: number[]) => number): Rule<OpName> =>
  (inputs, _params, shape) => {
    const size = sizeOf(shape)
    const [a, b] = inputs.map(({ data }) => data)
    // Most of the time that finite differences take: no index is needed where every input has the output's elements.
    if (inputs.length <= 2 && inputs.every(({ data }) => data.length === size))
      return b === undefined ? a!.map((x) => f(x)) : a!.map((x, flat) => f(x, b[flat]!))
    const args = inputs.map(() => 0)
    return build(shape, (index, flat) => {
      for (const [i, x] of inputs.entries()) args[i] = x.data.length === size ? x.data[flat]! : read(x, index)
      return f(...args)
    })
  }

const isTrue = (condition: boolean): number => (condition ? 1 : 0)

function reduceWith(f: (a: number, b: number) => number, start: number): Rule<'sum' | 'max'> {
  return ([x], { axes, keepDims }, shape) => {
    const out = new Float64Array(sizeOf(shape)).fill(start)
    const kept = x!.shape.flatMap((_, i) => (axes.includes(i) ? [] : [i]))
    const strides = stridesOf(keepDims ? kept.map((i) => shape[i]!) : shape)
    eachIndex(x!.shape, (index, flat) => {
      let at = 0
      for (const [place, axis] of kept.entries()) at += index[axis]! * strides[place]!
      out[at] = f(out[at]!, x!.data[flat]!)
    })
    return out
  }
}

const replaced = (index: readonly number[], axis: number, value: number) =>
  index.map((v, i) => (i === axis ? value : v))

/** Element i of a draw. @param data the key */
export function rand(data: ArrayLike<number>, stream: number, i: number): number {
  const [s0, s1] = keyWords(stream)
  let x = (Math.imul(i, 0x9e3779b9) + ((data[0]! ^ s0) >>> 0)) >>> 0
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d) >>> 0
  x = (x ^ (x >>> 15) ^ ((data[1]! ^ s1) >>> 0)) >>> 0
  x = Math.imul(x, 0x846ca68b) >>> 0
  x = (x ^ (x >>> 16)) >>> 0
  return (x >>> 8) * 2 ** -24
}

const rules: {
  readonly [K in Exclude<OpName, FusedOp>]: Rule<K> | (K extends CollectiveOp ? 'collective' : never)
} = {
  neg: map((x) => -x),
  exp: map(Math.exp),
  log: map(Math.log),
  sqrt: map(Math.sqrt),
  rsqrt: map((x) => 1 / Math.sqrt(x)),
  sin: map(Math.sin),
  cos: map(Math.cos),
  tanh: map(Math.tanh),
  sigmoid: map((x) => 1 / (1 + Math.exp(-x))),
  abs: map(Math.abs),
  not: map((x) => 1 - x),
  add: map((a, b) => a + b),
  sub: map((a, b) => a - b),
  mul: map((a, b) => a * b),
  div: map((a, b) => a / b),
  pow: map(Math.pow),
  maximum: map(Math.max),
  minimum: map(Math.min),
  eq: map((a, b) => isTrue(a === b)),
  lt: map((a, b) => isTrue(a < b)),
  le: map((a, b) => isTrue(a <= b)),
  and: map((a, b) => a * b),
  or: map((a, b) => Math.max(a, b)),
  where: map((c, a, b) => (c ? a : b)),
  cast: ([x], { dtype }) =>
    dtype === 'i32' || dtype === 'u32'
      ? x!.data.map(Math.trunc)
      : dtype === 'bool'
        ? x!.data.map((v) => isTrue(v !== 0))
        : x!.data,
  stopGradient: ([x]) => x!.data,
  barrier: ([x]) => x!.data,
  shardingConstraint: ([x]) => x!.data,
  full: (_inputs, { shape, value }) => new Float64Array(sizeOf(shape)).fill(value),
  literal: (_inputs, { values }) => Float64Array.from(values, Math.fround),
  iota: (_inputs, { shape, axis }) => build(shape, (index) => index[axis]!),
  sum: reduceWith((a, b) => a + b, 0),
  max: reduceWith(Math.max, -Infinity),
  argmax: ([x], { axis }, shape) =>
    build(shape, (index) => {
      let best = 0
      const value = (j: number) => read(x!, [...index.slice(0, axis), j, ...index.slice(axis)])
      for (let j = 1; j < x!.shape[axis]!; j++) if (value(j) > value(best)) best = j
      return best
    }),
  softmax: ([x], _params, shape) => {
    const last = shape.length - 1
    const out = x!.data.slice()
    for (let from = 0; from < out.length; from += shape[last]!) {
      const row = out.subarray(from, from + shape[last]!)
      const top = row.reduce((a, b) => Math.max(a, b), -Infinity)
      const total = row.reduce((n, v) => n + Math.exp(v - top), 0)
      row.forEach((v, i) => (row[i] = Math.exp(v - top) / total))
    }
    return out
  },
  reshape: ([x]) => x!.data,
  transpose: ([x], { permutation }, shape) =>
    build(shape, (index) =>
      read(
        x!,
        permutation.map((_, i) => index[permutation.indexOf(i)]!),
      ),
    ),
  broadcastTo: ([x], _params, shape) => build(shape, (index) => read(x!, index)),
  slice: ([x], { starts }, shape) =>
    build(shape, (index) =>
      read(
        x!,
        index.map((v, i) => v + starts[i]!),
      ),
    ),
  pad: ([x], { low, value }, shape) =>
    build(shape, (index) => {
      const from = index.map((v, i) => v - low[i]!)
      return from.every((v, i) => v >= 0 && v < x!.shape[i]!) ? read(x!, from) : value
    }),
  concat: (inputs, { axis }, shape) =>
    build(shape, (index) => {
      let at = index[axis]!
      for (const x of inputs) {
        if (at < x.shape[axis]!) return read({ ...x, shape: x.shape }, replaced(index, axis, at))
        at -= x.shape[axis]!
      }
      return NaN
    }),
  dynamicSlice: ([x, start], { axis }, shape) =>
    build(shape, (index) => read(x!, replaced(index, axis, index[axis]! + start!.data[0]!))),
  dynamicUpdateSlice: ([x, update, start], { axis }, shape) =>
    build(shape, (index) => {
      const at = index[axis]! - start!.data[0]!
      return at >= 0 && at < update!.shape[axis]! ? read(update!, replaced(index, axis, at)) : read(x!, index)
    }),
  dot: ([a, b], { transposeA, transposeB }, shape) => {
    const inner = a!.shape.at(transposeA ? -2 : -1)!
    /** Steps of a row, and of a column, of the matrix as it is multiplied. */
    const stepsIn = (x: Nd, turned: boolean): readonly [number, number] => {
      const [row, col] = stepsOf(x).slice(-2) as [number, number]
      return turned ? [col, row] : [row, col]
    }
    const [[rowA, innerA], [innerB, colB]] = [stepsIn(a!, transposeA), stepsIn(b!, transposeB)]
    return build(shape, (index) => {
      const [lead, m, n] = [index.slice(0, -2), index.at(-2)!, index.at(-1)!]
      const fromA = placeOf(a!, lead, index.length) + m * rowA
      const fromB = placeOf(b!, lead, index.length) + n * colB
      let total = 0
      for (let k = 0; k < inner; k++) total += a!.data[fromA + k * innerA]! * b!.data[fromB + k * innerB]!
      return total
    })
  },
  gather: ([x, indices], { axis, batchDims }, shape) => {
    const after = axis + indices!.shape.length - batchDims
    return build(shape, (index) => {
      const at = read(indices!, [...index.slice(0, batchDims), ...index.slice(axis, after)])
      return read(x!, [...index.slice(0, axis), at, ...index.slice(after)])
    })
  },
  scatterAdd: ([indices, updates], { batchDims }, shape) => {
    const out = new Float64Array(sizeOf(shape))
    const strides = stridesOf(shape)
    const rank = indices!.shape.length
    eachIndex(updates!.shape, (index, flat) => {
      const row = [...index.slice(0, batchDims), read(indices!, index.slice(0, rank)), ...index.slice(rank)]
      out[row.reduce((n, v, i) => n + v * strides[i]!, 0)]! += updates!.data[flat]!
    })
    return out
  },
  dequantise: ([codes, scales, mins], { bits, codebook }, shape) => {
    const group = groupSize({ ...codes!, dtype: 'u8' }, { ...scales!, dtype: 'f32' }, bits)
    return build(shape, (index) => {
      const [lead, k] = [index.slice(0, -1), index.at(-1)!]
      const [within, half] = [k % group, group / 2]
      const byte = bits === 8 ? k : Math.floor(k / group) * half + (within % half)
      const stored = read(codes!, [...lead, byte])
      const code = bits === 8 ? stored : within < half ? stored & 15 : stored >> 4
      const at = [...lead, Math.floor(k / group)]
      const level = codebook ? codebooks[codebook][code]! : mins ? code : code - 2 ** (bits - 1)
      return level * read(scales!, at) + (mins ? read(mins, at) : 0)
    })
  },
  randomUniform: ([key], { stream, window = { shape: [], starts: [] } }, shape) => {
    const whole = window.shape.length > 0 ? window.shape : shape
    const flat = (index: readonly number[], dims: Shape) => index.reduce((n, v, i) => n * dims[i]! + v, 0)
    return build(shape, (index) => {
      const at = index.map((v, i) => v + (window.starts[i] ?? 0))
      return key!.shape.length === 1
        ? rand(key!.data, stream, flat(at, whole))
        : rand(key!.data.subarray(2 * index[0]!), stream, flat(at.slice(1), whole.slice(1)))
    })
  },
  allReduce: 'collective',
  allGather: 'collective',
  reduceScatter: 'collective',
}

/** Graphs without fused ops: finite differences evaluate one again and again. */
const decomposed = new WeakMap<Graph, Graph>()
function plainOf(graph: Graph): Graph {
  let known = decomposed.get(graph)
  if (!known) decomposed.set(graph, (known = decompose(graph, () => false)))
  return known
}

/** Values of the graph's outputs for these inputs, computed in float64. */
export function evaluate(graph: Graph, inputs: readonly Nd[], constants: readonly Nd[] = []): Nd[] {
  const plain = plainOf(graph)
  const values = new Map<Value, Nd>()
  plain.inputs.forEach((v, i) => values.set(v, inputs[i]!))
  plain.constants.forEach((c, i) => values.set(c.value, constants[i]!))
  for (const node of plain.nodes as readonly Node[]) {
    const args = node.inputs.map((v) => values.get(v)!)
    const { shape, dtype } = node.outputs[0]!.aval
    const rule = rules[node.op as keyof typeof rules] as Rule<OpName> | 'collective'
    if (rule === 'collective') throw new Error(`${node.op} runs between devices`)
    values.set(node.outputs[0]!, { shape, data: rule(args, node.params, shape, dtype) })
  }
  return plain.outputs.map((v) => values.get(v)!)
}

/** Small deterministic numbers in (−1, 1), different for every seed. */
export function numbers(shape: Shape, seed: number): Nd {
  let state = (seed * 2654435761 + 12345) >>> 0
  const data = Float64Array.from({ length: sizeOf(shape) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.fround((state / 2 ** 32) * 2 - 1)
  })
  return { shape, data }
}
