// Rows as questions for a model to answer, with the ids they have in training.

import type { Grounds } from '../metrics/grounding'
import type { AnswerMetric, ContextRow, Row } from '../rows/row-formats'
import { IGNORED_LABEL } from '../trees/sample'
import { rowTurns, spellsBos } from './segments'
import { tokenizeTree, type TokenizeOptions } from './tokenize'
import type { Tokenizer } from '../tokenizer/tokenizer'

/** A question of a row as the ids that a model continues, with what an evaluation compares its answer to. */
export interface AskedQuestion {
  /** Row number in its file, from 1, and number of the question in its row, from 0. */
  readonly row: number
  readonly question: number
  /** The question's own id, where the row has one. */
  readonly id?: string
  /** What is asked, without context and template. */
  readonly text: string
  /** All answers that count as right. */
  readonly answers: readonly string[]
  /** How the answer is judged beyond exact match and F1. */
  readonly metric?: AnswerMetric
  /** Where the row has a context: its text as far as the question sees it, and whether that answers it. */
  readonly grounds?: Grounds
  /** Ids of the context: one array for all questions that share it, empty without one. */
  readonly context: readonly number[]
  /** How many tokens of `context`, from its beginning, the question sees. */
  readonly contextLength: number
  /** Ids of the prompt behind the context, up to where the answer begins. */
  readonly prompt: readonly number[]
}

/**
 * The questions of a row, each with the ids up to where its answer begins. A row without a context is one question; of
 * a conversation it is the last learned turn of the assistant. Pre-tokenised rows have none.
 * @throws DatasetError | Error as {@link tokenizeRow} does
 */
export function questionsOf(row: Row, tokenizer: Tokenizer, options: TokenizeOptions): AskedQuestion[] {
  if ('input_ids' in row) return []
  const number = row.origin?.row ?? 0
  if (!('questions' in row)) {
    const turn = rowTurns(row, tokenizer, options).findLast(({ answer }) => answer.learned)
    const prompt = tokenizer.encode(turn?.prompt ?? '', spellsBos(row, options.template) ? { addBos: false } : {})
    return [{ row: number, question: 0, ...spoken(row), context: [], contextLength: 0, prompt }]
  }
  const { context, branches } = tokenizeTree(row, tokenizer, options)
  const shared = [...context]
  return branches.map(({ ids, labels, contextLength }, question) => {
    const { id, question: text, answer, answers = [answer], golden, documents } = row.questions[question]!
    const begin = labels.findIndex((label) => label !== IGNORED_LABEL)
    return {
      row: number,
      question,
      ...(id === undefined ? {} : { id }),
      text,
      answers,
      ...(row.metric === undefined ? { grounds: groundsOf(row, golden, documents) } : { metric: row.metric }),
      context: shared,
      contextLength,
      prompt: [...ids.subarray(0, begin < 0 ? ids.length : begin)],
    }
  })
}

/** A question that names no golden document is unanswerable; one that says nothing of them is not judged so. */
const groundsOf = ({ context }: ContextRow, golden: readonly string[] | undefined, documents?: number): Grounds => ({
  unanswerable: golden?.length === 0,
  context:
    typeof context === 'string'
      ? context
      : context
          .slice(0, documents)
          .map(({ text }) => text)
          .join('\n'),
})

function spoken(
  row: Exclude<Row, { input_ids: unknown } | { questions: unknown }>,
): Pick<AskedQuestion, 'text' | 'answers'> {
  if ('completion' in row) return { text: row.prompt, answers: [row.completion] }
  if ('output' in row) return { text: [row.instruction, row.input ?? ''].join('\n').trim(), answers: [row.output] }
  const last = row.messages.findLastIndex(({ role, weight }) => role === 'assistant' && weight === undefined)
  return { text: row.messages[last - 1]?.content ?? '', answers: [row.messages[last]!.content] }
}
