// What the fused ops mean in terms of primitives: the definition a backend falls back on, and tests hold kernels to.
import { fail } from '../errors'
import type { OpName, OpParams } from '../ir/op'
import {
  add,
  cast,
  exp,
  ge,
  le,
  log,
  logicalAnd,
  logicalOr,
  lt,
  mul,
  rsqrt,
  sigmoid,
  sub,
  where,
} from '../ops/elementwise'
import { apply } from '../ops/apply'
import { full, iota } from '../ops/create'
import { gather, pick, scatterAdd } from '../ops/indexing'
import { dot } from '../ops/linalg'
import { concat, reshape, sliceAxis, transpose } from '../ops/movement'
import { logSumExp, max, mean, softmax, sum } from '../ops/reduce'
import { randomUniform } from '../ops/random'
import type { Tensor } from '../tensor'

export type FusedOp =
  | 'silu'
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

/** Adds blocks over keys 0..n (last axis) of growing n: the tail of a longer block has no partner in the shorter. */
function addKeyBlocks(blocks: readonly Tensor[]): Tensor {
  return blocks.reduce((shorter, longer) => {
    const [have, want] = [shorter.shape[3]!, longer.shape[3]!]
    if (have === want) return add(shorter, longer)
    return concat([add(shorter, sliceAxis(longer, 3, 0, have)), sliceAxis(longer, 3, have, want)], 3)
  })
}

/** What is summed or exponentiated is f32 whatever the tensors are. */
const inF32 = (x: Tensor): Tensor => cast(x, 'f32')

/** Rows of the head computed together: logits stay a few megabytes, products large enough to run at full rate. */
const headRows = 256

interface HeadRows {
  readonly h: Tensor
  readonly labels: Tensor
  /** Where there is a label. */
  readonly has: Tensor
  /** The labels' rows of the weight, 0 where there is none: safe to gather with. */
  readonly safe: Tensor
  readonly logits: Tensor
  /** softmax(logits); in the gradients of a part, its part of the whole vocabulary's. */
  readonly probabilities: Tensor
  /** What belongs to a row's label, `[rows]` or `[rows, …]`: zero where the weight, a part of the vocabulary, lacks it. */
  own(x: Tensor): Tensor
  /** The rows' part of a vector of all rows, zero where there is no label. */
  weigh(g: Tensor): Tensor
}

/** What a head reads of labels: their rows of the weight, and whether the weight has them. */
function labelRows(
  labels: Tensor,
  vocab: number,
  vocabStart: number | undefined,
): Pick<HeadRows, 'has' | 'safe' | 'own'> {
  const zero = full([], 0, 'i32')
  const has = le(zero, labels)
  // Rows without a label are weighed with zero: where the vocabulary is whole nothing else needs masking.
  if (vocabStart === undefined) return { has, safe: where(has, labels, 0), own: (x) => x }
  const row = sub(labels, vocabStart)
  const here = logicalAnd(le(zero, row), lt(row, vocab))
  const own = (x: Tensor) =>
    where(
      reshape(
        here,
        x.shape.map((d, i) => (i === 0 ? d : 1)),
      ),
      x,
      0,
    )
  return { has, safe: where(here, row, 0), own }
}

/**
 * Runs `body` over blocks of labelled rows: logits are never whole, and forward and backward share them. With a part of
 * the vocabulary they do not, as the other parts' log-sum-exps come in between; gradients then exponentiate once.
 */
