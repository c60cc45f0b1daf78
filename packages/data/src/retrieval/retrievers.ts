// The retrievers: by words, by scores that a model gives, and several made one.

import { isBefore, type RankedText } from './best-first'
import type { Bm25Index } from './lexical'
import type { BestOptions, OpenRetriever, Ranking, Retriever } from './retriever'

/** The ranking of a question by its words. */
export const wordRanking = (index: Bm25Index, question: string): Ranking => ({
  best: ({ keep = () => true, near } = {}) =>
    index.rank(question, keep, near === undefined ? 0 : near.share * index.scoreOf(question, near.of)),
})

/** Finds texts by their words, with BM25+. Those that share none with the question are not found. */
export const bm25Retriever = (index: Bm25Index): Retriever => ({
  size: index.index.size,
  rank: (questions) => Promise.resolve(questions.map((question) => wordRanking(index, question))),
})

/** Opens {@link bm25Retriever}. */
export const openBm25: OpenRetriever = (_texts, words) => Promise.resolve(bm25Retriever(words))

/** Scores all texts of a collection for questions. */
export interface Scorer {
  readonly size: number
  /** For each question the scores of all texts, in their order. */
  scores(questions: readonly string[]): Promise<readonly Float32Array[]>
}

/** Finds texts by scores, such as the cosines of vectors. All texts are found, however little they fit. */
export const scoredRetriever = (scorer: Scorer): Retriever => ({
  size: scorer.size,
  rank: async (questions) =>
    (await scorer.scores(questions)).map((scores) => ({ best: (options) => best(scores, options) })),
})

/** Texts that are sorted at a time; each further time four times as many. */
const firstSorted = 64

function* best(scores: Float32Array, { keep, near }: BestOptions = {}): Generator<RankedText, void> {
  const least = near === undefined ? -Infinity : near.share * scores[near.of]!
  let last: RankedText = { text: -1, score: Infinity }
  for (let count = firstSorted; ; count *= 4) {
    const found = bestAfter(last, count, scores, (text) => scores[text]! >= least && (keep?.(text) ?? true))
    yield* found
    if (found.length < count) return
    last = found.at(-1)!
  }
}

/** The first texts behind `last`, `count` of them or as many as there are. */
function bestAfter(
  last: RankedText,
  count: number,
  scores: Float32Array,
  keep: (text: number) => boolean,
): RankedText[] {
  let found: RankedText[] = []
  let bar = -Infinity
  const cut = () => {
    found.sort((a, b) => b.score - a.score || a.text - b.text)
    found = found.slice(0, count)
  }
  for (let text = 0; text < scores.length; text++) {
    const score = scores[text]!
    if (score <= bar || score > last.score) continue
    const each = { text, score }
    if (!isBefore(last, each) || !keep(text)) continue
    found.push(each)
    // Sorted when twice as many as wanted are there: from then on most texts stay under the bar.
    if (found.length < 2 * count) continue
    cut()
    bar = found.at(-1)!.score
  }
  cut()
  return found
}

/** How rankings are made one. */
export interface FusionOptions {
  /** What is added to a place before it is inverted (default 60, as the paper has it). */
  readonly k?: number
  /** Places of each ranking that count (default 100). */
  readonly depth?: number
}

/**
 * Makes several retrievers of one collection one by reciprocal rank fusion (Cormack et al. 2009): a text scores Σ 1/(k + its
 * place), over the rankings that have it among their first, and at no less than a fifth of their best's score.
 */
export function fusedRetriever(parts: readonly Retriever[], { k = 60, depth = 100 }: FusionOptions = {}): Retriever {
  return {
    size: parts[0]?.size ?? 0,
    async rank(questions) {
      const rankings = await Promise.all(parts.map((part) => part.rank(questions)))
      return questions.map((_, i) => ({
        best: (options) =>
          fuse(
            rankings.map((ranking) => likely(ranking[i]!, options)),
            k,
            depth,
          ),
      }))
    },
  }
}

/** Hits that score less than this share of the best one say nothing, and looking for them takes longest. */
const leastOfBest = 0.2

function likely(ranking: Ranking, options: BestOptions = {}): Iterable<RankedText> {
  if (options.near) return ranking.best(options)
  for (const { text } of ranking.best(options))
    return ranking.best({ ...options, near: { of: text, share: leastOfBest } })
  return []
}

function fuse(rankings: readonly Iterable<RankedText>[], k: number, depth: number): RankedText[] {
  const scores = new Map<number, number>()
  for (const ranking of rankings) {
    let place = 0
    for (const { text } of ranking) {
      scores.set(text, (scores.get(text) ?? 0) + 1 / (k + ++place))
      if (place === depth) break
    }
  }
  const fused = Array.from(scores, ([text, score]) => ({ text, score }))
  return fused.sort((a, b) => b.score - a.score || a.text - b.text)
}
