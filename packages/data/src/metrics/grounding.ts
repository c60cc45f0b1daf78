// Whether an answer keeps to its context: refuses what that does not answer, and says what is there.

import { evidenceOf } from '../raft/golden'
import { canonical } from '../retrieval/canonical'
import { normalizeAnswer } from './squad'

/** What an answer is held against beyond the right ones. */
export interface Grounds {
  /** The context does not answer the question: its right answer is a refusal. */
  readonly unanswerable: boolean
  /** Text that the question sees. */
  readonly context: string
}

/**
 * Scores of one answer. `refusal`: whether an unanswerable question is refused, with the words of a right answer.
 * `faithful`: whether the quotes of an answer (`##begin_quote## … ##end_quote##`), or the answer itself where it has none,
 * are in the context in whatever form; absent for refusals.
 */
export function groundingOf(
  prediction: string,
  answers: readonly string[],
  { unanswerable, context }: Grounds,
): { refusal?: boolean; faithful?: boolean } {
  const said = normalizeAnswer(prediction)
  const refuses = unanswerable && answers.some((answer) => said.includes(normalizeAnswer(answer)))
  if (unanswerable) return refuses ? { refusal: true } : { refusal: false, faithful: standsIn(prediction, context) }
  return { faithful: standsIn(prediction, context) }
}

function standsIn(prediction: string, context: string): boolean {
  const { quotes, answer } = evidenceOf({ answer: prediction })
  const form = canonical(context)
  if (quotes.length > 0) return quotes.every((quote) => form.includes(quote.form))
  const bare = answer.replace(/[.\s]+$/, '')
  return bare !== '' && form.includes(bare)
}
