// What an evaluation reports of its answers: each scored on its own, then means over all.

import type { AnswerMetric } from '../rows/row-formats'
import { denotationMatch } from './denotation'
import { replyMatch } from './reply'
import { exactMatch, f1 } from './squad'

/** One answer's scores. `denotation`, `target` and `reply` are there where the row asks for that metric. */
export interface AnswerScore {
  exactMatch: boolean
  /** In [0, 1]. */
  f1: number
  denotation?: boolean
  target?: boolean
  reply?: boolean
}

/** Means in [0, 1], each over the answers that have that score; absent where none has. */
export interface AnswerSummary {
  answers: number
  exactMatch?: number
  f1?: number
  denotation?: number
  target?: number
  reply?: number
  /** Share of right replies among the answers whose target is right: p(reply | target). */
  replyGivenTarget?: number
}

/** Scores a prediction against all right answers. */
export function scoreAnswer(prediction: string, answers: readonly string[], metric?: AnswerMetric): AnswerScore {
  const score: AnswerScore = { exactMatch: exactMatch(prediction, answers), f1: f1(prediction, answers) }
  if (metric === 'denotation')
    return { ...score, denotation: answers.some((answer) => denotationMatch(prediction, answer)) }
  return metric === 'reply' ? { ...score, ...replyMatch(prediction, answers) } : score
}

const scoreNames = ['exactMatch', 'f1', 'denotation', 'target', 'reply'] as const

/** Means over scored answers, for the metrics that were judged. */
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