function eachHeadBlock<R>(
  inputs: readonly Tensor[],
  { vocabStart }: OpParams['linearCrossEntropy'],
  body: (rows: HeadRows) => R,
): R[] {
  const [hidden, w, allLabels] = [at(inputs, 0), at(inputs, 1), at(inputs, 2)]
  const count = hidden.shape[0]!
  return Array.from({ length: Math.ceil(count / headRows) }, (_, block) => {
    const [from, to] = [block * headRows, Math.min(count, (block + 1) * headRows)]
    const h = sliceAxis(hidden, 0, from, to)
    const labels = sliceAxis(allLabels, 0, from, to)
    const rows = labelRows(labels, w.shape[0]!, vocabStart)
    const logits = inF32(dot(h, w, { transposeB: true }))
    const weigh = (g: Tensor) => reshape(where(rows.has, sliceAxis(g, 0, from, to), 0), [to - from, 1])
    const given = inputs[3]
    const probabilities =
      given && vocabStart !== undefined
        ? exp(sub(logits, reshape(sliceAxis(given, 0, from, to), [to - from, 1])))
        : softmax(logits)
    return body({ h, labels, ...rows, logits, probabilities, weigh })
  })
}

/** Loss and log Σ exp of each row, f32 `[rows]`. */
function headLoss({ logits, probabilities, has, safe, own }: HeadRows): { loss: Tensor; logSum: Tensor } {
  // The largest probability is 1/Σexp(logit − max) ≥ 1/vocab: log Σ exp follows from it exactly, without another pass.
  const logSum = sub(max(logits, { axis: 1 }), log(max(probabilities, { axis: 1 })))
  return { loss: where(has, sub(logSum, own(pick(logits, safe))), 0), logSum }
}

