// What the fused ops mean in terms of primitives: the definition a backend falls back on, and tests hold kernels to.
import { fail } from '../errors'
import type { FusedOp, OpName, OpParams } from '../ir/op'
import {
  add,
  cast,
  eq,
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
  square,
  sub,
  tanh,
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

type Decomposition<K extends OpName> = (inputs: readonly Tensor[], params: OpParams[K]) => readonly Tensor[]

const at = (inputs: readonly Tensor[], i: number): Tensor => inputs[i] ?? fail('decompose', `input ${i} is missing`)

/** Queries of one block of rows: small enough that a causal block skips the keys after it, large enough for full GEMMs. */
const queryBlock = 128

/** Query rows from `from` to `to`, and the keys `low` to `high` that hold all they can see. */
interface AttentionBlock {
  readonly from: number
  readonly to: number
  readonly low: number
  readonly high: number
}

/** What `visibility` [batch|1, queries, 4] lets a block see, [batch|1, rows, keys]. */
function seenByVisibility(visibility: Tensor, { from, to, low, high }: AttentionBlock): Tensor {
  const rows = sliceAxis(visibility, 1, from, to)
  const column = (i: number) => sliceAxis(rows, 2, i, i + 1)
  const j = add(iota([1, 1, high - low], 2), low)
  const inside = logicalAnd(le(column(1), j), le(j, column(0)))
  return logicalAnd(inside, logicalOr(lt(j, column(2)), ge(j, column(3))))
}

/** `x`, once all of `done` exist: blocks follow one another, so that one's scores are gone before the next one's are made. */
export const onceDone = (x: Tensor, done: readonly Tensor[]): Tensor =>
  done.reduce((held, token) => apply('barrier', [held, token], {}), x)

/** What causality and the window let a block see, [rows, keys]: its last query is at its last key. */
function seenByPlace({ from, to, low, high }: AttentionBlock, window: number | undefined): Tensor {
  const shape = [to - from, high - low]
  const offset = shape[1]! - shape[0]!
  const key = iota(shape, 1)
  const causal = le(key, add(iota(shape, 0), offset))
  if (window === undefined || window >= high) return causal
  return logicalAnd(causal, lt(add(iota(shape, 0), offset - window), key))
}

/** Blocks of rows and the keys each can see: where that depends on their place, all others are cut off. */
function attentionBlocks(queries: number, keys: number, byPlace: boolean, window = Infinity): AttentionBlock[] {
  if (!byPlace) return [{ from: 0, to: queries, low: 0, high: keys }]
  const blocks: AttentionBlock[] = []
  const count = Math.max(1, Math.round(queries / queryBlock))
  const size = Math.ceil(queries / count)
  for (let from = 0; from < queries; from += size) {
    const to = Math.min(queries, from + size)
    blocks.push({ from, to, low: Math.max(0, keys - queries + from - window + 1), high: keys - queries + to })
  }
  return blocks
}

/** Numbers kept within ± cap, and the slope of that at each. */
interface Capped {
  readonly x: Tensor
  readonly slope: Tensor | undefined
}

/** cap · tanh(x / cap); x itself without a cap. */
function capped(x: Tensor, cap: number | undefined): Capped {
  if (cap === undefined) return { x, slope: undefined }
  const t = tanh(mul(x, 1 / cap))
  return { x: mul(t, cap), slope: sub(1, square(t)) }
}

/** The cotangent of what was capped. */
const throughCap = (g: Tensor, slope: Tensor | undefined): Tensor => (slope ? mul(g, slope) : g)

/** Scores [b, kvHeads, group · rows, keys] of one block: the query heads of a group are folded into rows for the product. */
function blockScores(q: Tensor, k: Tensor, { scale, softcap }: OpParams['attention']): Capped {
  const [batch = 0, heads = 0, rows = 0, headDim = 0] = q.shape
  const group = heads / k.shape[1]!
  const folded = reshape(q, [batch, k.shape[1]!, group * rows, headDim])
  return capped(mul(dot(folded, k, { transposeB: true }), scale), softcap)
}

function eachBlock<R>(
  inputs: { q: Tensor; k: Tensor; v: Tensor; visibility: Tensor | undefined },
  params: OpParams['attention'],
  body: (
    block: AttentionBlock & {
      q: Tensor
      k: Tensor
      v: Tensor
      scores: Tensor
      p: Tensor
      slope: Tensor | undefined
    },
  ) => R & { readonly done?: readonly Tensor[] },
): R[] {
  const { visibility } = inputs
  const { window } = params
  const [queries, keys] = [inputs.q.shape[2]!, inputs.k.shape[2]!]
  const byPlace = !visibility || window !== undefined
  let before: readonly Tensor[] = []
  return attentionBlocks(queries, keys, byPlace, window).map((block) => {
    const q = onceDone(sliceAxis(inputs.q, 2, block.from, block.to), before)
    const k = sliceAxis(inputs.k, 2, block.low, block.high)
    const v = sliceAxis(inputs.v, 2, block.low, block.high)
    const [place, granted] = [
      byPlace ? seenByPlace(block, window) : undefined,
      visibility && seenByVisibility(visibility, block),
    ]
    const seen = place && granted ? logicalAnd(place, granted) : (place ?? granted)!
    const mask = where(seen, full([], 0), -Infinity)
    const shown = granted ? reshape(mask, [mask.shape[0]!, 1, block.to - block.from, block.high - block.low]) : mask
    const { x, slope } = blockScores(q, k, params)
    const [batch = 0, kvHeads = 0, blockKeys = 0] = k.shape
    const scores = add(reshape(x, [batch, q.shape[1]!, block.to - block.from, blockKeys]), shown)
    const result = body({
      ...block,
      q,
      k,
      v,
      scores,
      slope,
      p: reshape(softmax(scores), [batch, kvHeads, -1, blockKeys]),
    })
    before = result.done ?? []
    return result
  })
}

/** A sum of blocks over keys `low` to `high` (last axis), both of them growing: what no later block reaches is done. */
class KeySum {
  readonly #done: Tensor[] = []
  #low = 0
  #open: Tensor | undefined

  /** Adds a block of keys from `low` on; returns what later blocks may still be added to. */
  add(low: number, x: Tensor): Tensor {
    const before = this.#open
    if (!before) {
      // Keys that no query reaches.
      if (low > 0) this.#done.push(full([...x.shape.slice(0, 3), low], 0))
      this.#open = x
    } else {
      const [length, shared] = [before.shape[3]!, this.#low + before.shape[3]! - low]
      this.#done.push(...cutKeys(before, 0, Math.min(length, low - this.#low)))
      const both = shared > 0 ? [add(sliceAxis(before, 3, length - shared, length), sliceAxis(x, 3, 0, shared))] : []
      this.#open = concat([...both, ...cutKeys(x, Math.max(0, shared), x.shape[3]!)], 3)
    }
    this.#low = low
    return this.#open
  }

  /** The sum, all keys last but one: `[…, keys, d]` of blocks `[…, d, keys]`. */
  finish(): Tensor {
    return transpose(concat([...this.#done, ...(this.#open ? [this.#open] : [])], 3), [0, 1, 3, 2])
  }
}

const cutKeys = (x: Tensor, from: number, to: number): Tensor[] => (from < to ? [sliceAxis(x, 3, from, to)] : [])

/** What is summed or exponentiated is f32 whatever the tensors are. */
export const inF32 = (x: Tensor): Tensor => cast(x, 'f32')

/** Rows of the head computed together: logits stay a few megabytes, products large enough to run at full rate. */
const headRows = 256

interface HeadRows {
  readonly h: Tensor
  /** Where there is a label. */
  readonly has: Tensor
  /** The labels' rows of the weight, 0 where there is none: safe to gather with. */
  readonly safe: Tensor
  /** Capped, where there is a cap. */
  readonly logits: Tensor
  /** Slope of the cap at each logit. */
  readonly slope: Tensor | undefined
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
 * Runs `body` over blocks of labelled rows: logits are never whole, and loss and gradient share a block's. With a part of
 * the vocabulary they do not, as the other parts' log-sum-exps come in between; gradients then exponentiate once.
 */
function eachHeadBlock<R>(
  inputs: readonly Tensor[],
  { vocabStart, softcap }: OpParams['linearCrossEntropy'],
  body: (rows: HeadRows) => R & { readonly done?: readonly Tensor[] },
): R[] {
  const [hidden, w, allLabels] = [at(inputs, 0), at(inputs, 1), at(inputs, 2)]
  const count = hidden.shape[0]!
  let before: readonly Tensor[] = []
  return Array.from({ length: Math.ceil(count / headRows) }, (_, block) => {
    const [from, to] = [block * headRows, Math.min(count, (block + 1) * headRows)]
    const h = onceDone(sliceAxis(hidden, 0, from, to), before)
    const labels = sliceAxis(allLabels, 0, from, to)
    const rows = labelRows(labels, w.shape[0]!, vocabStart)
    const { x: logits, slope } = capped(inF32(dot(h, w, { transposeB: true })), softcap)
    const weigh = (g: Tensor) => reshape(where(rows.has, sliceAxis(g, 0, from, to), 0), [to - from, 1])
    const given = inputs[3]
    const probabilities =
      given && vocabStart !== undefined
        ? exp(sub(logits, reshape(sliceAxis(given, 0, from, to), [to - from, 1])))
        : softmax(logits)
    const result = body({ h, ...rows, logits, slope, probabilities, weigh })
    before = result.done ?? []
    return result
  })
}

/** Loss and log Σ exp of each row, f32 `[rows]`. */
function headLoss({ logits, probabilities, has, safe, own }: HeadRows): { loss: Tensor; logSum: Tensor } {
  // The largest probability is 1/Σexp(logit − max) ≥ 1/vocab: log Σ exp follows from it exactly, without another pass.
  const logSum = sub(max(logits, { axis: 1 }), log(max(probabilities, { axis: 1 })))
  return { loss: where(has, sub(logSum, own(pick(logits, safe))), 0), logSum }
}

/** By how much a row's loss grows with each logit before its cap: (softmax − 1 at the label) · slope. */
function cappedGrad({ safe, own }: HeadRows, probabilities: Tensor, slope: Tensor): Tensor {
  const [rows = 0, vocab = 0] = probabilities.shape
  const label = own(where(eq(iota([1, vocab], 1), reshape(safe, [rows, 1])), full([], 1), 0))
  return mul(sub(probabilities, label), slope)
}

/** By how much a row's loss grows with its hidden vector: softmax(h Wᵀ) W − W[label], with slopes where logits are capped. */
function headPull(rows: HeadRows, probabilities: Tensor, w: Tensor): Tensor {
  const { slope, own, safe, has } = rows
  const times = (x: Tensor) => inF32(dot(cast(x, w.dtype), w))
  const pull = slope
    ? times(cappedGrad(rows, probabilities, slope))
    : sub(times(probabilities), own(inF32(gather(w, safe))))
  return where(reshape(has, [-1, 1]), pull, 0)
}

/** A definition of each fused op in primitives. */
export type Definitions = { readonly [K in FusedOp]: Decomposition<K> }

export const decompositions: Definitions = {
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
  attention: (inputs, params) => {
    const [q, k, v] = [inF32(at(inputs, 0)), inF32(at(inputs, 1)), inF32(at(inputs, 2))]
    const [batch = 0, heads = 0, , headDim = 0] = q.shape
    // The log-sum-exp is what a flash kernel keeps; here the backward pass shares the probabilities and it is dead code.
    const blocks = eachBlock({ q, k, v, visibility: inputs[3] }, params, (block) => ({
      out: reshape(dot(block.p, block.v), [batch, heads, block.to - block.from, headDim]),
      logSum: logSumExp(block.scores),
    }))
    const out = blocks.map((b) => b.out)
    const logSum = blocks.map((b) => b.logSum)
    return [cast(concat(out, 2), at(inputs, 0).dtype), concat(logSum, 2)]
  },
  attentionGrad: (inputs, params) => {
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
    const { scale } = params
    const [keys, values] = [new KeySum(), new KeySum()]
    const blocks = eachBlock({ q, k, v, visibility: inputs[6] }, params, (block) => {
      const gBlock = fold(sliceAxis(g, 2, block.from, block.to))
      const dProbabilities = dot(gBlock, block.v, { transposeB: true })
      const dCapped = mul(block.p, sub(dProbabilities, fold(sliceAxis(rowDot, 2, block.from, block.to))))
      const dScores = throughCap(dCapped, block.slope)
      const dq = reshape(mul(dot(dScores, block.k), scale), block.q.shape)
      // As dkᵀ = qᵀ dS and dvᵀ = gᵀ P: turning the narrow operand costs a third less than turning the scores.
      const dk = keys.add(block.low, mul(dot(fold(block.q), dScores, { transposeA: true }), scale))
      const dv = values.add(block.low, dot(gBlock, block.p, { transposeA: true }))
      return { dq, done: [dq, dk, dv] }
    })
    const dq = concat(
      blocks.map((b) => b.dq),
      2,
    )
    return [dq, keys.finish(), values.finish()].map((grad) => cast(grad, at(inputs, 0).dtype))
  },
  linearCrossEntropy: (inputs, params) => {
    const blocks = eachHeadBlock(inputs, params, (b) => {
      const { loss, logSum } = headLoss(b)
      const pull = headPull(b, onceDone(b.probabilities, [loss]), at(inputs, 1))
      return { loss, logSum, pull, done: [pull] }
    })
    return (['loss', 'logSum', 'pull'] as const).map((name) => concat(blocks.map((b) => b[name])))
  },
  linearCrossEntropyGradInput: (inputs, params) => {
    const pulls = eachHeadBlock(inputs, params, (b) => {
      const pull = headPull(b, b.probabilities, at(inputs, 1))
      return { pull, done: [pull] }
    })
    return [concat(pulls.map(({ pull }) => pull))]
  },
  // dW = softmaxᵀ (g∘h) − rows of g∘h added at their labels
  linearCrossEntropyGradWeight: (inputs, params) => {
    const [w, g] = [at(inputs, 1), at(inputs, 4)]
    const blocks = eachHeadBlock(inputs, params, (b) => {
      const weighted = mul(inF32(b.h), b.weigh(g))
      const slopes = b.slope && cappedGrad(b, b.probabilities, b.slope)
      return {
        dense: dot(slopes ?? b.probabilities, weighted, { transposeA: true }),
        sparse: slopes ? [] : [{ safe: b.safe, weighted: b.own(weighted) }],
      }
    })
    const dense = blocks.map((b) => b.dense).reduce((a, b) => add(a, b))
    const sparse = blocks.flatMap((b) => b.sparse)
    if (sparse.length === 0) return [cast(dense, w.dtype)]
    const rows = (name: 'safe' | 'weighted') => concat(sparse.map((b) => b[name]))
    return [cast(sub(dense, scatterAdd(rows('safe'), rows('weighted'), w.shape[0]!)), w.dtype)]
  },
}

/** Whether `op` has a definition in primitives. */
export const isFused = (op: OpName): op is FusedOp => op in decompositions
