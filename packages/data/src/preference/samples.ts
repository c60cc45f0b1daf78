// Preferences as samples, of rows in memory.

import { prepareRows } from '../prepare/prepared'
import { RowAdder, type LearnedRow } from '../prepare/learned-rows'
import type { DatasetStatistics, OverflowPolicy } from '../prepare/terms'
import { TokenisedRows } from '../prepare/tokenised-rows'
import { withinEmbedding, checkSpecialIds } from '../tokenizer/embedding'
import { DatasetError } from '../errors'
import { choosePromptTemplate, type ContextTemplate, type PromptChoice, type PromptTemplate } from '../prompt/template'
import { splitKeysOf, splitSides } from '../rows/split'
import type { Tokenizer } from '../tokenizer/tokenizer'
import type { Sample } from '../trees/sample'
import type { JudgedRow, PreferencePair } from './rows'
import type { PreferenceSample } from './two'

/** How preferences become samples; see `PrepareOptions`. */
export interface PreferenceOptions {
  readonly tokenizer: Tokenizer
  readonly template: PromptChoice
  /** How documents in prompts are written. */
  readonly contextTemplate?: ContextTemplate
  readonly maxSeqLength: number
  readonly onOverflow: OverflowPolicy
  readonly split: number
  readonly seed: number
  readonly vocabSize: number
}

/** Preferences for training and for evaluation. */
export interface PreparedPreferences {
  readonly train: readonly PreferenceSample[]
  readonly heldOut: readonly PreferenceSample[]
  readonly prompt: PromptTemplate
  readonly statistics: DatasetStatistics & { readonly train: DatasetStatistics; readonly heldOut: DatasetStatistics }
}

/** Pairs as samples. @throws DatasetError naming the row */
export const preparePairs = (pairs: readonly PreferencePair[], options: PreferenceOptions): PreparedPreferences =>
  prepare(
    pairs.map(({ chosen, rejected }) => ({ row: chosen, rejected })),
    options,
  )

/**
 * Judged answers as samples; the second answer of each is that of the row before it on its side of the split, the first
 * row's that of the last: what the loss compares with.
 * @throws DatasetError naming the row
 */
export const prepareJudged = (judged: readonly JudgedRow[], options: PreferenceOptions): PreparedPreferences =>
  prepare(judged, options)

function prepare(all: readonly LearnedRow[], options: PreferenceOptions): PreparedPreferences {
  const { template, contextTemplate, split, seed, vocabSize, maxSeqLength } = options
  if (all.length === 0) throw new DatasetError({ problem: 'the dataset is empty; expected at least one row' })
  checkSpecialIds(options.tokenizer, vocabSize)
  const tokenizer = withinEmbedding(options.tokenizer, vocabSize)
  const rows = all.map(({ row }) => row)
  const prompt = choosePromptTemplate(template, rows, tokenizer, contextTemplate)
  const sides = splitSides(splitKeysOf(rows), split, seed)
  const samples: Sample[] = []
  const tokenised = new TokenisedRows({ ...options, tokenizer, template: prompt }, rows.length, samples)
  const isHeldOut = new Set(sides.heldOut)
  const adder = new RowAdder(tokenised, (number) => isHeldOut.has(number))
  all.forEach((row, number) => adder.add(row, number))
  adder.end()
  const { train, heldOut, statistics } = prepareRows(tokenised, {
    ...sides,
    packing: 'tree',
    maxSeqLength,
    file: rows[0]!.origin?.file,
    contextOf: () => undefined,
  })
  const of = (stored: Int32Array) => Array.from(stored, (number) => samples[number] as PreferenceSample)
  return { train: of(train), heldOut: of(heldOut), prompt, statistics }
}
