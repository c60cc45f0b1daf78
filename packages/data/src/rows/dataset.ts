// Rows to training and held-out samples: split, mix, what happens to rows that are too long, and how samples are put into rows.

import { checkSpecialIds, TokenIdError, withinEmbedding } from '../tokenizer/embedding'
import { DatasetError } from '../errors'
import {
  choosePromptTemplate,
  templateFor,
  type ContextTemplate,
  type PromptChoice,
  type PromptTemplate,
} from '../prompt/template'
import { deriveSeed, shuffle } from '../random'
import type { Row } from './row-formats'
import { countTargets, type Sample } from '../trees/sample'
import { contextKey, splitNotes, splitRows } from './split'
import { tokenizeTree, tokenizeTurns } from '../prompt/tokenize'
import type { Tokenizer } from '../tokenizer/tokenizer'
import { separateLength, separateSamples, treeSamples, type Tree } from '../trees/tree'

/**
 * What to do with a row of more than `maxSeqLength` tokens: stop; leave it out; or cut it from the right. A cut sample loses
 * its EOS, so it teaches no early stop, and is left out (counted as dropped) when nothing learned remains.
 */
export type OverflowPolicy = 'error' | 'drop' | 'truncate'

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
 * Tokenises, splits and mixes a dataset. Rows with a `split` of their own go where it says; which of the others are held out
 * depends on the seed and the rows alone, not on lengths: runs with different limits are evaluated on the same rows. Rows
 * with the same context, or the same input, stay together.
 *
 * @throws DatasetError on a bad row, a row that is too long under `error`, or when no training sample remains
 * @throws RangeError on an option out of range
 */
export function prepareDataset(options: PrepareOptions): PreparedDataset {
  const { rows, seed, split = 1, mixRows = [], mix = 0.3, packing = 'none' } = options
  if (!(split > 0 && split <= 1)) throw new RangeError(`--split: got ${split}; expected a share over 0 and up to 1`)
  if (!(mix >= 0 && Number.isFinite(mix)))
    throw new RangeError(`--alpaca-mix: got ${mix}; expected a share of 0 or more`)
  if (!(Number.isInteger(options.maxSeqLength) && options.maxSeqLength >= 2)) {
    throw new RangeError(`--max-seq-length: got ${options.maxSeqLength}; expected an integer of at least 2`)
  }
  if (options.vocabSize !== undefined) {
    checkSpecialIds(options.tokenizer, options.vocabSize)
    options = { ...options, tokenizer: withinEmbedding(options.tokenizer, options.vocabSize) }
  }
  if (rows.length === 0) throw new DatasetError({ problem: 'the dataset is empty; expected at least one row' })

  const parts = splitRows(rows, split, seed)
  const prompt = chosenTemplate(options)
  const train = new Part({ ...options, template: prompt }, parts.train)
  const heldOut = new Part({ ...options, template: prompt }, parts.heldOut)
  train.add(drawRows(mixRows, Math.round(mix * train.count), deriveSeed(seed, 'mix')))
  train.check()
  heldOut.check()
  if (train.count === 0) {
    throw new DatasetError({
      file: rows[0]?.origin?.file,
      problem: `no training sample is left: all ${parts.train.length} rows exceed --max-seq-length ${options.maxSeqLength}`,
    })
  }
  const shares = packing === 'tree' || (packing === 'auto' && train.treeTokens <= 0.9 * train.separateTokens)
  const decided = shares ? 'tree' : 'none'
  const statistics = { train: train.statistics(decided), heldOut: heldOut.statistics(decided) }
  return {
    packing: decided,
    prompt,
    train: train.samples(decided),
    heldOut: heldOut.samples(decided),
    heldOutRows: heldOut.kept,
    statistics: {
      ...sum(statistics.train, statistics.heldOut),
      contexts: countContexts([...train.kept, ...heldOut.kept]),
      ...statistics,
    },
    notes: splitNotes(parts, split),
  }
}

function chosenTemplate({ template, rows, tokenizer, contextTemplate }: PrepareOptions): PromptTemplate {
  if (typeof template !== 'string') return templateFor(template, tokenizer, contextTemplate)
  try {
    return choosePromptTemplate(template, rows, tokenizer, contextTemplate)
  } catch (error) {
    throw new DatasetError({ ...rows[0]?.origin, problem: (error as Error).message })
  }
}

/** Draws without replacement while there are enough rows; beyond that every row comes equally often, give or take one. */
function drawRows(rows: readonly Row[], count: number, seed: number): Row[] {
  const drawn: Row[] = []
  for (let round = 0; rows.length > 0 && drawn.length < count; round++) {
    for (const row of shuffle(rows, deriveSeed(seed, round)).slice(0, count - drawn.length)) drawn.push(row)
  }
  return drawn
}

/** Ids and labels of something that may be too long. */
type Piece = Pick<Sample, 'ids' | 'labels'>

