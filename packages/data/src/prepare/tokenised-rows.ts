// Rows as they are tokenised, one after another: what becomes of each, in numbers, while its samples go to a sink.

import { DatasetError, type RowOrigin } from '../errors'
import type { PromptTemplate } from '../prompt/template'
import { tokenizeTwo, treeOfTwo, type PreferenceSample, type TwoAnswers } from '../preference/two'
import { tokenizeTree, tokenizeTurns } from '../prompt/tokenize'
import type { DatasetStatistics, OverflowPolicy } from './terms'
import type { Row } from '../rows/row-formats'
import { TokenIdError } from '../tokenizer/embedding'
import type { Tokenizer } from '../tokenizer/tokenizer'
import { countTargets, type Sample } from '../trees/sample'
import { separateLength, treeSamples } from '../trees/tree'

/** Takes samples in order; an array is one. */
export interface SampleSink {
  /** Samples that it has. */
  readonly length: number
  push(sample: Sample): unknown
}

/** How rows become samples. */
export interface TokeniseOptions {
  /** Held to the model's embedding. */
  readonly tokenizer: Tokenizer
  readonly template: PromptTemplate
  readonly maxSeqLength: number
  readonly onOverflow: OverflowPolicy
  /** Ids of pre-tokenised rows must be below it (default: the tokenizer's size). */
  readonly vocabSize?: number
}

/** Ids and labels of something that may be too long. */
type Piece = Pick<Sample, 'ids' | 'labels'>

/** What is known of a row; counts of samples and tokens are as in `DatasetStatistics`. */
const figures = ['first', 'stored', 'samples', 'separate', 'tree', 'targets', 'dropped', 'truncated'] as const
type Figure = (typeof figures)[number]

/** A row of which something is too long where that is an error. */
interface TooLong {
  readonly origin: RowOrigin | undefined
  /** In tokens, of the first such sample. */
  readonly length: number
  count: number
  longest: number
}

/** Rows that were tokenised, by their numbers. Lists of numbers may name a row more than once: it counts as often. */
export class TokenisedRows {
  readonly #figures: Readonly<Record<Figure, Int32Array>>
  readonly #options: TokeniseOptions
  readonly #sink: SampleSink
  readonly #tooLong = new Map<number, TooLong>()

  /** @param rows numbers of rows are below it */
  constructor(options: TokeniseOptions, rows: number, sink: SampleSink) {
    this.#options = options
    this.#sink = sink
    const columns = figures.map((name) => [name, new Int32Array(rows)])
    this.#figures = Object.fromEntries(columns) as Record<Figure, Int32Array>
  }

