// What the fused ops mean in terms of primitives: the definition a backend falls back on, and tests hold kernels to.
import { fail } from '../errors'
import type { OpName, OpParams } from '../ir/op'
import { add, exp, ge, le, log, logicalAnd, logicalOr, lt, mul, rsqrt, sub, where } from '../ops/elementwise'
import { full, iota } from '../ops/create'
import { gather, pick, scatterAdd } from '../ops/indexing'
import { dot } from '../ops/linalg'
import { concat, reshape, sliceAxis } from '../ops/movement'
import { logSumExp, max, mean, softmax, sum } from '../ops/reduce'
import { randomUniform } from '../ops/random'
import type { Tensor } from '../tensor'

export type FusedOp =
  | 'dropout'
  | 'rmsNorm'
  | 'rmsNormGrad'
  | 'rope'
  | 'attention'
  | 'attentionGrad'
  | 'linearCrossEntropy'
  | 'linearCrossEntropyGradInput'
  | 'linearCrossEntropyGradWeight'

type Decomposition<K extends OpName> = (inputs: readonly Tensor[], params: OpParams[K]) => readonly Tensor[]

const at = (inputs: readonly Tensor[], i: number): Tensor => inputs[i] ?? fail('decompose', `input ${i} is missing`)

/** Queries of one block of rows: small enough that a causal block skips the keys after it, large enough for full GEMMs. */
const queryBlock = 128

/** The additive mask [batch|1, 1, queries, keys]: 0 where visible, −∞ where not. */
function maskFromVisibility(visibility: Tensor, keys: number): Tensor {
  const [batch = 1, queries = 0] = visibility.shape
  const column = (i: number) => sliceAxis(visibility, 2, i, i + 1)
  const j = iota([1, 1, keys], 2)
  const inside = logicalAnd(le(column(1), j), le(j, column(0)))
  const seen = logicalAnd(inside, logicalOr(lt(j, column(2)), ge(j, column(3))))
  return reshape(where(seen, full([], 0), -Infinity), [batch, 1, queries, keys])
}

function causalMask(queries: number, keys: number): Tensor {
  const seen = le(iota([queries, keys], 1), add(iota([queries, keys], 0), keys - queries))
  return where(seen, full([], 0), -Infinity)
}

/** Blocks of query rows with the number of keys each can see. Without visibility later keys are cut off. */
function attentionBlocks(queries: number, keys: number, causal: boolean): { from: number; to: number; keys: number }[] {
  if (!causal || queries === 1) return [{ from: 0, to: queries, keys }]
  const blocks: { from: number; to: number; keys: number }[] = []
  const count = Math.max(1, Math.round(queries / queryBlock))
  const size = Math.ceil(queries / count)
  for (let from = 0; from < queries; from += size) {
    const to = Math.min(queries, from + size)
    blocks.push({ from, to, keys: keys - queries + to })
  }
  return blocks
}

/** Masked scores [b, heads, rows, keys] of one block; the query heads of a group are folded into rows for the product. */
function blockScores(q: Tensor, k: Tensor, scale: number, mask: Tensor): Tensor {
  const [batch = 0, heads = 0, rows = 0, headDim = 0] = q.shape
  const [, kvHeads = 0, keys = 0] = k.shape
  const group = heads / kvHeads
  const scores = mul(dot(reshape(q, [batch, kvHeads, group * rows, headDim]), k, { transposeB: true }), scale)
  return add(reshape(scores, [batch, heads, rows, keys]), mask)
}

function eachBlock<R>(
  inputs: { q: Tensor; k: Tensor; v: Tensor; visibility: Tensor | undefined },
  scale: number,
  body: (block: { q: Tensor; k: Tensor; v: Tensor; scores: Tensor; p: Tensor; from: number; to: number }) => R,
): R[] {
  const { visibility } = inputs
  const queries = inputs.q.shape[2]!
  const allKeys = inputs.k.shape[2]!
  const mask = visibility && maskFromVisibility(visibility, allKeys)
  return attentionBlocks(queries, allKeys, !visibility).map(({ from, to, keys }) => {
    const q = sliceAxis(inputs.q, 2, from, to)
    const k = sliceAxis(inputs.k, 2, 0, keys)
    const v = sliceAxis(inputs.v, 2, 0, keys)
    const scores = blockScores(q, k, scale, mask ?? causalMask(to - from, keys))
    const [batch = 0, kvHeads = 0] = k.shape
    return body({ q, k, v, scores, p: reshape(softmax(scores), [batch, kvHeads, -1, keys]), from, to })
  })
}

/** Adds blocks that cover keys 0..n of growing n: the tail of a longer block has no partner in the shorter. */
function addKeyBlocks(blocks: readonly Tensor[]): Tensor {
  return blocks.reduce((shorter, longer) => {
    const [have, want] = [shorter.shape[2]!, longer.shape[2]!]
    if (have === want) return add(shorter, longer)
    return concat([add(shorter, sliceAxis(longer, 2, 0, have)), sliceAxis(longer, 2, have, want)], 2)
  })
}

/** log Σ exp over the vocabulary [n] and the logits [n, v]. */
function headLogits(h: Tensor, w: Tensor): { logits: Tensor; logSum: Tensor } {
  const logits = dot(h, w, { transposeB: true })
  const shift = max(logits, { axis: 1, keepDims: true })
  const logSum = add(log(sum(exp(sub(logits, shift)), { axis: 1 })), reshape(shift, [h.shape[0]!]))
  return { logits, logSum }
}

/** Cotangents with those of unlabelled rows zeroed, and labels made safe to gather with. */
function labelled(labels: Tensor, g: Tensor): { safe: Tensor; weight: Tensor } {
  const has = le(full([], 0, 'i32'), labels)
  return { safe: where(has, labels, 0), weight: where(has, g, 0) }
}

