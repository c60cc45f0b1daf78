// From tokenised rows to what is trained and what is held out: general rows drawn, packing decided, everything counted.

import { DatasetError } from '../errors'
import { deriveSeed, shuffle } from '../random'
import type { DatasetStatistics, Packing } from './terms'
import { countContexts, type TokenisedRows } from './tokenised-rows'

/**
 * Which of `rows` general rows are mixed into `samples` training samples. Draws without replacement while there are enough rows;
 * beyond that every row comes equally often, give or take one.
 */
export function drawMixed(rows: number, mix: number, samples: number, seed: number): Int32Array {
  const count = rows === 0 ? 0 : Math.round(mix * samples)
  const drawn = new Int32Array(count)
  const all = Array.from({ length: rows }, (_, row) => row)
  const mixSeed = deriveSeed(seed, 'mix')
  for (let done = 0, round = 0; done < count; round++)
    for (const row of shuffle(all, deriveSeed(mixSeed, round)).slice(0, count - done)) drawn[done++] = row
  return drawn
}

/** What rows have become. */
export interface PreparedRows {
  readonly packing: Exclude<Packing, 'auto'>
  /** Numbers of samples in the sink, where trees are not taken apart. */
  readonly train: Int32Array
  readonly heldOut: Int32Array
  /** Numbers of the rows that something held out is made of. */
  readonly heldOutRows: Int32Array
  readonly statistics: DatasetStatistics & { readonly train: DatasetStatistics; readonly heldOut: DatasetStatistics }
}

/** Which rows are on which side, and how they are put into samples. */
export interface PrepareRowsOptions {
  /** Numbers of rows; one may come more than once. */
  readonly train: Int32Array
  /** Those of general rows that are trained too. */
  readonly mixed?: Int32Array
  readonly heldOut: Int32Array
  readonly packing: Packing
  readonly maxSeqLength: number
  /** The file of the first row, for an error. */
  readonly file: string | undefined
  contextOf(row: number): number | undefined
}

/**
 * Counts what rows have become, and decides how they are packed.
 * @throws DatasetError for a row that is too long where that is an error, or when no training sample remains
 */
export function prepareRows(
  tokenised: TokenisedRows,
  { train: own, mixed = new Int32Array(0), heldOut, packing, maxSeqLength, file, contextOf }: PrepareRowsOptions,
): PreparedRows {
  const train = concatenated(own, mixed)
  tokenised.check(train)
  tokenised.check(heldOut)
  if (tokenised.samplesOf(train) === 0) {
    throw new DatasetError({
      file,
      problem: `no training sample is left: all ${own.length} rows exceed --max-seq-length ${maxSeqLength}`,
    })
  }
  const asTrees = tokenised.statistics(train, 'tree', contextOf)
  const shares = packing === 'tree' || (packing === 'auto' && asTrees.tokens <= 0.9 * asTrees.separateTokens)
  const decided = shares ? 'tree' : 'none'
  const statistics = {
    train: tokenised.statistics(train, decided, contextOf),
    heldOut: tokenised.statistics(heldOut, decided, contextOf),
  }
  const kept = concatenated(tokenised.keptOf(train), tokenised.keptOf(heldOut))
  return {
    packing: decided,
    train: tokenised.storedOf(train),
    heldOut: tokenised.storedOf(heldOut),
    heldOutRows: tokenised.keptOf(heldOut),
    statistics: {
      ...sum(statistics.train, statistics.heldOut),
      contexts: countContexts(kept, contextOf),
      ...statistics,
    },
  }
}

/** One after the other. */
function concatenated(a: Int32Array, b: Int32Array): Int32Array {
  const both = new Int32Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}

function sum(a: DatasetStatistics, b: DatasetStatistics): DatasetStatistics {
  return {
    samples: a.samples + b.samples,
    contexts: a.contexts + b.contexts,
    tokens: a.tokens + b.tokens,
    separateTokens: a.separateTokens + b.separateTokens,
    targetTokens: a.targetTokens + b.targetTokens,
    dropped: a.dropped + b.dropped,
    truncated: a.truncated + b.truncated,
  }
}
