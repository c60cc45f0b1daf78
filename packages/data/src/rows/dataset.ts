// Rows to training and held-out samples: split, mix, what happens to rows that are too long, and how samples are put into rows.

import { checkSpecialIds, withinEmbedding } from '../tokenizer/embedding'
import { DatasetError, type RowOrigin } from '../errors'
import {
  choosePromptTemplate,
  templateFor,
  type ContextTemplate,
  type PromptChoice,
  type PromptTemplate,
  type RowKinds,
} from '../prompt/template'
import { drawMixed, prepareRows } from '../prepare/prepared'
import type { DatasetStatistics, OverflowPolicy, Packing } from '../prepare/terms'
import { TokenisedRows } from '../prepare/tokenised-rows'
import type { Row } from './row-formats'
import type { Sample } from '../trees/sample'
import { splitKeysOf, splitNotes, splitSides } from './split'
import type { Tokenizer } from '../tokenizer/tokenizer'
import { branchSamples } from '../trees/tree'

/** What {@link prepareDataset} makes samples of, and how. */
export interface PrepareOptions {
  rows: readonly Row[]
  tokenizer: Tokenizer
  /** A template, its name for the tokenizer, or `auto`: what fits the rows and the model. */
  template: PromptTemplate | PromptChoice
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
  /** {@link TokenizeOptions.vocabSize} */
  vocabSize?: number
  /** {@link TemplateOptions.contextTemplate} */
  contextTemplate?: ContextTemplate
  /** How samples that share a context are put into rows (default `none`). */
  packing?: Packing
}

/** Samples for training and for evaluation. */
export interface PreparedDataset {
  /** How the samples are put into rows: what `auto` was resolved to. */
  packing: Exclude<Packing, 'auto'>
  /** The template the samples were made with: what `auto` was resolved to. */
  prompt: PromptTemplate
  /** In the order of the file, mixed-in rows last. */
  train: Sample[]
  /** In the order of the file. */
  heldOut: Sample[]
  /** The rows that `heldOut` is made of. */
  heldOutRows: readonly Row[]
  /** Of both together, and of each. */
  statistics: DatasetStatistics & { train: DatasetStatistics; heldOut: DatasetStatistics }
  /** Remarks on the split, in sentences; usually none. */
  notes: string[]
}

/**
 * The options, with the tokenizer held to the model's embedding.
 * @throws RangeError on an option out of range; TokenIdError for a token that the model has no embedding for
 */
export function checkedOptions<O extends Omit<PrepareOptions, 'rows'>>(options: O): O {
  const { split = 1, mix = 0.3 } = options
  if (!(split > 0 && split <= 1)) throw new RangeError(`--split: got ${split}; expected a share over 0 and up to 1`)
  if (!(mix >= 0 && Number.isFinite(mix)))
    throw new RangeError(`--alpaca-mix: got ${mix}; expected a share of 0 or more`)
  if (!(Number.isInteger(options.maxSeqLength) && options.maxSeqLength >= 2)) {
    throw new RangeError(`--max-seq-length: got ${options.maxSeqLength}; expected an integer of at least 2`)
  }
  if (options.vocabSize !== undefined) {
    checkSpecialIds(options.tokenizer, options.vocabSize)
    return { ...options, tokenizer: withinEmbedding(options.tokenizer, options.vocabSize) }
  }
  return options
}

/**
 * Tokenises, splits and mixes a dataset. Rows with a `split` of their own go where it says; which of the others are held out
 * depends on the seed and the rows alone, not on lengths: runs with different limits are evaluated on the same rows. Rows
 * with the same context, or the same input, stay together.
 *
 * @throws DatasetError on a bad row, a row that is too long under `error`, or when no training sample remains
 * @throws RangeError on an option out of range
 */
export function prepareDataset(options: PrepareOptions): PreparedDataset {
  const { rows, seed, split = 1, mixRows = [], mix = 0.3, packing = 'none' } = options
  options = checkedOptions(options)
  if (rows.length === 0) throw new DatasetError({ problem: 'the dataset is empty; expected at least one row' })

  const sides = splitSides(splitKeysOf(rows), split, seed)
  const prompt = chosenTemplate(options, rows, rows[0]?.origin)
  // General rows have the numbers behind those of the data set.
  const rowOf = (number: number): Row => (number < rows.length ? rows[number] : mixRows[number - rows.length])!
  const all = splitKeysOf([...rows, ...mixRows])
  const samples: Sample[] = []
  const tokenised = new TokenisedRows({ ...options, template: prompt }, all.length, samples)
  rows.forEach((row, number) => tokenised.add(row, number))
  const mixed = drawMixed(mixRows.length, mix, tokenised.samplesOf(sides.train), seed).map((row) => row + rows.length)
  for (const number of new Set(mixed)) tokenised.add(rowOf(number), number)
  const prepared = prepareRows(tokenised, {
    train: sides.train,
    mixed,
    heldOut: sides.heldOut,
    packing,
    maxSeqLength: options.maxSeqLength,
    file: rows[0]?.origin?.file,
    contextOf: all.contextOf,
  })
  const samplesOf = (stored: Int32Array) =>
    Array.from(stored, (number) => samples[number]!).flatMap((sample) =>
      prepared.packing === 'tree' ? [sample] : branchSamples(sample),
    )
  return {
    packing: prepared.packing,
    prompt,
    train: samplesOf(prepared.train),
    heldOut: samplesOf(prepared.heldOut),
    heldOutRows: Array.from(prepared.heldOutRows, rowOf),
    statistics: prepared.statistics,
    notes: splitNotes(
      sides,
      split,
      rows.some((row) => row.split !== undefined),
    ),
  }
}

/**
 * The template that a choice comes to for these rows.
 * @throws DatasetError at `origin` when the tokenizer has none that fits
 */
export function chosenTemplate(
  { template, tokenizer, contextTemplate }: Pick<PrepareOptions, 'template' | 'tokenizer' | 'contextTemplate'>,
  rows: readonly Row[] | RowKinds,
  origin: RowOrigin | undefined,
): PromptTemplate {
  if (typeof template !== 'string') return templateFor(template, tokenizer, contextTemplate)
  try {
    return choosePromptTemplate(template, rows, tokenizer, contextTemplate)
  } catch (error) {
    throw new DatasetError({ ...origin, problem: (error as Error).message })
  }
}
