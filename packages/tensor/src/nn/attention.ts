// Causal grouped-query attention with context trees.
import { applyAll } from '../ops/apply'
import type { Tensor } from '../tensor'

/** What a call of `attention` may say beside its inputs. */
export interface AttentionOptions {
  /** Factor on q·k; 1/√headDim when absent. */
  readonly scale?: number
  /**
   * Which keys each query sees, i32 `[batch or 1, queries, 4]`: (index i, groupStart, prefixEnd, branchStart). Key j is
   * seen when groupStart ≤ j ≤ i and (j < prefixEnd or j ≥ branchStart). Causal when absent, the last query seeing all.
   */
  readonly visibility?: Tensor | undefined
  /**
   * A query sees only itself and the window − 1 keys before it (the last query is at the last key), whatever
   * `visibility` says; all of them when absent. Blocks of keys outside are not computed.
   */
  readonly window?: number | undefined
  /** Scaled scores s become softcap · tanh(s / softcap), as in Gemma 2. */
  readonly softcap?: number | undefined
}

/**
 * softmax(q kᵀ · scale) v, scores capped when asked; query head h reads kv head ⌊h / (heads / kvHeads)⌋.
 * @param q `[batch, heads, queries, headDim]`
 * @param k `[batch, kvHeads, keys, headDim]`
 * @param v as k
 */
export function attention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { scale = 1 / Math.sqrt(q.shape[3] ?? 1), visibility, window, softcap }: AttentionOptions = {},
): Tensor {
  return applyAll('attention', visibility ? [q, k, v, visibility] : [q, k, v], {
    scale,
    ...(window === undefined ? {} : { window }),
    ...(softcap === undefined ? {} : { softcap }),
  })[0]!
}
