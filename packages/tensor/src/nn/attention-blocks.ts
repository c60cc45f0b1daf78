// Attention and its gradient over blocks of queries: no square of the length is ever whole, and keys that no query of a block sees are not
// computed.
import type { OpParams } from '../ir/op'
import { add, cast, ge, le, logicalAnd, logicalOr, lt, mul, sub, where } from '../ops/elementwise'
import { full, iota } from '../ops/create'
import { dot } from '../ops/linalg'
import { concat, reshape, sliceAxis, transpose } from '../ops/movement'
import { logSumExp, softmax, sum } from '../ops/reduce'
import type { Tensor } from '../tensor'
import { capped, inF32, onceDone, throughCap, type Capped } from './blocks'

/**
 * Queries of one block of rows: few enough that a causal block skips the keys after it and its scores stay in a processor's cache (of
 * twice as many, passes over elements take twice the time), enough for full GEMMs.
 */
const queryBlock = 128
/** Half as many where a block's scores are beyond this, which is what malloc maps anew at each use: the passes take as long, in less memory. */
const mostScoreBytes = 2 ** 25

/** Query rows from `from` to `to`, the keys `low` to `high` that hold all they can see, and the key at the place of their first. */
interface AttentionBlock {
  readonly from: number
  readonly to: number
  readonly low: number
  readonly high: number
  readonly first: number
}

/** What `visibility` [batch|1, queries, 4] lets a block see, [batch|1, rows, keys]. */
function seenByVisibility(visibility: Tensor, { from, to, low, high }: AttentionBlock): Tensor {
  const rows = sliceAxis(visibility, 1, from, to)
  const column = (i: number) => sliceAxis(rows, 2, i, i + 1)
  const j = add(iota([1, 1, high - low], 2), low)
  const inside = logicalAnd(le(column(1), j), le(j, column(0)))
  return logicalAnd(inside, logicalOr(lt(j, column(2)), ge(j, column(3))))
}

/** What causality and the window let a block see, [rows, keys]. */
function seenByPlace({ from, to, low, high, first }: AttentionBlock, window: number | undefined): Tensor {
  const shape = [to - from, high - low]
  const offset = first - low
  const key = iota(shape, 1)
  const causal = le(key, add(iota(shape, 0), offset))
  if (window === undefined || window >= high) return causal
  return logicalAnd(causal, lt(add(iota(shape, 0), offset - window), key))
}

/**
 * Sizes that blocks have, by their keys: blocks of more keys than they see cost time, and of a program that is not in parts ONNX Runtime
 * holds the memory of a shape until the next value of that shape is made, so that blocks all of their own size would hold one each.
 */
const mostSizes = 16

/**
 * Blocks of rows and the keys each can see: where that depends on their place, all others are cut off.
 * @param keyBytes scores of one query, in bytes a key
 */
function attentionBlocks(
  queries: number,
  keys: number,
  { byPlace, window = Infinity, keyBytes }: { byPlace: boolean; window: number | undefined; keyBytes: number },
): AttentionBlock[] {
  if (!byPlace) return [{ from: 0, to: queries, low: 0, high: keys, first: keys - queries }]
  const blocks: AttentionBlock[] = []
  const isLarge = queryBlock * Math.min(keys, window) * keyBytes > mostScoreBytes
  const count = Math.max(1, Math.round(queries / (isLarge ? queryBlock / 2 : queryBlock)))
  const size = Math.ceil(queries / count)
  const step = count <= mostSizes || window < keys ? 1 : Math.ceil(keys / mostSizes)
  for (let from = 0; from < queries; from += size) {
    const to = Math.min(queries, from + size)
    const first = keys - queries + from
    const high = Math.min(keys, step * Math.ceil((keys - queries + to) / step))
    blocks.push({ from, to, low: Math.max(0, first - window + 1), high, first })
  }
  return blocks
}

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
  const keyBytes = 4 * inputs.q.shape[0]! * inputs.q.shape[1]!
  return attentionBlocks(queries, keys, { byPlace, window, keyBytes }).map((block) => {
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

/** The definition of `attention`. */
export function attentionInBlocks(inputs: readonly Tensor[], params: OpParams['attention']): Tensor[] {
  const [q, k, v] = [inF32(inputs[0]!), inF32(inputs[1]!), inF32(inputs[2]!)]
  const [batch = 0, heads = 0, , headDim = 0] = q.shape
  // The log-sum-exp is what a flash kernel keeps; here the backward pass shares the probabilities and it is dead code.
  const blocks = eachBlock({ q, k, v, visibility: inputs[3] }, params, (block) => ({
    out: reshape(dot(block.p, block.v), [batch, heads, block.to - block.from, headDim]),
    logSum: logSumExp(block.scores),
  }))
  const out = blocks.map((b) => b.out)
  const logSum = blocks.map((b) => b.logSum)
  return [cast(concat(out, 2), inputs[0]!.dtype), concat(logSum, 2)]
}

/**
 * The definition of `attentionGrad`. Of each query's cotangents of its probabilities it takes off their mean by these, Σ p·dp: that is g·o
 * as well, but made of what a block has, the output o need not be kept for it.
 */
export function attentionGradInBlocks(inputs: readonly Tensor[], params: OpParams['attentionGrad']): Tensor[] {
  const [q, k, v, g] = [0, 1, 2, 5].map((i) => inF32(inputs[i]!)) as [Tensor, Tensor, Tensor, Tensor]
  const [batch = 0, heads = 0] = q.shape
  const kvHeads = k.shape[1]!
  const fold = (x: Tensor) => reshape(x, [batch, kvHeads, (heads / kvHeads) * x.shape[2]!, x.shape[3]!])
  const { scale } = params
  const [keys, values] = [new KeySum(), new KeySum()]
  const blocks = eachBlock({ q, k, v, visibility: inputs[6] }, params, (block) => {
    const gBlock = fold(sliceAxis(g, 2, block.from, block.to))
    const weighted = mul(block.p, dot(gBlock, block.v, { transposeB: true }))
    const dCapped = sub(weighted, mul(block.p, sum(weighted, { axis: -1, keepDims: true })))
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
  return [dq, keys.finish(), values.finish()].map((grad) => cast(grad, inputs[0]!.dtype))
}
