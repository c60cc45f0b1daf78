// Rows to training and held-out samples: split, mix, and what happens to rows that are too long.

import { DatasetError } from './errors'
import type { PromptTemplate } from './prompt'
import { deriveSeed, shuffle } from './random'
import type { Row } from './row-formats'
import { countTargets, tokenizeRow, type Sample } from './tokenize'
import type { Tokenizer } from './tokenizer'

/**
 * What to do with a row of more than `maxSeqLength` tokens: stop; leave it out; or cut it from the right. A cut sample loses
 * its EOS, so it teaches no early stop, and is left out (counted as dropped) when nothing learned remains.
 */
export type OverflowPolicy = 'error' | 'drop' | 'truncate'

export interface PrepareOptions {
  rows: readonly Row[]
  tokenizer: Tokenizer
  template: PromptTemplate
  /** In tokens, BOS and EOS included. */
  maxSeqLength: number
  onOverflow: OverflowPolicy
  /** Training share in (0, 1]; the rest is held out (default 1). Both keep at least one row when there are two. */
  split?: number
  seed: number
  /** General rows mixed into training, never into what is held out. */
  mixRows?: readonly Row[]
  /** How many of them, as a share of the training samples (default 0.3). */
  mix?: number
  /** See TokenizeOptions. */
  vocabSize?: number
}

export interface DatasetStatistics {
  samples: number
  /** Distinct contexts: equal non-empty `input`s count once, every sample without one counts itself. */
  contexts: number
  /** Without padding. */
  tokens: number
  /** Tokens that are learned. */
  targetTokens: number
  /** Rows left out because they were too long. */
  dropped: number
  /** Samples that were cut. */
  truncated: number
}

export interface PreparedDataset {
  /** In the order of the file, mixed-in rows last. */
  train: Sample[]
  /** In the order of the file. */
  heldOut: Sample[]
  /** Of both together, and of each. */
  statistics: DatasetStatistics & { train: DatasetStatistics; heldOut: DatasetStatistics }
}

/**
 * Tokenises, splits and mixes a dataset. Which rows are held out depends on the seed and the number of rows alone, not on
 * lengths: runs with different limits are evaluated on the same rows.
 *
 * @throws DatasetError on a bad row, a row that is too long under `error`, or when no training sample remains
 * @throws RangeError on an option out of range
 */
export function prepareDataset(options: PrepareOptions): PreparedDataset {
  const { rows, seed, split = 1, mixRows = [], mix = 0.3 } = options
  if (!(split > 0 && split <= 1)) throw new RangeError(`--split: got ${split}; expected a share over 0 and up to 1`)
  if (!(mix >= 0 && Number.isFinite(mix)))
    throw new RangeError(`--alpaca-mix: got ${mix}; expected a share of 0 or more`)
  if (!(Number.isInteger(options.maxSeqLength) && options.maxSeqLength >= 2)) {
    throw new RangeError(`--max-seq-length: got ${options.maxSeqLength}; expected an integer of at least 2`)
  }
  if (rows.length === 0) throw new DatasetError({ problem: 'the dataset is empty; expected at least one row' })

  const parts = splitRows(rows, split, seed)
  const train = new Part(options, parts.train)
  const heldOut = new Part(options, parts.heldOut)
  train.add(drawRows(mixRows, Math.round(mix * train.samples.length), deriveSeed(seed, 'mix')))
  train.check()
  heldOut.check()
  if (train.samples.length === 0) {
    throw new DatasetError({
      file: rows[0]?.origin?.file,
      problem: `no training sample is left: all ${parts.train.length} rows exceed --max-seq-length ${options.maxSeqLength}`,
    })
  }
  const statistics = { train: train.statistics(), heldOut: heldOut.statistics() }
  return {
    train: train.samples,
    heldOut: heldOut.samples,
    statistics: {
      ...sum(statistics.train, statistics.heldOut),
      contexts: countContexts([...train.kept, ...heldOut.kept]),
      ...statistics,
    },
  }
}

