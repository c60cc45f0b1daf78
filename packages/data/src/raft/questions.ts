// Questions of RAFT data: what is asked, the answer, and where it is known to be.

import { DatasetError, describeValue, type RowOrigin } from '../errors'
import { answersOf } from '../rows/qa/check-qa'
import { optionalText, parseJsonRows, recordOf, textAt } from './json-rows'

/** A question about one of the documents, with its answer. */
export interface RaftQuestion {
  /** Absent: its row number. */
  id?: string
  question: string
  /** What is learned. May quote its document as RAFT does: `##begin_quote## … ##end_quote##`, `##Answer: …`. */
  answer: string
  /** All answers that an evaluation counts as right; `[answer]` when absent. */
  answers?: readonly string[]
  /** Id of the document that answers it; any document may when absent. */
  document?: string
  /** Words of the document that hold the answer. */
  quote?: string
  /** The documents do not answer it: its answer is a refusal. */
  unanswerable?: true
  /** Id of the chunk that an unanswerable question seems to be about; the document's likeliest when absent. */
  chunk?: string
  /** Where it was read. */
  origin?: RowOrigin
}

/**
 * Reads questions from a JSON array or JSONL: `{"question", "answer", "answers"?, "document"?, "quote"?, "unanswerable"?, "id"?}`.
 *
 * @param file what errors call it
 * @throws DatasetError naming row and key
 */
export const parseQuestions = (text: string, file: string): RaftQuestion[] =>
  parseJsonRows(text, file, 'questions').map(questionOf)

/** A row as a question. @throws DatasetError naming row and key */
export function questionOf({ value, origin }: { value: unknown; origin: RowOrigin }): RaftQuestion {
  const row = recordOf(value, origin)
  // As SQuAD has them: `answers` alone, none of which means that it is unanswerable.
  const listed =
    row.answer === undefined && row.answers !== undefined && row.answers !== null ? answersOf(row, origin) : undefined
  const unanswerable = row.unanswerable === true || row.is_impossible === true || listed?.length === 0
  const question: RaftQuestion = {
    question: textAt(row, 'question', origin),
    answer: unanswerable ? (optionalText(row, 'answer', origin) ?? '') : (listed?.[0] ?? textAt(row, 'answer', origin)),
    ...(unanswerable ? { unanswerable } : {}),
    origin,
  }
  for (const key of ['id', 'document', 'quote', 'chunk'] as const) {
    const given = optionalText(row, key, origin)
    if (given !== undefined) question[key] = given
  }
  if (listed !== undefined) return listed.length > 1 ? { ...question, answers: listed } : question
  const { answers } = row
  if (answers === undefined || answers === null) return question
  if (!Array.isArray(answers) || !answers.every((answer) => typeof answer === 'string')) {
    const problem = `got ${describeValue(answers)}; expected an array of strings`
    throw new DatasetError({ ...origin, key: 'answers', problem })
  }
  return { ...question, answers }
}
