// Greedy answers to the questions of rows, with progress, in the order of the rows.
import { questionsOf, type AskedQuestion, type Row, type TemplateOptions, type Tokenizer } from '@jora/data'
import { answerQuestions, type AnsweredQuestion } from '@jora/lora'
import type { OpenModel } from './open-model'

export interface AnswersOptions {
  readonly maxNewTokens: number
  readonly batchSize: number
  readonly signal: AbortSignal
  readonly onProgress?: (done: number, total: number) => void
}

/** The questions of rows; none of pre-tokenised ones. */
export const questionsOfRows = (
  rows: readonly Row[],
  tokenizer: Tokenizer,
  options: TemplateOptions,
): AskedQuestion[] => rows.flatMap((row) => questionsOf(row, tokenizer, options))

/** @throws the signal's reason when aborted */
export async function answerAll(
  model: OpenModel,
  questions: readonly AskedQuestion[],
  { maxNewTokens, batchSize, signal, onProgress }: AnswersOptions,
): Promise<AnsweredQuestion[]> {
  const answered = new Map<AskedQuestion, AnsweredQuestion>()
  const { stopIds } = model
  for await (const batch of answerQuestions(model, questions, { maxNewTokens, batchSize, stopIds, signal })) {
    for (const answer of batch) answered.set(answer.asked, answer)
    onProgress?.(answered.size, questions.length)
  }
  return questions.map((asked) => answered.get(asked)!)
}
