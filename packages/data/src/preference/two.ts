// Two answers to a prompt as one context tree, so that the prompt is computed once for both.

import { DatasetError } from '../errors'
import { tokenizeRow, type TokenizeOptions } from '../prompt/tokenize'
import type { Row } from '../rows/row-formats'
import type { Tokenizer } from '../tokenizer/tokenizer'
import { IGNORED_LABEL, type Sample } from '../trees/sample'

/** A prompt with two answers as a tree of two branches. */
export interface PreferenceSample extends Sample {
  /**
   * 1: the first answer is the better one, or a good one; −1: it is a bad one. The second is the worse of a pair, or, where
   * answers are judged one by one, that of another prompt.
   */
  readonly sign: 1 | -1
}

/** Two rows that begin alike, as a tree. */
export interface TwoAnswers {
  readonly first: Row
  readonly second: Row
  readonly sign: 1 | -1
}

/** Each answer behind its prompt. @throws DatasetError for rows that are no preferences */
export function tokenizeTwo(
  { first, second }: TwoAnswers,
  tokenizer: Tokenizer,
  options: TokenizeOptions,
): [first: Sample, second: Sample] {
  const tokenized = (row: Row): Sample => {
    if ('questions' in row || 'input_ids' in row)
      throw new DatasetError({
        ...row.origin,
        problem: 'a preference is about a prompt, an instruction or a conversation',
      })
    return tokenizeRow(row, tokenizer, options)
  }
  return [tokenized(first), tokenized(second)]
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
export function withAnswerOf(row: Row, other: Row): Row {
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