export const decompositions: { readonly [K in FusedOp]: Decomposition<K> } = {
  dropout: (inputs, { rate, stream }) => {
    const x = at(inputs, 0)
    const keep = le(full([], Math.round(rate * 2 ** 24) / 2 ** 24), randomUniform(at(inputs, 1), x.shape, stream))
    return [where(keep, mul(x, 1 / (1 - rate)), 0)]
  },
  rmsNorm: (inputs, { epsilon }) => {
    const [x, w] = [at(inputs, 0), at(inputs, 1)]
    const inverse = rsqrt(add(mean(mul(x, x), { axis: -1, keepDims: true }), epsilon))
    return [mul(mul(x, inverse), w)]
  },
  // dx = r·(w∘g) − x·r³·mean(x∘w∘g), r = 1/√(mean(x²)+ε)
  rmsNormGrad: (inputs, { epsilon }) => {
    const [x, w, g] = [at(inputs, 0), at(inputs, 1), at(inputs, 2)]
    const r = rsqrt(add(mean(mul(x, x), { axis: -1, keepDims: true }), epsilon))
    const wg = mul(w, g)
    const projection = mul(mean(mul(x, wg), { axis: -1, keepDims: true }), mul(mul(r, r), r))
    return [sub(mul(wg, r), mul(x, projection))]
  },
  rope: (inputs) => {
    const x = at(inputs, 0)
    const [batch = 0, , seq = 0, headDim = 0] = x.shape
    const half = headDim / 2
    const [c, s] = [at(inputs, 1), at(inputs, 2)].map((t) => reshape(t, [t.shape[0] === 1 ? 1 : batch, 1, seq, half])) as [Tensor, Tensor]
    const [a, b] = [sliceAxis(x, 3, 0, half), sliceAxis(x, 3, half, headDim)]
    return [concat([sub(mul(a, c), mul(b, s)), add(mul(b, c), mul(a, s))], 3)]
  },
  attention: (inputs, { scale }) => {
    const [q, k, v] = [at(inputs, 0), at(inputs, 1), at(inputs, 2)]
    const [batch = 0, heads = 0, , headDim = 0] = q.shape
    // The log-sum-exp is what a flash kernel keeps; here the backward pass shares the probabilities and it is dead code.
    const blocks = eachBlock({ q, k, v, visibility: inputs[3] }, scale, (block) => ({
      out: reshape(dot(block.p, block.v), [batch, heads, block.to - block.from, headDim]),
      logSum: logSumExp(block.scores),
    }))
    return [concat(blocks.map((b) => b.out), 2), concat(blocks.map((b) => b.logSum), 2)]
  },
  attentionGrad: (inputs, { scale }) => {
    const [q, k, v, o, , g] = [0, 1, 2, 3, 4, 5].map((i) => at(inputs, i)) as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]
    const [batch = 0, heads = 0, , headDim = 0] = q.shape
    const kvHeads = k.shape[1]!
    const fold = (x: Tensor) => reshape(x, [batch, kvHeads, (heads / kvHeads) * x.shape[2]!, x.shape[3]!])
    const rowDot = sum(mul(g, o), { axis: -1, keepDims: true })
    const blocks = eachBlock({ q, k, v, visibility: inputs[6] }, scale, (block) => {
      const gBlock = fold(sliceAxis(g, 2, block.from, block.to))
      const dProbabilities = dot(gBlock, block.v, { transposeB: true })
      const dScores = mul(block.p, sub(dProbabilities, fold(sliceAxis(rowDot, 2, block.from, block.to))))
      return {
        dq: reshape(mul(dot(dScores, block.k), scale), block.q.shape),
        dk: mul(dot(dScores, fold(block.q), { transposeA: true }), scale),
        dv: dot(block.p, gBlock, { transposeA: true }),
      }
    })
    return [concat(blocks.map((b) => b.dq), 2), addKeyBlocks(blocks.map((b) => b.dk)), addKeyBlocks(blocks.map((b) => b.dv))]
  },
  linearCrossEntropy: (inputs) => {
    const [h, w, labels] = [at(inputs, 0), at(inputs, 1), at(inputs, 2)]
    const { logits, logSum } = headLogits(h, w)
    const has = le(full([], 0, 'i32'), labels)
    return [where(has, sub(logSum, pick(logits, where(has, labels, 0))), 0), logSum]
  },
  // dh = g∘(softmax(h Wᵀ) W − W[label])
  linearCrossEntropyGradInput: (inputs) => {
    const [h, w, labels, logSum, g] = [0, 1, 2, 3, 4].map((i) => at(inputs, i)) as [Tensor, Tensor, Tensor, Tensor, Tensor]
    const { safe, weight } = labelled(labels, g)
    const p = exp(sub(dot(h, w, { transposeB: true }), reshape(logSum, [-1, 1])))
    return [mul(sub(dot(p, w), gather(w, safe)), reshape(weight, [-1, 1]))]
  },
  // dW = softmaxᵀ (g∘h) − rows of g∘h added at their labels
  linearCrossEntropyGradWeight: (inputs) => {
    const [h, w, labels, logSum, g] = [0, 1, 2, 3, 4].map((i) => at(inputs, i)) as [Tensor, Tensor, Tensor, Tensor, Tensor]
    const { safe, weight } = labelled(labels, g)
    const p = exp(sub(dot(h, w, { transposeB: true }), reshape(logSum, [-1, 1])))
    const weighted = mul(h, reshape(weight, [-1, 1]))
    return [sub(dot(p, weighted, { transposeA: true }), scatterAdd(safe, weighted, w.shape[0]!))]
  },
}

/** Whether `op` has a definition in primitives. */
export const isFused = (op: OpName): op is FusedOp => op in decompositions
