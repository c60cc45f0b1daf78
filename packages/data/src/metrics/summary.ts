// What an evaluation reports of its answers: each scored on its own, then means over all.

import type { AnswerMetric } from '../rows/row-formats'
import { bootstrap, type Estimate } from './bootstrap'
import { denotationMatch } from './denotation'
import { groundingOf, type Grounds } from './grounding'
import { replyMatch } from './reply'
import { exactMatch, f1 } from './squad'

/** One answer's scores. `denotation`, `target` and `reply` are there only where the row asks for that metric. */
export interface AnswerScore {
  exactMatch: boolean
  /** In [0, 1]. */
  f1: number
  /** Whether the answer denotes the same values as a right one ({@link denotationMatch}). */
  denotation?: boolean
  /** {@link ReplyMatch.target} */
  target?: boolean
  /** {@link ReplyMatch.reply} */
  reply?: boolean
  /** Whether a question that its context does not answer is refused (`groundingOf`). */
  refusal?: boolean
  /** Whether the answer, or what it quotes, is in its context. */
  faithful?: boolean
}

/** Means in [0, 1], each over the answers that have that score; absent where none has. */
export interface AnswerSummary {
  answers: number
  /** Share of answers that equal a right one, white space around them aside. */
  exactMatch?: number
  /** Mean of each answer's best F1 over the right ones. */
  f1?: number
  /** Share of table questions answered with the right denotation. */
  denotation?: number
  /** Share of reply links that name the post asked about. */
  target?: number
  /** Share of reply links with the right reply. */
  reply?: number
  /** Share of unanswerable questions that are refused. */
  refusal?: number
  /** Share of answers, refusals aside, that are in their context or quote it truly. */
  faithful?: number
  /** Share of right replies among the answers whose target is right: p(reply | target). */
  replyGivenTarget?: number
}

/**
 * Scores a prediction against all right answers: by exact match and F1, by `metric` where there is one, and by its context
 * where it has one.
 */
export function scoreAnswer(
  prediction: string,
  answers: readonly string[],
  metric?: AnswerMetric,
  grounds?: Grounds,
): AnswerScore {
  const score: AnswerScore = {
    exactMatch: exactMatch(prediction, answers),
    f1: f1(prediction, answers),
    ...(grounds && groundingOf(prediction, answers, grounds)),
  }
  if (metric === 'denotation')
    return { ...score, denotation: answers.some((answer) => denotationMatch(prediction, answer)) }
  return metric === 'reply' ? { ...score, ...replyMatch(prediction, answers) } : score
}

/** Every score of an answer. */
export const scoreNames = ['exactMatch', 'f1', 'denotation', 'target', 'reply', 'refusal', 'faithful'] as const
/** A name of {@link scoreNames}. */
export type ScoreName = (typeof scoreNames)[number]

/** The mean of each score that at least one answer has, with its 95 % interval. */
export const estimateAnswers = (results: readonly AnswerScore[]): Partial<Record<ScoreName, Estimate>> =>
  Object.fromEntries(
    scoreNames.flatMap((name) => {
      const values = results.flatMap((result) => (result[name] === undefined ? [] : [Number(result[name])]))
      return values.length === 0 ? [] : [[name, bootstrap(values)]]
    }),
  )

/** Means over scored answers, one for each score that at least one answer has. */
export function summarizeAnswers(results: readonly AnswerScore[]): AnswerSummary {
  const summary: AnswerSummary = { answers: results.length }
  for (const name of scoreNames) {
    const scores = results.flatMap((result) => result[name] ?? [])
    if (scores.length > 0) summary[name] = mean(scores)
  }
  const replies = results.flatMap(({ target, reply }) => (target === true && reply !== undefined ? reply : []))
  if (replies.length > 0) summary.replyGivenTarget = mean(replies)
  return summary
}

const mean = (scores: readonly (number | boolean)[]): number =>
  scores.reduce<number>((sum, score) => sum + Number(score), 0) / scores.length
