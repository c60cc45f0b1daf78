// The questions of a data set, answered and scored.
import { scoreAnswer, type Answerer, type AnswerOptions, type AnswerScore, type AskedQuestion } from '@jora/data'

/** A question, the model's answer to it, and how right that is. */
export interface AnsweredQuestion {
  readonly asked: AskedQuestion
  readonly prediction: string
  readonly score: AnswerScore
  /** `length`: the answer was cut at `maxNewTokens`. */
  readonly finishReason: 'stop' | 'length'
}

/** How {@link answerQuestions} asks. */
export interface ScoreOptions extends AnswerOptions {
  /** Questions answered together, for answerers that can (a {@link LocalAnswerer} takes 8 by default). */
  readonly batchSize?: number
  /** Called after each answer. */
  readonly onProgress?: (done: number, total: number) => void
}

/**
 * Answers every question and scores it against those that count as right, in the order of the questions.
 *
 * @throws the signal's reason once it is aborted
 */
export async function answerQuestions(
  answerer: Answerer,
  questions: readonly AskedQuestion[],
  { onProgress, ...options }: ScoreOptions = {},
): Promise<AnsweredQuestion[]> {
  const answered: AnsweredQuestion[] = []
  const asks = questions.map((ids) => ({ ids }))
  let done = 0
  for await (const { index, text, finishReason } of answerer.askAll(asks, options)) {
    const asked = questions[index]!
    const prediction = text.trim()
    answered[index] = {
      asked,
      prediction,
      score: scoreAnswer(prediction, asked.answers, asked.metric, asked.grounds),
      finishReason,
    }
    onProgress?.(++done, questions.length)
  }
  return answered
}
