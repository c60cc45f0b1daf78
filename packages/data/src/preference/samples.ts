// Preferences as samples: two answers to a prompt are one context tree, so that the prompt is computed once for both.

import { withinEmbedding, checkSpecialIds } from '../tokenizer/embedding'
import { DatasetError } from '../errors'
import { tokenizeRow } from '../prompt/tokenize'
import { choosePromptTemplate, type ContextTemplate, type PromptChoice, type PromptTemplate } from '../prompt/template'
import type { DatasetStatistics, OverflowPolicy } from '../prepare/terms'
import type { Row } from '../rows/row-formats'
import { splitRows } from '../rows/split'
import type { Tokenizer } from '../tokenizer/tokenizer'
import { countTargets, IGNORED_LABEL, type Sample } from '../trees/sample'
import type { JudgedRow, PreferencePair } from './rows'

/** A prompt with two answers as a tree of two branches. */
export interface PreferenceSample extends Sample {
  /**
   * 1: the first answer is the better one, or a good one; −1: it is a bad one. The second is the worse of a pair, or, where
   * answers are judged one by one, that of another prompt.
   */
  readonly sign: 1 | -1
}

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

/** Two rows that begin alike, as a tree. */
type Two = { readonly first: Row; readonly second: Row; readonly sign: 1 | -1 }

/** Pairs as samples. @throws DatasetError naming the row */
export const preparePairs = (pairs: readonly PreferencePair[], options: PreferenceOptions): PreparedPreferences =>
  prepare(
    pairs.map(({ chosen, rejected }) => ({ first: chosen, second: rejected, sign: 1 })),
    options,
    (kept) => kept,
  )

/**
 * Judged answers as samples; the second answer of each is that of the row before it on its side of the split, the first
 * row's that of the last: what the loss compares with.
 * @throws DatasetError naming the row
 */
export const prepareJudged = (judged: readonly JudgedRow[], options: PreferenceOptions): PreparedPreferences =>
  prepare(
    judged.map(({ row, isGood }) => ({ first: row, second: row, sign: isGood ? 1 : -1 })),
    options,
    (kept) => kept.map((each, i) => ({ ...each, second: withAnswerOf(each.first, kept.at(i - 1)!.first) })),
  )

function prepare(
  all: readonly Two[],
  options: PreferenceOptions,
  paired: (kept: readonly Two[]) => readonly Two[],
): PreparedPreferences {
  const { template, contextTemplate, split, seed, vocabSize } = options
  if (all.length === 0) throw new DatasetError({ problem: 'the dataset is empty; expected at least one row' })
  checkSpecialIds(options.tokenizer, vocabSize)
  const tokenizer = withinEmbedding(options.tokenizer, vocabSize)
  const rows = all.map(({ first }) => first)
  const prompt = choosePromptTemplate(template, rows, tokenizer, contextTemplate)
  const parts = splitRows(rows, split, seed)
  const of = new Map(all.map((each) => [each.first, each]))
  const made = (side: readonly Row[]) => {
    const twos = paired(side.map((row) => of.get(row)!))
    return samplesOf(twos, { ...options, tokenizer }, prompt)
  }
  const [train, heldOut] = [made(parts.train), made(parts.heldOut)]
  if (train.samples.length === 0)
    throw new DatasetError({ ...rows[0]!.origin, problem: 'no training sample is left: all are too long' })
  const both = Object.fromEntries(
    Object.entries(train.statistics).map(([key, value]) => [
      key,
      value + heldOut.statistics[key as keyof DatasetStatistics],
    ]),
  ) as unknown as DatasetStatistics
  const statistics = { ...both, train: train.statistics, heldOut: heldOut.statistics }
  return { train: train.samples, heldOut: heldOut.samples, prompt, statistics }
}

function samplesOf(
  twos: readonly Two[],
  { tokenizer, maxSeqLength, onOverflow, vocabSize }: PreferenceOptions,
  template: PromptTemplate,
): { samples: PreferenceSample[]; statistics: DatasetStatistics } {
  const samples: PreferenceSample[] = []
  const statistics = {
    samples: 0,
    contexts: 0,
    tokens: 0,
    separateTokens: 0,
    targetTokens: 0,
    dropped: 0,
    truncated: 0,
  }
  for (const { first, second, sign } of twos) {
    const ids = [first, second].map((row) => {
      if ('questions' in row || 'input_ids' in row)
        throw new DatasetError({
          ...row.origin,
          problem: 'a preference is about a prompt, an instruction or a conversation',
        })
      return tokenizeRow(row, tokenizer, { template, vocabSize })
    }) as [Sample, Sample]
    const longest = Math.max(...ids.map((sample) => sample.ids.length))
    if (longest > maxSeqLength && onOverflow === 'error')
      throw new DatasetError({
        ...first.origin,
        problem: `${longest} tokens exceed --max-seq-length ${maxSeqLength}; raise it, or use --on-overflow drop or truncate`,
      })
    const cut = ids.map((each) => ({
      ...each,
      ids: each.ids.slice(0, maxSeqLength),
      labels: each.labels.slice(0, maxSeqLength),
    })) as [Sample, Sample]
    if (longest > maxSeqLength && (onOverflow === 'drop' || cut.some((each) => countTargets(each) === 0))) {
      statistics.dropped++
      continue
    }
    if (longest > maxSeqLength) statistics.truncated++
    const sample = { ...treeOfTwo(...cut), row: first.origin?.row ?? 0, sign }
    samples.push(sample)
    statistics.samples++
    statistics.contexts++
    statistics.tokens += sample.ids.length
    statistics.separateTokens += cut[0].ids.length + cut[1].ids.length
    statistics.targetTokens += countTargets(sample)
  }
  return { samples, statistics }
}

/** Two samples that begin with the same tokens, none of them learned, as a tree with a branch for each. */
export function treeOfTwo(first: Sample, second: Sample): Omit<Sample, 'row'> {
  const learnedFrom = ({ labels }: Sample) => labels.findIndex((label) => label !== IGNORED_LABEL)
  const most = Math.min(learnedFrom(first), learnedFrom(second))
  let shared = 0
  while (shared < most && first.ids[shared] === second.ids[shared]) shared++
  const rest = (values: Int32Array) => [...values.subarray(shared)]
  return {
    ids: Int32Array.from([...first.ids, ...rest(second.ids)]),
    labels: Int32Array.from([...first.labels, ...rest(second.labels)]),
    contextLength: shared,
    branches: [
      { start: shared, contextLength: shared, question: 0 },
      { start: first.ids.length, contextLength: shared, question: 1 },
    ],
  }
}

/** The row with the answer of another. */
function withAnswerOf(row: Row, other: Row): Row {
  const answer =
    'completion' in other
      ? other.completion
      : 'output' in other
        ? other.output
        : 'messages' in other
          ? (other.messages.findLast(({ role }) => role === 'assistant')?.content ?? '')
          : ''
  if ('completion' in row) return { ...row, completion: answer }
  if ('output' in row) return { ...row, output: answer }
  if (!('messages' in row)) return row
  const last = row.messages.findLastIndex(({ role }) => role === 'assistant')
  return {
    ...row,
    messages: row.messages.map((message, i) => (i === last ? { ...message, content: answer } : message)),
  }
}