function splitRows(rows: readonly Row[], split: number, seed: number): { train: Row[]; heldOut: Row[] } {
  const heldOutCount =
    split === 1 ? 0 : Math.min(Math.max(1, rows.length - Math.round(rows.length * split)), rows.length - 1)
  const order = shuffle([...rows.keys()], deriveSeed(seed, 'split'))
  const heldOut = new Set(order.slice(rows.length - heldOutCount))
  return { train: rows.filter((_, i) => !heldOut.has(i)), heldOut: rows.filter((_, i) => heldOut.has(i)) }
}

/** Draws without replacement while there are enough rows; beyond that every row comes equally often, give or take one. */
function drawRows(rows: readonly Row[], count: number, seed: number): Row[] {
  const drawn: Row[] = []
  for (let round = 0; rows.length > 0 && drawn.length < count; round++) {
    drawn.push(...shuffle(rows, deriveSeed(seed, round)).slice(0, count - drawn.length))
  }
  return drawn
}

/** Training or held-out samples while they are collected. */
class Part {
  readonly samples: Sample[] = []
  /** The rows of `samples`, index by index. */
  readonly kept: Row[] = []
  readonly #options: PrepareOptions
  readonly #tooLong: { row: Row; length: number }[] = []
  #dropped = 0
  #truncated = 0

  constructor(options: PrepareOptions, rows: readonly Row[]) {
    this.#options = options
    this.add(rows)
  }

  add(rows: readonly Row[]): void {
    const { tokenizer, maxSeqLength, onOverflow } = this.#options
    for (const row of rows) {
      let sample = tokenizeRow(row, tokenizer, this.#options)
      if (sample.ids.length > maxSeqLength) {
        if (onOverflow === 'error') this.#tooLong.push({ row, length: sample.ids.length })
        const { ids, labels } = sample
        sample = { ...sample, ids: ids.slice(0, maxSeqLength), labels: labels.slice(0, maxSeqLength) }
        if (onOverflow !== 'truncate' || countTargets(sample) === 0) {
          this.#dropped++
          continue
        }
        this.#truncated++
      }
      this.samples.push(sample)
      this.kept.push(row)
    }
  }

  /** @throws DatasetError naming the first row that is too long, when that is an error. */
  check(): void {
    const [first] = this.#tooLong
    if (first === undefined) return
    const longest = this.#tooLong.reduce((max, { length }) => Math.max(max, length), 0)
    const more =
      this.#tooLong.length === 1 ? '' : ` (${this.#tooLong.length} rows are too long, the longest has ${longest})`
    throw new DatasetError({
      ...first.row.origin,
      problem:
        `${first.length} tokens exceed --max-seq-length ${this.#options.maxSeqLength}${more}; ` +
        `raise it to ${longest}, or use --on-overflow drop or truncate`,
    })
  }

  statistics(): DatasetStatistics {
    return {
      samples: this.samples.length,
      contexts: countContexts(this.kept),
      tokens: this.samples.reduce((total, { ids }) => total + ids.length, 0),
      targetTokens: this.samples.reduce((total, sample) => total + countTargets(sample), 0),
      dropped: this.#dropped,
      truncated: this.#truncated,
    }
  }
}

function countContexts(rows: readonly Row[]): number {
  const inputs = new Set<string>()
  let alone = 0
  for (const row of rows) {
    if ('input' in row && row.input !== undefined && row.input !== '') inputs.add(row.input)
    else alone++
  }
  return inputs.size + alone
}

function sum(a: DatasetStatistics, b: DatasetStatistics): DatasetStatistics {
  return {
    samples: a.samples + b.samples,
    contexts: a.contexts + b.contexts,
    tokens: a.tokens + b.tokens,
    targetTokens: a.targetTokens + b.targetTokens,
    dropped: a.dropped + b.dropped,
    truncated: a.truncated + b.truncated,
  }
}