export const decompositions: { readonly [K in FusedOp]: Decomposition<K> } = {
  silu: ([x]) => [mul(x!, sigmoid(x!))],
  dropout: (inputs, { rate, stream, window }) => {
    const x = at(inputs, 0)
    const drawn = randomUniform(at(inputs, 1), x.shape, stream, window)
    const keep = le(full([], Math.round(rate * 2 ** 24) / 2 ** 24), drawn)
    return [where(keep, mul(x, 1 / (1 - rate)), 0)]
  },
  rmsNorm: (inputs, { epsilon }) => {
    const [x, w] = [inF32(at(inputs, 0)), inF32(at(inputs, 1))]
    const inverse = rsqrt(add(mean(mul(x, x), { axis: -1, keepDims: true }), epsilon))
    return [cast(mul(mul(x, inverse), w), at(inputs, 0).dtype)]
  },
  // dx = r·(w∘g) − x·r³·mean(x∘w∘g), r = 1/√(mean(x²)+ε)
  rmsNormGrad: (inputs, { epsilon }) => {
    const [x, w, g] = [inF32(at(inputs, 0)), inF32(at(inputs, 1)), inF32(at(inputs, 2))]
    const r = rsqrt(add(mean(mul(x, x), { axis: -1, keepDims: true }), epsilon))
    const wg = mul(w, g)
    const projection = mul(mean(mul(x, wg), { axis: -1, keepDims: true }), mul(mul(r, r), r))
    return [cast(sub(mul(wg, r), mul(x, projection)), at(inputs, 0).dtype)]
  },
  rope: (inputs) => {
    const x = inF32(at(inputs, 0))
    const [batch = 0, , seq = 0, headDim = 0] = x.shape
    const half = headDim / 2
    const [c, s] = [at(inputs, 1), at(inputs, 2)].map((t) =>
      reshape(t, [t.shape[0] === 1 ? 1 : batch, 1, seq, half]),
    ) as [Tensor, Tensor]
    const [a, b] = [sliceAxis(x, 3, 0, half), sliceAxis(x, 3, half, headDim)]
    return [cast(concat([sub(mul(a, c), mul(b, s)), add(mul(b, c), mul(a, s))], 3), at(inputs, 0).dtype)]
  },
  attention: (inputs, { scale }) => {
    const [q, k, v] = [inF32(at(inputs, 0)), inF32(at(inputs, 1)), inF32(at(inputs, 2))]
    const [batch = 0, heads = 0, , headDim = 0] = q.shape
    // The log-sum-exp is what a flash kernel keeps; here the backward pass shares the probabilities and it is dead code.
    const blocks = eachBlock({ q, k, v, visibility: inputs[3] }, scale, (block) => ({
      out: reshape(dot(block.p, block.v), [batch, heads, block.to - block.from, headDim]),
      logSum: logSumExp(block.scores),
    }))
    const out = blocks.map((b) => b.out)
    const logSum = blocks.map((b) => b.logSum)
    return [cast(concat(out, 2), at(inputs, 0).dtype), concat(logSum, 2)]
  },
  attentionGrad: (inputs, { scale }) => {
    const [q, k, v, o, , g] = [0, 1, 2, 3, 4, 5].map((i) => inF32(at(inputs, i))) as [
      Tensor,
      Tensor,
      Tensor,
      Tensor,
      Tensor,
      Tensor,
    ]
    const [batch = 0, heads = 0] = q.shape
    const kvHeads = k.shape[1]!
    const fold = (x: Tensor) => reshape(x, [batch, kvHeads, (heads / kvHeads) * x.shape[2]!, x.shape[3]!])
    const rowDot = sum(mul(g, o), { axis: -1, keepDims: true })
    const blocks = eachBlock({ q, k, v, visibility: inputs[6] }, scale, (block) => {
      const gBlock = fold(sliceAxis(g, 2, block.from, block.to))
      const dProbabilities = dot(gBlock, block.v, { transposeB: true })
      const dScores = mul(block.p, sub(dProbabilities, fold(sliceAxis(rowDot, 2, block.from, block.to))))
      return {
        dq: reshape(mul(dot(dScores, block.k), scale), block.q.shape),
        // As dkᵀ = qᵀ dS and dvᵀ = gᵀ P: turning the narrow operand costs a third less than turning the scores.
        dk: mul(dot(fold(block.q), dScores, { transposeA: true }), scale),
        dv: dot(gBlock, block.p, { transposeA: true }),
      }
    })
    const dq = blocks.map((b) => b.dq)
    const ofKeys = (parts: readonly Tensor[]) => transpose(addKeyBlocks(parts), [0, 1, 3, 2])
    const grads = [concat(dq, 2), ofKeys(blocks.map((b) => b.dk)), ofKeys(blocks.map((b) => b.dv))]
    return grads.map((grad) => cast(grad, at(inputs, 0).dtype))
  },
  linearCrossEntropy: (inputs, params) => {
    const blocks = eachHeadBlock(inputs, params, headLoss)
    return [concat(blocks.map((b) => b.loss)), concat(blocks.map((b) => b.logSum))]
  },
  // dh = g∘(softmax(h Wᵀ) W − W[label])
  linearCrossEntropyGradInput: (inputs, params) => {
    const [w, g] = [at(inputs, 1), at(inputs, 4)]
    const blocks = eachHeadBlock(inputs, params, (b) => {
      // A block's loss comes first, so that its logits are gone before the next block's are made.
      const p =
        params.vocabStart === undefined ? apply('barrier', [b.probabilities, headLoss(b).loss], {}) : b.probabilities
      const expected = inF32(dot(cast(p, w.dtype), w))
      return cast(mul(sub(expected, b.own(inF32(gather(w, b.safe)))), b.weigh(g)), b.h.dtype)
    })
    return [concat(blocks)]
  },
  // dW = softmaxᵀ (g∘h) − rows of g∘h added at their labels
  linearCrossEntropyGradWeight: (inputs, params) => {
    const [w, g] = [at(inputs, 1), at(inputs, 4)]
    const blocks = eachHeadBlock(inputs, params, (b) => {
      const weighted = mul(inF32(b.h), b.weigh(g))
      return { safe: b.safe, weighted: b.own(weighted), dense: dot(b.probabilities, weighted, { transposeA: true }) }
    })
    const added = scatterAdd(concat(blocks.map((b) => b.safe)), concat(blocks.map((b) => b.weighted)), w.shape[0]!)
    const dense = blocks.map((b) => b.dense).reduce((a, b) => add(a, b))
    return [cast(sub(dense, added), w.dtype)]
  },
}

/** Whether `op` has a definition in primitives. */
export const isFused = (op: OpName): op is FusedOp => op in decompositions
