// Distractors of a context: documents that look right for its questions and answer none of them.

import { deriveSeed, Random } from '../random'
import type { Ranking } from '../retrieval/retriever'
import type { ChunkList, Source } from './chunk-list'
import { evidenceOf } from './golden'
import { holds } from './holds'
import type { RaftQuestion } from './questions'
import type { Side } from './split-documents'

export interface DistractorPool {
  chunks: ChunkList
  /** By the number of a chunk. */
  sideOf: (chunk: number) => Side
  seed: number
}

/** Share of the golden chunk's score from which on a hit counts as hard. */
const leastShare = 0.1

/** What distractors are looked for of. */
export interface Wanted {
  readonly golden: Source
  readonly questions: readonly RaftQuestion[]
  /** All chunks in the order in which they fit {@link queryOf} of the questions. */
  readonly ranking: Ranking
}

/** Finds distractors for the questions of one golden chunk, `count` of them or as many as there are, hardest first. */
export type FindDistractors = (wanted: Wanted, count: number) => Source[]

/** What is looked for to find what distracts from the answers of all questions together. */
export const queryOf = (questions: readonly RaftQuestion[]): string =>
  questions.map(({ question }) => question).join('\n')

/**
 * Candidates are the hits of all questions together, then the others in seeded order. A hit that scores less than a
 * tenth of the golden chunk shares words with every document and distracts no more than any other: among those the shortest
 * would always come first, and a model would learn to know them. Never among them: the golden
 * chunk, a text that is in the context already, what holds the answer or a quote of one of the questions in whatever
 * form. Training contexts take nothing that is held out, in whatever document it is; held-out ones take from documents
 * that are held out, and only when those are too few from the others. No more candidates are looked at than it takes.
 */
export function distractorFinder({ chunks, sideOf, seed }: DistractorPool): FindDistractors {
  const all = Uint32Array.from({ length: chunks.length }, (_, chunk) => chunk)
  const test = all.filter((chunk) => sideOf(chunk) === 'test')
  const heldOut = new Set<number>()
  for (const chunk of test) heldOut.add(chunks.contentOf(chunk))
  const train = all.filter((chunk) => sideOf(chunk) === 'train' && !heldOut.has(chunks.contentOf(chunk)))
  const pools: Record<Side, Uint32Array> = { train, test }
  // By number, for it is asked of every hit.
  const isIn: Record<Side, Uint8Array> = { train: new Uint8Array(chunks.length), test: new Uint8Array(chunks.length) }
  for (const side of ['train', 'test'] as const) for (const chunk of pools[side]) isIn[side][chunk] = 1

  return ({ golden, questions, ranking }, count) => {
    if (count === 0) return []
    const evidence = questions.filter(({ unanswerable }) => !unanswerable).map(evidenceOf)
    const quotes = evidence.flatMap((each) => each.quotes.map(({ form }) => form))
    const answers = [...new Set(evidence.map((each) => each.answer))]
    const sides: Side[] = sideOf(golden.index) === 'train' ? ['train'] : ['test', 'train']
    const pooled = sides.map((side) => new Candidates(ranked(side, ranking, golden)))
    const picked: Source[] = []
    const texts = new Set([golden.content])
    // An answer inside a longer word answers nothing, but what has none at all is the safer choice.
    for (const inside of [false, true]) {
      for (const candidates of pooled) {
        for (const chunk of candidates.all()) {
          if (picked.length === count) return picked
          const content = chunks.contentOf(chunk)
          if (texts.has(content)) continue
          const form = chunks.formOf(chunk)
          if (quotes.some((quote) => form.includes(quote))) continue
          const found = answers.map((answer) => holds(form, answer))
          if (found.some((how) => how === 'words' || how === 'attached') || found.includes('part') !== inside) continue
          picked.push(chunks.at(chunk))
          texts.add(content)
        }
      }
    }
    return picked
  }

  function* ranked(side: Side, ranking: Ranking, golden: Source): Generator<number> {
    const hits = new Set<number>([golden.index])
    const near = { of: golden.index, share: leastShare }
    for (const { text } of ranking.best({ keep: (index) => isIn[side][index] === 1, near })) {
      if (hits.has(text)) continue
      hits.add(text)
      yield text
    }
    for (const chunk of inSeededOrder(pools[side], deriveSeed(seed, 'fill', golden.id)))
      if (!hits.has(chunk)) yield chunk
  }
}

/** Candidates that are gone through more than once and found only once. */
class Candidates {
  readonly #found: number[] = []
  readonly #rest: Generator<number>

  constructor(candidates: Generator<number>) {
    this.#rest = candidates
  }

  *all(): Generator<number> {
    for (let i = 0; ; i++) {
      if (i === this.#found.length) {
        const next = this.#rest.next()
        if (next.done === true) return
        this.#found.push(next.value)
      }
      yield this.#found[i]!
    }
  }
}

/** The items in an order that the seed decides, in time for those that are taken. */
function* inSeededOrder(items: Uint32Array, seed: number): Generator<number> {
  const random = new Random(seed)
  // Fisher–Yates on places, of which only the exchanged ones are kept.
  const moved = new Map<number, number>()
  for (let last = items.length - 1; last >= 0; last--) {
    const at = random.below(last + 1)
    yield items[moved.get(at) ?? at]!
    moved.set(at, moved.get(last) ?? last)
  }
}
