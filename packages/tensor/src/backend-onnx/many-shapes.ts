// How ops are written in a model that serves many shapes: sizes that differ between calls are read from the tensors. Programs
// of one function for several batches, lengths and capacities then are one model, whose weights are prepared once.
import { isOp, type Node, type Value } from '../ir/graph'
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

/** 0 for what a query sees, −∞ for what it does not, f32 `[batch or 1, group · queries, keys]`; see `attention`. */
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
    return b.node('Reshape', [byHead, b.node('Concat', [sizesOf(b, mask, 0, 1), b.int64s([-1]), keys], { axis: 0n })])
  })
}

/** Whether `node` is an attention that {@link attention} writes. */
export const isAnyAttention = ({ op, inputs, params }: Node): boolean =>
  op === 'attention' && inputs.length === 4 && (params as OpParams['attention']).window === undefined

/** Keys or values that are those of one row, the same for all rows, and behind them each row's own. */
function sharedAndOwn({ node }: Value): readonly [shared: Value, own: Value] | undefined {
  if (!node || !isOp(node, 'concat') || node.inputs.length !== 2 || node.params.axis !== 2) return undefined
  const [first, own] = node.inputs as [Value, Value]
  // Of one row, nothing is repeated.
  const shared = first.node && isOp(first.node, 'broadcastTo') ? first.node.inputs[0]! : first
  const [rows, ...rest] = shared.aval.shape
  return rows === 1 && rest.join() === first.aval.shape.slice(1).join() ? [shared, own] : undefined
}

/**
 * What {@link attention} reads: where all rows share the first keys and values, those of one row come last, and are not repeated.
 */
export function attentionInputs(node: Node): readonly Value[] {
  const [q, k, v, visibility] = node.inputs as [Value, Value, Value, Value]
  const [keys, values] = [sharedAndOwn(k), sharedAndOwn(v)]
  return keys && values ? [q, keys[1], values[1], visibility, keys[0], values[0]] : node.inputs
}

/** Attention with a visibility: the query heads of a group are folded into rows for the products. */
function attention(
  b: OnnxBuilder,
  [q, k, v, visibility, sharedK, sharedV]: readonly string[],
  node: Node<'attention'>,
): string {
  const { inputs, params } = node
  const [, heads = 0, , headDim = 0] = inputs[0]!.aval.shape
  const kvHeads = inputs[1]!.aval.shape[1]!
  const group = heads / kvHeads
  const [, ownKeys, , , sharedKeys] = attentionInputs(node)
  const keysOf = (x: string, role: string, { aval: { shape } }: Value) =>
    b.shared(`${role} ${shape.join()}`, () => sizesOf(b, x, 2, 3))
  const keys = keysOf(k!, 'own keys', ownKeys!)
  const folded = b.node('Reshape', [q!, b.int64s([0, kvHeads, -1, headDim])])
  const product = { transA: 0n, transB: 1n, alpha: params.scale }
  const scoresOf = (x: string, y: string) => b.node('FusedMatMul', [x, y], product, 'com.microsoft')
  /** Of scores, and a mask that fits them. */
  function weightsOf(scores: string, mask: string): string {
    if (params.softcap === undefined) return b.node('Softmax', [b.node('Add', [scores, mask])], { axis: -1n })
    const bent = b.node('Tanh', [b.node('Mul', [scores, b.scalar('f32', 1 / params.softcap)])])
    const capped = b.node('Mul', [bent, b.scalar('f32', params.softcap)])
    return b.node('Softmax', [b.node('Add', [capped, mask])], { axis: -1n })
  }
  const unfolded = (x: string) => b.node('Reshape', [x, b.int64s([0, heads, -1, headDim])])
  const maskAt = (keys: string, axis: number) => {
    const mask = maskOf(b, visibility!, keys, group)
    return b.shared(`${mask} at ${axis}`, () => b.node('Unsqueeze', [mask, b.int64s([axis])]))
  }
  if (sharedK === undefined || sharedV === undefined)
    return unfolded(b.node('MatMul', [weightsOf(scoresOf(folded, k!), maskAt(keys, 1)), v!]))
  // The queries of all rows side by side are one product with what they share: it is read once for all of them.
  const swapped = (x: string) => b.node('Transpose', [x], { perm: [1, 0, 2, 3] })
  const turned = swapped(folded)
  const sizes = [keysOf(sharedK, 'shared keys', sharedKeys!), keys] as const
  const all = b.node('Reshape', [turned, b.int64s([1, kvHeads, -1, headDim])])
  const rows = sizesOf(b, turned, 0, 3)
  const apart = b.node('Concat', [rows, sizes[0]], { axis: 0n })
  const common = b.node('Reshape', [scoresOf(all, sharedK), apart])
  const scores = b.node('Concat', [common, swapped(scoresOf(folded, k!))], { axis: -1n })
  const total = b.shared(`sum ${sizes.join('+')}`, () => b.node('Add', [...sizes]))
  const split = b.shared(`both ${sizes.join()}`, () => b.node('Concat', [...sizes], { axis: 0n }))
  const weights = weightsOf(scores, maskAt(total, 0))
  const [p, ownP] = b.nodeAll('Split', [weights, split], { axis: -1n }, { count: 2 }) as [string, string]
  const together = b.node('Concat', [b.int64s([1, kvHeads, -1]), sizes[0]], { axis: 0n })
  const ofShared = b.node('MatMul', [b.node('Reshape', [p, together]), sharedV])
  const back = swapped(b.node('Reshape', [ofShared, sizesOf(b, turned, 0, 4)]))
  return unfolded(b.node('Add', [back, b.node('MatMul', [swapped(ownP), v!])]))
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
