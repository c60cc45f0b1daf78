// The conformance cases: every op of the table, at shapes that matter. A new op needs a case here, or the suite fails.
import * as j from '../../src/index'
import type { Shape, Tensor } from '../../src/index'
import { apply, applyAll } from '../../src/ops/apply'

export interface InputSpec {
  readonly shape: Shape
  readonly dtype: 'f32' | 'i32' | 'u32' | 'u8' | 'bool'
  /** An f32 input that is data, not differentiated. */
  readonly frozen?: boolean
  /** Maps a number in (−1, 1) to an element. */
  readonly make: (x: number, index: number) => number
}

export interface Case {
  readonly name: string
  readonly inputs: readonly InputSpec[]
  readonly fn: (...inputs: Tensor[]) => Tensor | Tensor[]
  /** Finite differences make sense: smooth at these inputs, and some input is f32. */
  readonly smooth: boolean
  /** The case whose gradients take the same kernels but for numbers: a driver on the CPU compiles them for seconds each. */
  readonly kernelsOf?: string
}

const f = (...shape: number[]): InputSpec => ({ shape, dtype: 'f32', make: (x) => x * 2 })
const frozen = (...shape: number[]): InputSpec => ({ ...f(...shape), frozen: true })
const positive = (...shape: number[]): InputSpec => ({ shape, dtype: 'f32', make: (x) => Math.abs(x) + 0.3 })
/** Distinct values far enough apart that no comparison is close. */
const spread = (...shape: number[]): InputSpec => ({
  shape,
  dtype: 'f32',
  make: (_x, i) => ((i * 7) % 11) / 3 - 1.6 + i * 0.001,
})
const ints = (below: number, ...shape: number[]): InputSpec => ({
  shape,
  dtype: 'i32',
  make: (x) => Math.floor(((x + 1) / 2) * below),
})
const fixed = (values: readonly number[], ...shape: number[]): InputSpec => ({
  shape,
  dtype: 'i32',
  make: (_x, i) => values[i]!,
})
/** Codes of quantised weights. */
const bytes = (...shape: number[]): InputSpec => ({ shape, dtype: 'u8', make: (x) => Math.floor(((x + 1) / 2) * 256) })
const bool = (...shape: number[]): InputSpec => ({ shape, dtype: 'bool', make: (x) => (x > 0 ? 1 : 0) })
const keys = (...shape: number[]): InputSpec => ({
  shape,
  dtype: 'u32',
  make: (x) => Math.floor(((x + 1) / 2) * 2 ** 32),
})
const key = keys(2)
/** The words of keys `[2]` or `[rows, 2]`, exchanged: a key that is computed in the graph. */
const turned = (k: Tensor): Tensor => j.concat([j.sliceAxis(k, -1, 1, 2), j.sliceAxis(k, -1, 0, 1)], -1)

const smooth = (name: string, inputs: readonly InputSpec[], fn: Case['fn']): Case => ({
  name,
  inputs,
  fn,
  smooth: true,
})
/** As `smooth`, of kernels that another case has run already. */
const smoothAs = (kernelsOf: string, ...rest: Parameters<typeof smooth>): Case => ({ ...smooth(...rest), kernelsOf })
const exact = (name: string, inputs: readonly InputSpec[], fn: Case['fn']): Case => ({
  name,
  inputs,
  fn,
  smooth: false,
})

/** Context trees of 6 keys: a shared prefix 0..2, branches 2..4 and 4..6; the second row of the batch is plain causal. */
const treeVisibility = [
  [0, 0, 2, 0],
  [1, 0, 2, 1],
  [2, 0, 2, 2],
  [3, 0, 2, 2],
  [4, 0, 2, 4],
  [5, 0, 2, 4],
  [0, 0, 0, 0],
  [1, 0, 0, 0],
  [2, 0, 0, 0],
  [3, 3, 3, 3],
  [4, 3, 3, 3],
  [5, 3, 3, 3],
].flat()

/** Trees of `size` keys one after another: a prefix of a third, then two branches. */
const packedTrees = (keys: number, size: number): number[] =>
  Array.from({ length: keys }, (_, i) => {
    const start = i - (i % size)
    const [prefixEnd, second] = [start + Math.floor(size / 3), start + Math.floor((2 * size) / 3)]
    return [i, start, prefixEnd, i < prefixEnd ? start : i < second ? prefixEnd : second]
  }).flat()