  #count(figure: Figure, row: number, more: number): void {
    this.#figures[figure][row]! += more
  }

  /**
   * Tokenises the row of this number; a context with its questions becomes as few trees as hold them.
   * @throws DatasetError on a row that cannot be tokenised
   */
  add(row: Row, number: number): void {
    const { tokenizer, maxSeqLength } = this.#options
    this.#count('first', number, this.#sink.length)
    const whole = ofRow(row, () =>
      'questions' in row ? tokenizeTree(row, tokenizer, this.#options) : tokenizeTurns(row, tokenizer, this.#options),
    )
    if ('context' in whole) {
      const branches = whole.branches.flatMap((branch) => {
        const fitting = this.#fit(row, number, branch, branch.contextLength)
        return fitting ? [{ ...branch, ...fitting }] : []
      })
      for (const branch of branches) this.#count('separate', number, separateLength(branch))
      this.#count('samples', number, branches.length)
      for (const sample of treeSamples({ ...whole, branches }, maxSeqLength)) this.#store(number, sample)
    } else {
      const fitting = this.#fit(row, number, whole, 0)
      if (!fitting) return
      this.#count('separate', number, fitting.ids.length)
      this.#count('samples', number, 1)
      this.#store(number, { ...whole, ...fitting })
    }
  }

  /**
   * Tokenises two answers to a prompt, as a tree of both.
   * @throws DatasetError on a row that cannot be tokenised
   */
  addTwo(two: TwoAnswers, number: number): void {
    const { tokenizer, maxSeqLength, onOverflow } = this.#options
    this.#count('first', number, this.#sink.length)
    const both = ofRow(two.first, () => tokenizeTwo(two, tokenizer, this.#options))
    const longest = Math.max(...both.map(({ ids }) => ids.length))
    const [first, second] = both.map((each) => ({
      ...each,
      ids: each.ids.slice(0, maxSeqLength),
      labels: each.labels.slice(0, maxSeqLength),
    })) as [Sample, Sample]
    if (longest > maxSeqLength) {
      if (onOverflow === 'error') this.#note(two.first, number, longest)
      if (onOverflow !== 'truncate' || countTargets(first) === 0 || countTargets(second) === 0)
        return this.#count('dropped', number, 1)
      this.#count('truncated', number, 1)
    }
    const sample: PreferenceSample = { ...treeOfTwo(first, second), row: two.first.origin?.row ?? 0, sign: two.sign }
    this.#count('samples', number, 1)
    this.#count('separate', number, first.ids.length + second.ids.length)
    this.#count('targets', number, countTargets(sample))
    this.#store(number, sample)
  }

  #store(number: number, sample: Sample): void {
    this.#sink.push(sample)
    this.#count('stored', number, 1)
    this.#count('tree', number, sample.ids.length)
  }

  /** The piece as the policy leaves it behind `before` tokens; undefined when it is left out. */
  #fit(row: Row, number: number, piece: Piece, before: number): Piece | undefined {
    const { maxSeqLength, onOverflow } = this.#options
    let { ids, labels } = piece
    const length = before + ids.length
    if (length > maxSeqLength) {
      if (onOverflow === 'error') this.#note(row, number, length)
      const room = Math.max(0, maxSeqLength - before)
      ids = ids.slice(0, room)
      labels = labels.slice(0, room)
      if (onOverflow !== 'truncate' || countTargets({ labels }) === 0) {
        this.#count('dropped', number, 1)
        return undefined
      }
      this.#count('truncated', number, 1)
    }
    this.#count('targets', number, countTargets({ labels }))
    return { ids, labels }
  }

  #note({ origin }: Row, number: number, length: number): void {
    const known = this.#tooLong.get(number)
    if (known === undefined) this.#tooLong.set(number, { origin, length, count: 1, longest: length })
    else {
      known.count++
      known.longest = Math.max(known.longest, length)
    }
  }

  /** Questions with an answer to learn, of these rows. */
  samplesOf(rows: Int32Array): number {
    return sumOf(this.#figures.samples, rows)
  }

  /** The rows of which something is left. */
  keptOf(rows: Int32Array): Int32Array {
    const { stored } = this.#figures
    return rows.filter((row) => stored[row]! > 0)
  }

  /** Numbers of samples in the sink, of these rows. */
  storedOf(rows: Int32Array): Int32Array {
    const { first, stored } = this.#figures
    const numbers = new Int32Array(sumOf(stored, rows))
    let at = 0
    for (const row of rows) for (let i = 0; i < stored[row]!; i++) numbers[at++] = first[row]! + i
    return numbers
  }

  /** @throws DatasetError naming the first row that is too long, when that is an error */
  check(rows: Int32Array): void {
    if (this.#tooLong.size === 0) return
    const all = Array.from(rows).flatMap((row) => this.#tooLong.get(row) ?? [])
    const [first] = all
    if (first === undefined) return
    const longest = all.reduce((most, row) => Math.max(most, row.longest), 0)
    const count = all.reduce((sum, row) => sum + row.count, 0)
    const more = count === 1 ? '' : ` (${count} samples are too long, the longest has ${longest})`
    throw new DatasetError({
      ...first.origin,
      problem:
        `${first.length} tokens exceed --max-seq-length ${this.#options.maxSeqLength}${more}; ` +
        `raise it to ${longest}, or use --on-overflow drop or truncate`,
    })
  }

  /** @param contextOf a number for what rows share; see `SplitKeys` */
  statistics(
    rows: Int32Array,
    packing: 'none' | 'tree',
    contextOf: (row: number) => number | undefined,
  ): DatasetStatistics {
    const sum = (figure: Figure) => sumOf(this.#figures[figure], rows)
    return {
      samples: sum('samples'),
      contexts: countContexts(this.keptOf(rows), contextOf),
      tokens: sum(packing === 'tree' ? 'tree' : 'separate'),
      separateTokens: sum('separate'),
      targetTokens: sum('targets'),
      dropped: sum('dropped'),
      truncated: sum('truncated'),
    }
  }
}

/** What `tokenize` gives; of an error about a token, with the place of the row. */
function ofRow<T>(row: Row, tokenize: () => T): T {
  try {
    return tokenize()
  } catch (error) {
    throw error instanceof TokenIdError ? new DatasetError({ ...row.origin, problem: error.message }) : error
  }
}

function sumOf(figure: Int32Array, rows: Int32Array): number {
  let sum = 0
  for (const row of rows) sum += figure[row]!
  return sum
}

/** Distinct contexts: equal ones count once, and every row without one counts itself. */
export function countContexts(rows: Int32Array, contextOf: (row: number) => number | undefined): number {
  const shared = new Set<number>()
  let alone = 0
  for (const row of rows) {
    const key = contextOf(row)
    if (key === undefined) alone++
    else shared.add(key)
  }
  return shared.size + alone
}
