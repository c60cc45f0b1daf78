// Distractors of a context: documents that look right for its questions and answer none of them.

import { deriveSeed, shuffle } from '../random'
import { evidenceOf, holds, type Source } from './golden'
import type { RaftQuestion } from './questions'
import type { Retriever } from './retriever'
import type { Side } from './split-documents'

export interface DistractorPool {
  /** By id. */
  sources: ReadonlyMap<string, Source>
  sideOf: (source: Source) => Side
  retriever: Retriever
  seed: number
}

/** Share of the golden chunk's score from which on a hit counts as hard. */
const leastShare = 0.1

/** Finds distractors for the questions of one golden chunk, `count` of them or as many as there are, hardest first. */
export type FindDistractors = (golden: Source, questions: readonly RaftQuestion[], count: number) => Source[]

/**
 * Candidates are the BM25 hits of all questions together, then the others in seeded order. A hit that scores less than a
 * tenth of the golden chunk shares words with every document and distracts no more than any other: among those the shortest
 * would always come first, and a model would learn to know them. Never among them: the golden
 * chunk, a text that stands in the context already, what holds the answer or a quote of one of the questions. Training
 * contexts take nothing that is held out, in whatever document it stands; held-out ones take from documents that are held
 * out, and only when those are too few from the others.
 */
export function distractorFinder({ sources, sideOf, retriever, seed }: DistractorPool): FindDistractors {
  const bySide: Record<Side, Source[]> = { train: [], test: [] }
  for (const source of sources.values()) bySide[sideOf(source)].push(source)
  const heldOut = new Set(bySide.test.map((source) => source.folded))
  const pools = { train: bySide.train.filter((source) => !heldOut.has(source.folded)), test: bySide.test }

  return (golden, questions, count) => {
    if (count === 0) return []
    const evidence = questions.map(evidenceOf)
    const quotes = evidence.flatMap((each) => each.quotes)
    const answers = [...new Set(evidence.map((each) => each.answer))]
    const query = questions.map(({ question }) => question).join('\n')
    const side = sideOf(golden)
    const picked: Source[] = []
    const texts = new Set([golden.folded])
    const pooled = (side === 'train' ? [pools.train] : [pools.test, pools.train]).map((pool) =>
      ranked(pool, query, golden.id),
    )
    // An answer inside a longer word answers nothing, but what has none at all is the safer choice.
    for (const inside of [false, true]) {
      for (const candidates of pooled) {
        for (const source of candidates()) {
          if (picked.length === count) return picked
          if (texts.has(source.folded) || quotes.some((quote) => source.folded.includes(quote))) continue
          const found = answers.map((answer) => holds(source.lower, answer))
          if (found.includes('words') || found.includes('part') !== inside) continue
          picked.push(source)
          texts.add(source.folded)
        }
      }
    }
    return picked
  }

  /** Hits are searched when they are first asked for: most contexts need no pool but their own. */
  function ranked(pool: readonly Source[], query: string, goldenId: string): () => Generator<Source> {
    let hits: Set<Source> | undefined
    return function* () {
      if (hits === undefined) {
        const ids = new Set(pool.map(({ id }) => id))
        const found = retriever.search(query, { among: (id) => ids.has(id) || id === goldenId })
        const least = leastShare * (found.find(({ id }) => id === goldenId)?.score ?? 0)
        const hard = found.filter(({ id, score }) => id !== goldenId && score >= least)
        hits = new Set(hard.map(({ id }) => sources.get(id)!))
      }
      yield* hits
      const others = pool.filter((source) => !hits!.has(source) && source.id !== goldenId)
      yield* shuffle(others, deriveSeed(seed, 'fill', goldenId))
    }
  }
}
