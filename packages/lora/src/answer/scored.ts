// The questions of a data set, answered and scored.
import {
  scoreAnswer,
  type Answerer,
  type AnswerOptions,
  type AnswerScore,
  type AskedQuestion,
  type Kept,
} from '@jora/data'

/** A question, the model's answer to it, and how right that is. */
export interface AnsweredQuestion {
  readonly asked: AskedQuestion
  readonly prediction: string
  readonly score: AnswerScore
  /** `length`: the answer was cut at `maxNewTokens`. */
  readonly finishReason: 'stop' | 'length'
}

/** An answer as it is kept for a later call: the place of its question, and what was said. */
export interface KeptAnswer {
  readonly index: number
  readonly text: string
  readonly finishReason: 'stop' | 'length'
}

/** How {@link answerQuestions} asks. */
export interface ScoreOptions extends AnswerOptions {
  /** Answers of an earlier call to the same questions, which are not asked again, and where this one keeps its own. */
  readonly kept?: Kept<KeptAnswer> | undefined
  /** Questions answered together, for answerers that can (a {@link LocalAnswerer} takes 8 by default). */
  readonly batchSize?: number
  /** Called after each answer: how many there are, of how many, and how many of these an earlier call gave. */
  readonly onProgress?: (done: number, total: number, earlier: number) => void
}

/**
 * Answers every question and scores it against those that count as right, in the order of the questions.
 *
 * @throws the signal's reason once it is aborted
 */
export async function answerQuestions(
  answerer: Answerer,
  questions: readonly AskedQuestion[],
  { onProgress, kept, ...options }: ScoreOptions = {},
): Promise<AnsweredQuestion[]> {
  const answered: AnsweredQuestion[] = []
  let [done, earlier] = [0, 0]
  const put = ({ index, text, finishReason }: KeptAnswer): void => {
    const asked = questions[index]!
    const prediction = text.trim()
    const score = scoreAnswer(prediction, asked.answers, asked.metric, asked.grounds)
    answered[index] = { asked, prediction, score, finishReason }
    onProgress?.(++done, questions.length, earlier)
  }
  for (let known = kept?.take(); known !== undefined; known = kept?.take()) {
    earlier++
    put(known)
  }
  const left = questions.map((_, index) => index).filter((index) => answered[index] === undefined)
  if (left.length === 0) return answered
  const asks = left.map((index) => ({ ids: questions[index]! }))
  for await (const { index: place, text, finishReason } of answerer.askAll(asks, options)) {
    const answer = { index: left[place]!, text, finishReason }
    kept?.add(answer)
    put(answer)
  }
  return answered
}