const weight = (codes: Tensor, bits: 4 | 8, scales: Tensor, mins?: Tensor, codebook?: j.Codebook): Tensor =>
  j.valuesOf(
    {
      codes,
      scales,
      ...(mins ? { mins } : {}),
      layout: {
        bits,
        group: (codes.shape.at(-1)! * 8) / bits / scales.shape.at(-1)!,
        ...(codebook ? { codebook } : {}),
      },
      shape: codes.shape,
    },
    'f32',
  )
/** x Wᵀ, then · W: both directions of a product, as a model and its gradient have them. */
const quantisedLinear =
  (bits: 4 | 8, codebook?: j.Codebook) =>
  (x: Tensor, codes: Tensor, scales: Tensor, mins?: Tensor): Tensor => {
    const w = weight(codes, bits, scales, mins, codebook)
    return j.dot(j.linear(x, w), w)
  }

export const cases: readonly Case[] = [
  smooth('neg exp', [f(2, 3)], (x) => j.neg(j.exp(x))),
  smooth('log sqrt', [positive(5)], (x) => j.add(j.log(x), j.sqrt(x))),
  smooth('rsqrt', [positive(5)], (x) => j.rsqrt(x)),
  smooth('sin cos', [f(2, 2)], (x) => j.mul(j.sin(x), j.cos(x))),
  smooth('tanh sigmoid', [f(7)], (x) => j.add(j.tanh(x), j.sigmoid(x))),
  smooth('abs', [spread(6)], (x) => j.abs(x)),
  smooth('binary with broadcasting', [f(2, 1, 3), f(4, 1), positive(3)], (a, b, c) =>
    j.div(j.sub(j.mul(a, b), j.add(a, c)), c),
  ),
  smooth('pow', [positive(2, 3), f(3)], (a, b) => j.pow(a, b)),
  smooth('maximum minimum', [spread(2, 4), f(4)], (a, b) => j.sub(j.maximum(a, b), j.minimum(a, j.mul(b, 0.5)))),
  exact('comparisons', [ints(3, 12), ints(3, 12)], (a, b) => [
    j.eq(a, b),
    j.lt(a, b),
    j.le(a, b),
    j.gt(a, b),
    j.ge(a, b),
  ]),
  exact('logic', [bool(6), bool(6)], (a, b) => [j.logicalNot(a), j.logicalAnd(a, b), j.logicalOr(a, b)]),
  smooth('where', [bool(3, 1), f(3, 4), f(4)], (c, a, b) => j.where(c, a, b)),
  exact('cast', [f(8), bool(8)], (x, c) => [
    j.cast(j.mul(x, 4), 'i32'),
    j.cast(c, 'f32'),
    j.cast(j.cast(c, 'i32'), 'f32'),
  ]),
  exact('integer arithmetic', [ints(9, 6), ints(9, 6)], (a, b) => [
    j.add(a, b),
    j.sub(a, b),
    j.mul(a, b),
    j.maximum(a, b),
    j.neg(a),
    j.sum(a),
  ]),
  exact('full iota', [f(1)], (x) => [
    j.add(j.full([2, 3], 2.5), x),
    j.iota([2, 3], 1),
    j.iota([2, 3], 0, 'f32'),
    j.full([2], 7, 'i32'),
    j.arange(5),
    j.literal([1.5, -2, 3]),
    j.literal([1, 2], [2, 1], 'i32'),
  ]),
  smooth('sum', [f(2, 3, 4)], (x) => [
    j.sum(x),
    j.sum(x, { axis: 1 }),
    j.sum(x, { axis: [0, 2], keepDims: true }),
    j.mean(x, { axis: -1 }),
  ]),
  smooth('max', [spread(2, 5)], (x) => [j.max(x, { axis: 1 }), j.max(x, { axis: 0, keepDims: true }), j.max(x)]),
  exact('argmax', [spread(3, 5)], (x) => [j.argmax(x), j.argmax(x, 0)]),
  smooth('softmax', [f(3, 5)], (x) => j.softmax(x)),
  smooth('softmax of a long row', [f(2, 300)], (x) => j.softmax(x)),
  smooth('logSumExp', [f(3, 5)], (x) => j.logSumExp(x)),
  smooth('reshape transpose', [f(2, 3, 4)], (x) => j.transpose(j.reshape(j.transpose(x, [2, 0, 1]), [4, -1]))),
  smooth('broadcastTo', [f(3, 1)], (x) => j.broadcastTo(x, [2, 3, 4])),
  smooth('slice pad', [f(4, 5)], (x) => j.pad(j.slice(x, [1, 0], [3, 4]), [0, 2], [1, 0], 1.5)),
  smooth('concat', [f(2, 3), f(2, 1), f(2, 2)], (a, b, c) => j.concat([a, b, c], 1)),
  smooth('concat of rows', [f(2, 3), f(3, 3)], (a, b) => j.concat([a, b])),
  smooth('stack split squeeze', [f(2, 6), f(2, 6)], (a, b) => {
    const [left, right] = j.split(j.stack([a, b], 1), 2, 2) as [Tensor, Tensor]
    const [first, ...rest] = j.split(right, [1, 2], -1)
    return [j.add(left, j.expandDims(j.squeeze(first!, -1), 2)), ...rest]
  }),
  smooth('clip min argmin', [spread(3, 5), f(5)], (a, b) => [
    j.clip(a, -0.7, 1.1),
    j.clip(a, b),
    j.min(a, { axis: 1 }),
    j.cast(j.argmin(a), 'f32'),
  ]),
  smooth('cumsum', [f(3, 5)], (x) => [j.cumsum(x), j.cumsum(x, 0)]),
  exact('cumsum of integers', [ints(9, 2, 7)], (x) => j.cumsum(x)),
  smooth('einsum', [f(2, 3, 4), f(4, 2, 5), f(5)], (a, b, c) => [
    j.einsum('bij,jbk->kbi', a, b),
    j.einsum('bij,jbk,k->i', a, b, c),
    j.einsum('bij->jb', a),
  ]),
  smooth('sort topK', [spread(2, 3, 6)], (x) => [j.sort(x), j.sort(x, { descending: true }), j.topK(x, 3).values]),
  exact('argsort topK, with ties', [ints(4, 3, 7), f(2, 5)], (x, y) => [
    j.argsort(x),
    j.argsort(x, { descending: true }),
    j.topK(x, 7).indices,
    j.topK(j.where(j.lt(y, 0), -Infinity, y), 5).indices,
  ]),
  smooth('dynamicSlice', [f(2, 6), fixed([3])], (x, s) => j.dynamicSlice(x, s, 1, 2)),
  smooth('dynamicUpdateSlice', [f(2, 6), f(2, 2), fixed([4])], (x, u, s) => j.dynamicUpdateSlice(x, u, s, 1)),
  smooth('dynamicUpdateSlice at 0', [f(5, 2), f(1, 2), fixed([0])], (x, u, s) => j.dynamicUpdateSlice(x, u, s, 0)),
  smooth('dot', [f(3, 4), f(4, 5)], (a, b) => j.dot(a, b)),
  smooth('dot scaled', [f(3, 4), f(4, 5)], (a, b) => j.mul(j.dot(a, b), 0.25)),
  smooth('dot transposed', [f(4, 3), f(5, 4)], (a, b) => j.dot(a, b, { transposeA: true, transposeB: true })),
  smooth('dot batch by matrix', [f(2, 3, 4), f(5, 4)], (a, b) => j.dot(a, b, { transposeB: true })),
  smooth('dot batch by matrix, not turned', [f(2, 3, 4), f(4, 5)], (a, b) => j.dot(a, b)),
  smooth('dot broadcast batches', [f(2, 1, 3, 4), f(3, 4, 2)], (a, b) => j.dot(a, b)),
  smooth('dot batch, left turned', [f(2, 4, 3), f(2, 4, 5)], (a, b) => j.dot(a, b, { transposeA: true })),
  exact('dequantise', [bytes(3, 8), bytes(2, 3, 8), frozen(3, 2), frozen(3, 2), frozen(2, 3, 1)], (c, d, s, m, t) => [
    weight(c, 8, s),
    weight(c, 8, s, m),
    weight(c, 4, s),
    weight(c, 4, s, m),
    weight(c, 4, s, undefined, 'nf4'),
    weight(c, 4, s, undefined, 'iq4'),
    weight(d, 8, t),
  ]),
  // Rows of quantised weights and products with them: the forms in which kernels read several codes at a time.
  smooth('quantised, 8 bits', [f(2, 3, 8), bytes(8, 8), frozen(8, 2), frozen(8, 2)], quantisedLinear(8)),
  smooth('quantised, 4 bits', [f(2, 3, 32), bytes(32, 16), frozen(32, 2), frozen(32, 2)], quantisedLinear(4)),
  smooth('quantised, 4 bits, no minima', [f(5, 32), bytes(32, 16), frozen(32, 1)], quantisedLinear(4)),
  smooth('quantised, nf4', [f(5, 32), bytes(32, 16), frozen(32, 1)], quantisedLinear(4, 'nf4')),
  smooth('quantised, iq4', [f(5, 32), bytes(32, 16), frozen(32, 1)], quantisedLinear(4, 'iq4')),
  smooth('quantised, 8 bits, no minima', [f(5, 32), bytes(32, 32), frozen(32, 2)], quantisedLinear(8)),
  smooth('quantised, odd groups', [f(5, 6), bytes(6, 6), frozen(6, 2)], quantisedLinear(8)),
  smooth('quantised rows', [f(3, 8), bytes(9, 8), frozen(9, 2), ints(9, 3)], (x, codes, scales, at) =>
    j.mul(x, j.gather(weight(codes, 8, scales), at)),
  ),
  smooth('gather', [f(5, 3), ints(5, 2, 2)], (x, i) => j.gather(x, i)),
  smooth('gather axis 1', [f(2, 5, 3), ints(5, 4)], (x, i) => j.gather(x, i, 1)),
  smooth('gather in a batch', [f(2, 5, 3), ints(5, 2, 4)], (x, i) => j.gather(x, i, 1, { batchDims: 1 })),
  smooth('gather in a batch, a grid of numbers', [f(3, 5), ints(5, 3, 2, 2)], (x, i) =>
    j.gather(x, i, 1, { batchDims: 1 }),
  ),
  smooth('pick', [f(4, 3), ints(3, 4)], (x, i) => j.pick(x, i)),
  smooth('scatterAdd', [fixed([1, 1, 0, 3], 4), f(4, 2)], (i, u) => j.scatterAdd(i, u, 5)),
  smooth(
    'scatterAdd of many long rows',
    [{ shape: [70], dtype: 'i32', make: (_x, i) => (i * 3) % 5 }, f(70, 70)],
    (i, u) => j.scatterAdd(i, u, 6),
  ),
  smooth('scatterAdd in a batch', [fixed([1, 1, 0, 2, 3, 2], 2, 3), f(2, 3, 2)], (i, u) =>
    j.scatterAdd(i, u, 4, { batchDims: 1 }),
  ),
  smooth(
    'scatterAdd in a batch of long rows',
    [{ shape: [2, 70], dtype: 'i32', make: (_x, i) => (i * 3) % 5 }, f(2, 70, 65)],
    (i, u) => j.scatterAdd(i, u, 6, { batchDims: 1 }),
  ),
  smooth('scatterAdd grid', [fixed([1, 1, 0, 3], 2, 2), f(2, 2, 3)], (i, u) => j.scatterAdd(i, u, 4)),
  exact('randomUniform', [key], (k) => [j.randomUniform(k, [4, 5]), j.randomUniform(k, [4, 5], 3)]),
  exact('randomUniform with a key computed in the graph', [key], (k) => j.randomUniform(turned(k), [7])),
  exact('randomUniform, a key a row', [keys(3, 2)], (k) => [
    j.randomUniform(k, [3, 5]),
    j.randomUniform(k, [3, 2, 4], 3),
    j.randomUniform(turned(k), [3, 2, 4]),
    j.randomUniform(k, [3]),
  ]),
  exact('randomUniform of a window', [key], (k) => [
    j.randomUniform(k, [2, 3], 1, { shape: [4, 7], starts: [1, 2] }),
    j.randomUniform(k, [2, 3, 4], 0, { shape: [5, 3, 6], starts: [2, 0, 1] }),
    j.randomUniform(k, [2, 3], 1, { shape: [4, 3], starts: [2, 0] }),
    j.randomUniform(turned(k), [2, 3, 4], 0, { shape: [5, 3, 6], starts: [2, 0, 1] }),
  ]),
  exact('randomUniform of a window, a key a row', [keys(2, 2)], (k) => [
    j.randomUniform(k, [2, 3], 1, { shape: [4, 7], starts: [9, 2] }),
    j.randomUniform(k, [2, 3, 4], 0, { shape: [5, 4, 6], starts: [2, 1, 2] }),
    j.randomUniform(turned(k), [2, 3, 4], 0, { shape: [5, 4, 6], starts: [2, 1, 2] }),
  ]),
  smooth('dropout with a key computed in the graph', [f(6, 5), key], (x, k) => j.dropout(x, 0.4, turned(k), 2)),
  smooth('dropout, a key a row', [f(6, 5, 3), keys(6, 2)], (x, k) => j.dropout(x, 0.4, k, 2)),
  smooth('dropout, rows as short as their keys', [f(6, 2), keys(6, 2)], (x, k) => j.dropout(x, 0.4, turned(k), 2)),
  smooth('dropout in a window', [f(6, 5), key], (x, k) => j.dropout(x, 0.4, k, 2, { shape: [9, 8], starts: [2, 3] })),
  smooth('dropout in a window, a key a row', [f(4, 2, 3), keys(4, 2)], (x, k) =>
    j.dropout(x, 0.4, k, 2, { shape: [4, 5, 6], starts: [0, 2, 1] }),
  ),
  smooth('dropout', [f(6, 5), key], (x, k) => j.dropout(x, 0.4, k, 2)),
  smooth('silu gelu', [f(7)], (x) => j.add(j.silu(x), j.gelu(x))),
  smooth('rmsNorm', [f(2, 3, 8), f(8)], (x, w) => j.rmsNorm(x, w, 1e-5)),
  smooth('rmsNorm of a long row', [f(2, 1100), f(1100)], (x, w) => j.rmsNorm(x, w, 1e-5)),
  smooth('rmsNorm twice', [f(3, 8), f(8)], (x, w) => j.rmsNorm(j.add(x, j.rmsNorm(x, w, 1e-5)), w, 1e-5)),
  smooth('rope', [f(2, 3, 4, 6), frozen(1, 4, 3)], (x, angle) => j.rope(x, j.cos(angle), j.sin(angle))),
  smooth('rope, a table a row', [f(2, 1, 3, 4), frozen(2, 3, 2)], (x, angle) => j.rope(x, j.cos(angle), j.sin(angle))),
  smooth('attention', [f(2, 4, 5, 4), f(2, 2, 5, 4), f(2, 2, 5, 4)], (q, k, v) => j.attention(q, k, v)),
  smoothAs(
    'attention in a window over several query blocks',
    'attention, more keys than queries',
    [f(1, 2, 2, 4), f(1, 2, 6, 4), f(1, 2, 6, 4)],
    (q, k, v) => j.attention(q, k, v, { scale: 0.7 }),
  ),
  smoothAs('attention', 'attention with heads of 24', [f(1, 2, 5, 24), f(1, 1, 5, 24), f(1, 1, 5, 24)], (q, k, v) =>
    j.attention(q, k, v),
  ),
  // Two pieces of a head at a time. Its gradients, made of the same parts, take a driver on the CPU a minute to compile.
  exact('attention with heads of 40', [f(1, 2, 5, 40), f(1, 1, 5, 40), f(1, 1, 5, 40)], (q, k, v) => [
    j.attention(q, k, v),
  ]),
  smoothAs(
    'attention with capped scores over packed trees in a window',
    'attention over context trees',
    [f(2, 4, 6, 2), f(2, 2, 6, 2), f(2, 2, 6, 2), fixed(treeVisibility, 2, 6, 4)],
    (q, k, v, visibility) => j.attention(q, k, v, { visibility }),
  ),
  smoothAs(
    'attention in a window over several query blocks',
    'attention over several query blocks',
    [f(1, 1, 192, 2), f(1, 1, 192, 2), f(1, 1, 192, 2)],
    (q, k, v) => j.attention(q, k, v),
  ),
  smoothAs(
    'attention in a window over several query blocks',
    'attention in a window',
    [f(2, 4, 5, 4), f(2, 2, 5, 4), f(2, 2, 5, 4)],
    (q, k, v) => j.attention(q, k, v, { window: 2 }),
  ),
  smoothAs(
    'attention in a window over several query blocks',
    'attention in a window, more keys than queries',
    [f(1, 2, 2, 4), f(1, 2, 6, 4), f(1, 2, 6, 4)],
    (q, k, v) => j.attention(q, k, v, { window: 3 }),
  ),
  smooth(
    'attention in a window over several query blocks',
    [f(1, 1, 193, 2), f(1, 1, 193, 2), f(1, 1, 193, 2)],
    (q, k, v) => j.attention(q, k, v, { window: 70 }),
  ),
  smoothAs(
    'attention in a window over several query blocks',
    'attention in a window of one key',
    [f(1, 2, 5, 2), f(1, 1, 5, 2), f(1, 1, 5, 2)],
    (q, k, v) => j.attention(q, k, v, { window: 1 }),
  ),
  smoothAs(
    'attention with capped scores over packed trees in a window',
    'attention over context trees in a window',
    [f(2, 4, 6, 2), f(2, 2, 6, 2), f(2, 2, 6, 2), fixed(treeVisibility, 2, 6, 4)],
    (q, k, v, visibility) => j.attention(q, k, v, { visibility, window: 4 }),
  ),
  smoothAs(
    'attention with capped scores over packed trees in a window',
    'attention over packed trees in a window, several query blocks',
    [f(1, 1, 193, 2), f(1, 1, 193, 2), f(1, 1, 193, 2), fixed(packedTrees(193, 50), 1, 193, 4)],
    (q, k, v, visibility) => j.attention(q, k, v, { visibility, window: 50 }),
  ),
  smoothAs(
    'attention with capped scores over packed trees in a window',
    'attention with capped scores',
    [f(2, 4, 5, 4), f(2, 2, 5, 4), f(2, 2, 5, 4)],
    (q, k, v) => j.attention(q, k, v, { scale: 2, softcap: 1.5 }),
  ),
  smooth(
    'attention with capped scores over packed trees in a window',
    [f(1, 2, 36, 2), f(1, 1, 36, 2), f(1, 1, 36, 2), fixed(packedTrees(36, 12), 1, 36, 4)],
    (q, k, v, visibility) => j.attention(q, k, v, { visibility, scale: 3, softcap: 2, window: 8 }),
  ),
  smooth('linearCrossEntropy with capped logits', [f(4, 3), f(6, 3), fixed([2, -1, 5, 0], 4)], (h, w, labels) =>
    j.linearCrossEntropy(h, w, labels, { softcap: 0.7 }),
  ),
  smooth('linearCrossEntropy', [f(4, 3), f(6, 3), fixed([2, -1, 5, 0], 4)], (h, w, labels) =>
    j.linearCrossEntropy(h, w, labels),
  ),
  smooth(
    'linearCrossEntropy of a part of the vocabulary',
    [f(5, 3), f(4, 3), fixed([2, -1, 7, 9, 4], 5)],
    (h, w, labels) => applyAll('linearCrossEntropy', [h, w, labels], { vocabStart: 4 })[0]!,
  ),
  smooth(
    'linearCrossEntropy with capped logits, of a part of the vocabulary',
    [f(5, 3), f(4, 3), fixed([2, -1, 7, 9, 4], 5)],
    (h, w, labels) => applyAll('linearCrossEntropy', [h, w, labels], { vocabStart: 4, softcap: 0.7 })[0]!,
  ),
  exact(
    'linearCrossEntropy of a part, given the log-sum-exp of all',
    [f(5, 3), f(4, 3), fixed([2, -1, 7, 9, 4], 5), positive(5), frozen(5)],
    (...inputs) => [
      apply('linearCrossEntropyGradInput', inputs.slice(0, 4), { vocabStart: 4 }),
      apply('linearCrossEntropyGradWeight', inputs, { vocabStart: 4 }),
    ],
  ),
  smooth(
    'linearCrossEntropy over several blocks',
    [f(258, 2), f(3, 2), { shape: [258], dtype: 'i32', make: (_x, i) => (i % 4) - 1 }],
    (h, w, labels) => j.linearCrossEntropy(h, w, labels),
  ),
  smooth('shardingConstraint', [f(2, 3), f(3, 2)], (a, b) =>
    j.dot(j.shardingConstraint(a, [['data'], []]), j.mul(j.shardingConstraint(b, [[], ['model']]), b)),
  ),
  smooth('stopGradient', [f(3), frozen(3)], (a, b) => j.mul(a, j.stopGradient(b))),
]
