// How ops are written in a model that serves many shapes: sizes that differ between calls are read from the tensors. Programs
// of one function for several batches, lengths and capacities then are one model, whose weights are prepared once.
import type { Node, Value } from '../ir/graph'
import type { OpName, OpParams } from '../ir/op'
import type { OnnxBuilder } from './builder'
import { onnxType } from './model-proto'
import type { LowerContext } from './op-table'

const sizesOf = (b: OnnxBuilder, x: string, from: number, to: number): string =>
  b.shared(`sizes ${x} ${from} ${to}`, () => b.node('Shape', [x], { start: BigInt(from), end: BigInt(to) }))

/** 0, 1, … as int64 `[n]`, for n in an int64 tensor of one element. */
function count(b: OnnxBuilder, n: string): string {
  return b.shared(`count ${n}`, () => {
    const scalar = b.node('Reshape', [n, b.constant('i64', [0], new BigInt64Array(0))])
    const [zero, one] = [0n, 1n].map((value) => b.constant('i64', [], BigInt64Array.of(value))) as [string, string]
    return b.node('Range', [zero, scalar, one])
  })
}

const to32 = (b: OnnxBuilder, x: string) => b.node('Cast', [x], { to: BigInt(onnxType.i32) })

/** 0 for what a query sees, −∞ for what it does not, f32 `[batch or 1, 1, group · queries, keys]`; see `attention`. */
function maskOf(b: OnnxBuilder, visibility: string, keys: string, group: number): string {
  return b.shared(`mask ${visibility} ${keys} ${group}`, () => {
    const columns = b.nodeAll('Split', [visibility], { axis: -1n, num_outputs: 4n }, { count: 4 })
    const [index, start, prefixEnd, branchStart] = columns as [string, string, string, string]
    const j = b.shared(`count32 ${keys}`, () => to32(b, count(b, keys)))
    const inside = b.node('And', [b.node('LessOrEqual', [start, j]), b.node('LessOrEqual', [j, index])])
    const either = b.node('Or', [b.node('Less', [j, prefixEnd]), b.node('LessOrEqual', [branchStart, j])])
    const seen = b.node('And', [inside, either])
    const mask = b.node('Where', [seen, b.scalar('f32', 0), b.scalar('f32', -Infinity)])
    const byHead = b.node('Expand', [b.node('Unsqueeze', [mask, b.int64s([1])]), b.int64s([1, group, 1, 1])])
    return b.node('Reshape', [
      byHead,
      b.node('Concat', [sizesOf(b, mask, 0, 1), b.int64s([1, -1]), keys], { axis: 0n }),
    ])
  })
}

/** Whether `node` is an attention that {@link attention} writes. */
export const isAnyAttention = ({ op, inputs, params }: Node): boolean =>
  op === 'attention' && inputs.length === 4 && (params as OpParams['attention']).window === undefined

/** Attention with a visibility: the query heads of a group are folded into rows for the products. */
function attention(
  b: OnnxBuilder,
  [q, k, v, visibility]: readonly string[],
  { inputs, params }: Node<'attention'>,
): string {
  const [, heads = 0, , headDim = 0] = inputs[0]!.aval.shape
  const kvHeads = inputs[1]!.aval.shape[1]!
  const keys = b.shared(`keys ${inputs[1]!.aval.shape.join()}`, () => sizesOf(b, k!, 2, 3))
  const folded = b.node('Reshape', [q!, b.int64s([0, kvHeads, -1, headDim])])
  const product = { transA: 0n, transB: 1n, alpha: params.scale }
  let scores = b.node('FusedMatMul', [folded, k!], product, 'com.microsoft')
  if (params.softcap !== undefined) {
    const bent = b.node('Tanh', [b.node('Mul', [scores, b.scalar('f32', 1 / params.softcap)])])
    scores = b.node('Mul', [bent, b.scalar('f32', params.softcap)])
  }
  const shown = b.node('Add', [scores, maskOf(b, visibility!, keys, heads / kvHeads)])
  const p = b.node('Softmax', [shown], { axis: -1n })
  return b.node('Reshape', [b.node('MatMul', [p, v!]), b.int64s([0, heads, -1, headDim])])
}

/** See the op `rope`: the rows of the tables are numbered, `[batch, seq]`. */
function rope(b: OnnxBuilder, [x, cos, sin]: readonly string[], node: Node<'rope'>): string {
  const half = node.inputs[0]!.aval.shape[3]! / 2
  const rows = (table: string) => b.shared(`rows ${table}`, () => b.node('Reshape', [table, b.int64s([-1, half])]))
  const positions = b.shared(`positions ${cos}`, () => {
    const numbers = count(b, sizesOf(b, rows(cos!), 0, 1))
    const batch = b.node('Concat', [sizesOf(b, x!, 0, 1), sizesOf(b, x!, 2, 3)], { axis: 0n })
    return b.node('Expand', [b.node('Reshape', [numbers, sizesOf(b, cos!, 0, 2)]), batch])
  })
  return b.node('RotaryEmbedding', [x!, positions, rows(cos!), rows(sin!)], {}, 'com.microsoft')
}

/** `x` with `update` written from `start` on, along `axis`: where x's memory may be taken, nothing else is copied. */
function updated(
  b: OnnxBuilder,
  [x, update, start]: readonly string[],
  { params: { axis }, inputs }: Node<'dynamicUpdateSlice'>,
): string {
  const places = b.shared(`places ${start} ${axis} ${inputs[1]!.aval.shape.join()}`, () => {
    const lead = sizesOf(b, update!, 0, axis + 1)
    const whole = b.node('Concat', [lead, b.int64s([1])], { axis: 0n })
    const along = Array.from({ length: axis + 1 }, (_, i) => {
      const numbers = count(b, sizesOf(b, update!, i, i + 1))
      const from = () => b.node('Cast', [start!], { to: BigInt(onnxType.i64) })
      const indices = i === axis ? b.node('Add', [numbers, from()]) : numbers
      const shape = Array.from({ length: axis + 2 }, (_, j) => (j === i ? -1 : 1))
      return b.node('Expand', [b.node('Reshape', [indices, b.int64s(shape)]), whole])
    })
    return b.node('Concat', along, { axis: -1n })
  })
  return b.node('ScatterND', [x!, places, update!])
}

/** What differs from `onnxLowerings` in models of many shapes. */
export const manyShapesLowerings: {
  readonly [K in OpName]?: (inputs: readonly string[], context: LowerContext<K>) => string
} = {
  attention: (inputs, { b, node }) => attention(b, inputs, node),
  rope: (inputs, { b, node }) => rope(b, inputs, node),
  dynamicUpdateSlice: (inputs, { b, node }) => updated(b, inputs, node),
}

/** Outputs of a program that take the memory of an input that is given up: positions of both. */
export type InPlace = readonly { readonly output: number; readonly input: number }[]

/** The updates of inputs that are given up, of which nothing else reads the old elements, and which are outputs. */
export function updatesInPlace(
  { inputs, outputs }: { readonly inputs: readonly Value[]; readonly outputs: readonly Value[] },
  uses: ReadonlyMap<Value, number>,
  donated: readonly number[],
): InPlace {
  const taken = new Set<number>()
  return outputs.flatMap(({ node }, output) => {
    if (node?.op !== ('dynamicUpdateSlice' satisfies OpName)) return []
    const input = inputs.indexOf(node.inputs[0]!)
    if (!donated.includes(input) || taken.has(input) || uses.get(node.inputs[0]!) !== 1) return []
    taken.add(input)
    return [{ output, input }]
  })
}