/** A row that is kept: a sample, or a context with the questions that are. */
type Kept = { readonly sample: Sample } | { readonly tree: Tree; readonly packed: readonly Sample[] }

type PartOptions = PrepareOptions & { readonly template: PromptTemplate }

/** What `tokenize` gives; of an error about a token, with the place of the row. */
function ofRow<T>(row: Row, tokenize: () => T): T {
  try {
    return tokenize()
  } catch (error) {
    throw error instanceof TokenIdError ? new DatasetError({ ...row.origin, problem: error.message }) : error
  }
}

/** Training or held-out samples while they are collected. */
class Part {
  /** Samples so far. */
  count = 0
  /** Tokens of every sample on its own, and of trees. */
  separateTokens = 0
  treeTokens = 0
  /** The rows of what is kept, index by index. */
  readonly kept: Row[] = []
  readonly #kept: Kept[] = []
  readonly #options: PartOptions
  readonly #tooLong: { row: Row; length: number }[] = []
  #targetTokens = 0
  #dropped = 0
  #truncated = 0

  constructor(options: PartOptions, rows: readonly Row[]) {
    this.#options = options
    this.add(rows)
  }

  add(rows: readonly Row[]): void {
    const { tokenizer, maxSeqLength } = this.#options
    for (const row of rows) {
      const whole = ofRow(row, () =>
        'questions' in row ? tokenizeTree(row, tokenizer, this.#options) : tokenizeTurns(row, tokenizer, this.#options),
      )
      if ('context' in whole) {
        const branches = whole.branches.flatMap((branch) => {
          const fitting = this.#fit(row, branch, branch.contextLength)
          return fitting ? [{ ...branch, ...fitting }] : []
        })
        if (branches.length === 0) continue
        const tree = { ...whole, branches }
        const packed = treeSamples(tree, maxSeqLength)
        this.#keep(row, { tree, packed })
        this.count += branches.length
        this.separateTokens += branches.reduce((n, branch) => n + separateLength(branch), 0)
        this.treeTokens += packed.reduce((n, { ids }) => n + ids.length, 0)
      } else {
        const fitting = this.#fit(row, whole, 0)
        if (!fitting) continue
        this.#keep(row, { sample: { ...whole, ...fitting } })
        this.count++
        this.separateTokens += fitting.ids.length
        this.treeTokens += fitting.ids.length
      }
    }
  }

  #keep(row: Row, kept: Kept): void {
    this.#kept.push(kept)
    this.kept.push(row)
  }

  /** The piece as the policy leaves it behind `before` tokens; undefined when it is left out. */
  #fit(row: Row, piece: Piece, before: number): Piece | undefined {
    const { maxSeqLength, onOverflow } = this.#options
    let { ids, labels } = piece
    if (before + ids.length > maxSeqLength) {
      if (onOverflow === 'error') this.#tooLong.push({ row, length: before + ids.length })
      const room = Math.max(0, maxSeqLength - before)
      ids = ids.slice(0, room)
      labels = labels.slice(0, room)
      if (onOverflow !== 'truncate' || countTargets({ labels }) === 0) {
        this.#dropped++
        return undefined
      }
      this.#truncated++
    }
    this.#targetTokens += countTargets({ labels })
    return { ids, labels }
  }

  samples(packing: 'none' | 'tree'): Sample[] {
    return this.#kept.flatMap((kept) =>
      'sample' in kept ? [kept.sample] : packing === 'tree' ? kept.packed : separateSamples(kept.tree),
    )
  }

  /** @throws DatasetError naming the first row that is too long, when that is an error. */
  check(): void {
    const [first] = this.#tooLong
    if (first === undefined) return
    const longest = this.#tooLong.reduce((max, { length }) => Math.max(max, length), 0)
    const more =
      this.#tooLong.length === 1 ? '' : ` (${this.#tooLong.length} samples are too long, the longest has ${longest})`
    throw new DatasetError({
      ...first.row.origin,
      problem:
        `${first.length} tokens exceed --max-seq-length ${this.#options.maxSeqLength}${more}; ` +
        `raise it to ${longest}, or use --on-overflow drop or truncate`,
    })
  }

  statistics(packing: 'none' | 'tree'): DatasetStatistics {
    return {
      samples: this.count,
      contexts: countContexts(this.kept),
      tokens: packing === 'tree' ? this.treeTokens : this.separateTokens,
      separateTokens: this.separateTokens,
      targetTokens: this.#targetTokens,
      dropped: this.#dropped,
      truncated: this.#truncated,
    }
  }
}

function countContexts(rows: readonly Row[]): number {
  const shared = new Set<string>()
  let alone = 0
  for (const row of rows) {
    const key = contextKey(row)
    if (key === undefined) alone++
    else shared.add(key)
  }
  return shared.size + alone
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
