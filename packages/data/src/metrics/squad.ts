// Exact match and token F1 as SQuAD defines them (Rajpurkar et al. 2016), and exact match of plain text.

const PUNCTUATION = /[!-/:-@[-`{-~]/g
const ARTICLES = /(?<![\p{L}\p{N}_])(?:a|an|the)(?![\p{L}\p{N}_])/gu

/** An answer as SQuAD compares it: lower case, without ASCII punctuation and English articles, white space folded. */
export const normalizeAnswer = (text: string): string =>
  text.toLowerCase().replace(PUNCTUATION, '').replace(ARTICLES, ' ').replace(/\s+/g, ' ').trim()

/** Whether the prediction is one of `answers` to the letter, but for white space around them. */
export const exactMatch = (prediction: string, answers: readonly string[]): boolean =>
  answers.some((answer) => answer.trim() === prediction.trim())

/** Whether the prediction is one of `answers` once both are normalised, see {@link normalizeAnswer}. */
export const squadExactMatch = (prediction: string, answers: readonly string[]): boolean =>
  answers.some((answer) => normalizeAnswer(answer) === normalizeAnswer(prediction))

/**
 * Token F1 in [0, 1], the best over `answers`: 2·precision·recall / (precision + recall) of the words both have in common,
 * as multisets, normalised. Where either has no words, 1 if both have none, else 0, as in SQuAD 2.0.
 */
export const f1 = (prediction: string, answers: readonly string[]): number =>
  answers.reduce((best, answer) => Math.max(best, wordF1(wordsOf(prediction), wordsOf(answer))), 0)

const wordsOf = (text: string): string[] => normalizeAnswer(text).split(' ').filter(Boolean)

function wordF1(predicted: readonly string[], gold: readonly string[]): number {
  if (predicted.length === 0 || gold.length === 0) return predicted.length === gold.length ? 1 : 0
  const left = new Map<string, number>()
  for (const word of gold) left.set(word, (left.get(word) ?? 0) + 1)
  let common = 0
  for (const word of predicted) {
    const count = left.get(word) ?? 0
    if (count > 0) common++
    left.set(word, count - 1)
  }
  return (2 * common) / (predicted.length + gold.length)
}
