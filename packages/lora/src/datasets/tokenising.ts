// Rows of files to samples, in passes: what the split goes by, the samples, questions of what is held out.
import { createHash } from 'node:crypto'
import {
  addKind,
  chosenTemplate,
  DatasetError,
  drawMixed,
  noKinds,
  Numbers,
  prepareRows,
  questionsOf,
  RowAdder,
  RowKeys,
  splitKeysOf,
  TokenisedRows,
  type AskedQuestion,
  type checkedOptions,
  type PreparedRows,
  type PromptTemplate,
  type Row,
  type RowOrigin,
  type SampleSink,
  type SplitKeys,
} from '@jora/data'
import { sampleIndices } from '../train/watch/answer-scores'
import type { RowFiles } from './row-files'
import { rowLists, type RowLists } from './row-lists'

/** How rows are prepared; checked. */
export type PrepareRules = Required<
  Pick<
    Parameters<typeof checkedOptions>[0],
    | 'tokenizer'
    | 'template'
    | 'contextTemplate'
    | 'packing'
    | 'maxSeqLength'
    | 'onOverflow'
    | 'split'
    | 'seed'
    | 'vocabSize'
    | 'mix'
  >
> & {
  /** By data set, how often its training rows count. */
  readonly weights: readonly number[] | undefined
  readonly isPreference: boolean
}

/** What is known of rows once all were read. */
export interface ReadRows {
  readonly keys: SplitKeys
  readonly lists: RowLists
  readonly prompt: PromptTemplate
  /** Where the first row is. */
  readonly first: RowOrigin | undefined
  /** SHA-256 of the files. */
  readonly hash: string
}

/**
 * Reads all rows once, for what the split and the prompt go by.
 * @throws DatasetError naming file and row, or when there are none
 */
export async function readAll(
  files: RowFiles,
  rules: PrepareRules,
  onBytes: (bytes: Uint8Array) => void,
  signal?: AbortSignal,
): Promise<ReadRows> {
  const hash = createHash('sha256')
  const [held, rowKeys, kinds] = [[] as Row[], new RowKeys(), noKinds()]
  let first: RowOrigin | undefined
  const hashed = (bytes: Uint8Array): void => {
    hash.update(bytes)
    onBytes(bytes)
  }
  const { areHeld } = files
  for await (const { rows, role } of files.each({ onBytes: hashed })) {
    signal?.throwIfAborted()
    for (const { row } of rows) {
      first ??= row.origin
      // The prompt is that of the data set, in which general rows are written too.
      if (role !== 'mixed') addKind(kinds, row)
      if (areHeld) held.push(row)
      else rowKeys.add(row)
    }
  }
  const keys = areHeld ? splitKeysOf(held) : rowKeys
  if (keys.length === 0) throw new DatasetError({ problem: 'the dataset is empty; expected at least one row' })
  const { weights, split, seed } = rules
  const lists = rowLists(keys, files.sets, { weights, heldOut: files.heldOut, split, seed })
  return { keys, lists, prompt: chosenTemplate(rules, kinds, first), first, hash: hash.digest('hex') }
}

/** Marks of the numbers that lists name. */
function marked(length: number, ...lists: readonly Int32Array[]): Uint8Array {
  const marks = new Uint8Array(length)
  for (const list of lists) for (const number of list) marks[number] = 1
  return marks
}

/**
 * Reads the rows again and tokenises those that are trained or held out, some rows each time it is asked to go on; general rows
 * last, as how many are mixed in follows from the others.
 * @throws DatasetError naming file and row
 */
export async function* tokenising(
  files: RowFiles,
  { keys, lists, prompt, first }: ReadRows,
  rules: PrepareRules,
  sink: SampleSink,
  onBytes: (bytes: Uint8Array) => void,
): AsyncGenerator<void, PreparedRows> {
  const { packing, maxSeqLength, mix, seed, isPreference } = rules
  const tokenised = new TokenisedRows({ ...rules, template: prompt }, keys.length, sink)
  const isHeldOut = marked(keys.length, lists.heldOut)
  const adder = new RowAdder(tokenised, (number) => isHeldOut[number] === 1)
  const isUsed = marked(keys.length, lists.train, lists.heldOut)
  for await (const { rows, first: from } of files.each({ onBytes, only: (role) => role !== 'mixed' })) {
    for (const [i, row] of rows.entries()) if (isUsed[from + i] === 1) adder.add(row, from + i)
    yield
  }
  const [from, to] = files.mixed ?? [0, 0]
  const drawn = drawMixed(to - from, mix, tokenised.samplesOf(lists.train), seed).map((row) => row + from)
  const isDrawn = marked(keys.length, drawn)
  for await (const { rows, first: at } of files.each({ onBytes, only: (role) => role === 'mixed' })) {
    for (const [i, row] of rows.entries()) if (isDrawn[at + i] === 1) adder.add(row, at + i)
    yield
  }
  adder.end()
  await files.checkUnchanged()
  return prepareRows(tokenised, {
    train: lists.train,
    mixed: drawn,
    heldOut: lists.heldOut,
    packing,
    maxSeqLength,
    file: first?.file,
    contextOf: (row) => (isPreference ? undefined : keys.contextOf(row)),
  })
}

/**
 * Some questions of held-out rows, the same for the same seed: each row's are counted first; of rows whose places are drawn they
 * are made once more.
 * @param rows numbers of the rows
 * @param most how many
 */
export async function questionsAsked(
  files: RowFiles,
  rows: Int32Array,
  template: PromptTemplate,
  { tokenizer, vocabSize, maxSeqLength, seed }: PrepareRules,
  most: number,
): Promise<AskedQuestion[]> {
  const isHeldOut = marked((rows.at(-1) ?? -1) + 1, rows)
  async function* heldOut(): AsyncGenerator<Row> {
    for await (const { rows, first } of files.each({ only: (role) => role !== 'mixed' }))
      for (const [i, { row }] of rows.entries()) if (isHeldOut[first + i] === 1) yield row
  }
  const fitting = (row: Row): AskedQuestion[] =>
    questionsOf(row, tokenizer, { template, vocabSize }).filter(
      ({ contextLength, prompt }) => contextLength + prompt.length < maxSeqLength,
    )
  const ends = new Numbers(Int32Array)
  let count = 0
  for await (const row of heldOut()) ends.push((count += fitting(row).length))
  const chosen = sampleIndices(count, most, seed)
  const questions: AskedQuestion[] = []
  let [next, at, from] = [0, 0, 0]
  for await (const row of heldOut()) {
    const end = ends.at(at++)
    if (next < chosen.length && chosen[next]! < end) {
      const own = fitting(row)
      for (; next < chosen.length && chosen[next]! < end; next++) questions.push(own[chosen[next]! - from]!)
    }
    from = end
  }
  return questions
}
