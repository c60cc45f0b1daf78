// What preparing decides of rows and samples, and what it counts of them.

/**
 * What to do with a row of more than `maxSeqLength` tokens: stop; leave it out; or cut it from the right. A cut sample loses
 * its EOS, so it teaches no early stop, and is left out (counted as dropped) when nothing learned remains.
 */
export type OverflowPolicy = 'error' | 'drop' | 'truncate'

/**
 * How samples are put into sequences. `none`: each in a row of its own; `tree`: questions that share a context in one row, the
 * context once, several such trees one after another in a row; `auto`: as trees where that saves a tenth of the tokens.
 */
export const packings = ['auto', 'none', 'tree'] as const
/** A name of {@link packings}. */
export type Packing = (typeof packings)[number]

/** Counts of samples and tokens. */
export interface DatasetStatistics {
  /** Questions with an answer to learn, however they are put into rows. */
  samples: number
  /** Distinct contexts: equal ones, and equal non-empty `input`s, count once; every sample without one counts itself. */
  contexts: number
  /** As they are trained, without padding: under `tree` a shared context counts once. */
  tokens: number
  /** As they would be with every sample on its own. */
  separateTokens: number
  /** Tokens that are learned. */
  targetTokens: number
  /** Rows left out because they were too long. */
  dropped: number
  /** Samples that were cut. */
  truncated: number
}
