// Where the tokens of a row are in a KV cache, and which of them a query sees.
import type { LayerCache } from '../model'

/** Keys and values of every layer, `[rows, kvHeads, capacity, headDim]` each. */
export type Cache = readonly { readonly k: LayerCache['k']; readonly v: LayerCache['v'] }[]

/** Lengths are rounded up to this many tokens, so that few shapes are compiled. */
const bucket = 32
export const roundUp = (n: number): number => Math.ceil(n / bucket) * bucket

/** What a row of a batch sees of the cache: all from `start` on, but for the gap between `contextEnd` and `branchStart`. */
export interface RowSight {
  /** Where its first token is, behind fill tokens. */
  readonly start: number
  /** End of what it sees of a shared context. */
  readonly contextEnd: number
  /** Where its own tokens begin. */
  readonly branchStart: number
}

/** Every row alone, its prompt at the end of `width` tokens. */
export const sightOf = (length: number, width: number): RowSight => ({
  start: width - length,
  contextEnd: width - length,
  branchStart: width - length,
})

/** The `visibility` of `count` queries from index `from` on. */
export function visibilityOf(rows: readonly RowSight[], from: number, count: number): Int32Array {
  return Int32Array.from(
    rows.flatMap(({ start, contextEnd, branchStart }) =>
      Array.from({ length: count }, (_, n) => {
        const i = from + n
        // A fill token sees itself only: an empty row of the softmax would be NaN.
        return i < branchStart ? [i, i, 0, i] : [i, start, contextEnd, branchStart]
      }).flat(),
    ),
  )
}

/** A row's own tokens go on from the end of what it sees of the context. */
export const positionsOf = (rows: readonly RowSight[], from: number, count: number): Int32Array =>
  Int32Array.from(
    rows.flatMap(({ start, contextEnd, branchStart }) =>
      Array.from({ length: count }, (_, n) => Math.max(0, contextEnd - start + from + n - branchStart)),
    ),
  )

/** Lists of ids as rows `[count, width]`, each at the right end. */
export const rightAligned = (lists: readonly (readonly number[])[], width: number): Int32Array =>
  Int32Array.from(lists.flatMap((ids) => [...Array.from({ length: width - ids.length }, () => 0), ...ids]))

/**
 * Sizes of caches, few of which are compiled, none much larger than what is in it, as all of it is read for each token: 64, 96, 128,
 * 192, 256, 384, 512, 768, 1,024, then multiples of 256 up to 2,048, of 512 up to 4,096, and so forth.
 */
export function nextSize(n: number): number {
  if (n <= 64) return 64
  const power = 2 ** Math.ceil(Math.log2(n))
  const step = power / (power > 1024 ? 8 : 4)
  return step * Math.ceil(n / step)
}

/** The beginning of a prompt in a cache of another's, which is read where it is. */
export interface Shared {
  readonly layers: Cache
  readonly capacity: number
  /** Tokens of it that are the prompt's. */
  readonly length: number
}
