// BM25 retrieval over texts, as RAFT's retriever finds what distracts.

import { BestFirst, isBefore, type RankedText } from './best-first'
import { canonical } from './canonical'
import type { List } from '../work/kept'
import type { Postings } from './entries'
import { TermIndex, type IndexParts } from './term-index'
import { termsOf } from './terms'

/** A text that a {@link Bm25Index} indexes. */
export interface RetrievedText {
  id: string
  /** Its words count as those of the text. */
  title?: string
  text: string
}

/** Parameters of BM25+ (Lv & Zhai 2011). */
export interface Bm25Parameters {
  /** How soon repeating a word stops to count (default 1.2). */
  k?: number
  /** How much long texts are held back, from 0 to 1 (default 0.75). */
  b?: number
  /** What a word counts at least where it is (default 0.5; 0 is plain BM25). */
  d?: number
  /** The index of the texts, where it is made already (see {@link indexing}). */
  index?: TermIndex
  /** Called as texts are indexed. */
  onProgress?: (done: number) => void
}

/** Indexes `size` texts and their titles. Yields now and then, with how many are done. */
export function indexing(texts: Iterable<RetrievedText>, size: number): Generator<number, IndexParts, void> {
  function* whole(): Generator<string> {
    for (const { title, text } of texts) yield title === undefined ? text : `${title}\n${text}`
  }
  return TermIndex.of(whole(), size)
}

function indexAll(texts: List<RetrievedText>, onProgress?: (done: number) => void): TermIndex {
  const steps = indexing(texts, texts.length)
  let step = steps.next()
  for (; step.done !== true; step = steps.next()) onProgress?.(step.value)
  return new TermIndex(step.value)
}

/** What {@link Bm25Index.search} may find. */
export interface SearchOptions {
  /** Most hits; all when absent. */
  limit?: number
  /** Only texts for whose id it returns true are found; all when absent. */
  among?: (id: string) => boolean
}

/** A text that was found; a higher BM25+ score fits the query better. */
export interface Hit {
  id: string
  score: number
}

/** A word of a query: the texts that hold it, and what it counts. */
interface QueryTerm extends Postings {
  readonly term: string
  readonly weight: number
}

/** A share of what a query's words count at most, so little that they need not be looked up for every text. */
const slightShare = 0.02
/** So many texts ahead are more than most callers ask for. */
const enough = 24
/** Best texts of slight words that are kept for further queries with the same ones. */
const keptBest = 256
/** Sets of slight words whose best texts are kept. */
const keptQueries = 1000
/** Sums of the same numbers in another order differ by less. */
const rounding = 1 + 1e-9

/**
 * An index of texts and their titles that ranks them by BM25+ (Lv & Zhai 2011). Words are compared in one form: NFKC,
 * lower case, without soft hyphens; a word that a query repeats counts again.
 *
 * Words that count little, since nearly all texts hold them, are looked up only for texts that can be among the best that are
 * asked for: exactly, as MaxScore does (Turtle & Flood 1995).
 */
export class Bm25Index {
  readonly index: TermIndex
  readonly #texts: List<RetrievedText>
  readonly #k: number
  readonly #d: number
  /** How far the length of each text holds it back. */
  readonly #damping: Float64Array
  /** While texts are scored; 0 for all others. */
  readonly #scores: Float64Array
  /** Texts whose score is not 0. */
  readonly #found: Uint32Array
  /** By word, the most that a unit of its weight adds to a score. */
  readonly #most = new Map<string, number>()
  readonly #best = new Map<string, readonly RankedText[]>()
  #last: { readonly query: string; readonly terms: readonly QueryTerm[] } | undefined

  constructor(texts: List<RetrievedText>, { k = 1.2, b = 0.75, d = 0.5, ...options }: Bm25Parameters = {}) {
    this.#texts = texts
    const index = options.index ?? indexAll(texts, options.onProgress)
    this.index = index
    ;[this.#k, this.#d] = [k, d]
    this.#damping = Float64Array.from(index.lengths, (length) => k * (1 - b + (b * length) / index.meanLength))
    this.#scores = new Float64Array(texts.length)
    this.#found = new Uint32Array(texts.length)
  }

  /** The texts that share words with `query`, best first; equals in the order they were given. */
  search(query: string, { limit = Infinity, among }: SearchOptions = {}): Hit[] {
    const hits: Hit[] = []
    const idOf = (text: number) => this.#texts.at(text)!.id
    const ranked = this.rank(query, (text) => among === undefined || among(idOf(text)))
    for (const { text, score } of ranked) {
      if (hits.length >= limit) break
      hits.push({ id: idOf(text), score })
    }
    return hits
  }

  /**
   * The texts that share words with `query`, by number from 0, best first. They are sorted, and looked at, only as far as the
   * caller iterates.
   * @param keep returns whether a text is wanted
   * @param least the score from which on texts are wanted (default: any)
   */
  *rank(query: string, keep: (text: number) => boolean, least = 0): Generator<RankedText> {
    const { main, rest, bound, inPart } = this.#candidates(this.#terms(query), keep, least)
    const isOther = (text: number) => keep(text) && main.every(({ texts }) => placeOf(texts, text) < 0)
    const others = this.#others(bound < least ? [] : rest, least, isOther)
    // Not looked at before it can be next.
    let other: IteratorResult<RankedText, void> | undefined
    const scored = new BestFirst([])
    const waiting = new BestFirst(inPart)
    for (;;) {
      for (
        let next = waiting.top;
        next && next.score * rounding + bound >= (scored.top?.score ?? 0);
        next = waiting.top
      ) {
        const { text } = waiting.pop()!
        const score = this.scoreOf(query, text)
        if (score >= least) scored.push({ text, score })
      }
      const best = scored.pop()
      if (best === undefined) break
      if (best.score <= bound)
        for (other ??= others.next(); other.done !== true && isBefore(other.value, best); other = others.next())
          yield other.value
      yield best
    }
    for (other ??= others.next(); other.done !== true; other = others.next()) yield other.value
  }

  /** The numbers in `texts`, best for `query` first; those that share no word with it come last, with score 0. */
  rankAmong(query: string, texts: Iterable<number>): Generator<RankedText> {
    return new BestFirst(Array.from(texts, (text) => ({ text, score: this.scoreOf(query, text) }))).drain()
  }

  /**
   * The score of one text for `query`; 0 when they share no word.
   * @param text its number, from 0
   */
  scoreOf(query: string, text: number): number {
    let score = 0
    for (const term of this.#terms(query)) {
      const at = placeOf(term.texts, text)
      if (at >= 0) score += term.weight * this.#worth(text, term.counts[at]!)
    }
    return score
  }

  #terms(query: string): readonly QueryTerm[] {
    if (this.#last?.query === query) return this.#last.terms
    const counts = new Map<string, number>()
    for (const term of termsOf(canonical(query))) counts.set(term, (counts.get(term) ?? 0) + 1)
    const { size } = this.index
    const terms = Array.from(counts, ([term, times]): QueryTerm => {
      const postings = this.index.postings(term)
      const count = postings.texts.length
      return { ...postings, term, weight: times * Math.log(1 + (size - count + 0.5) / (count + 0.5)) }
    })
    this.#last = { query, terms }
    return terms
  }

  /**
   * Texts and what the words that count most add to their scores. The rest of the words, which together add `bound` at most, is
   * left out once it decides little, or enough texts are ahead of all that hold nothing else.
   */
  #candidates(terms: readonly QueryTerm[], keep: (text: number) => boolean, least: number) {
    const most = new Map(terms.map((term) => [term, this.#mostOf(term)]))
    const sum = (some: readonly QueryTerm[]) => some.reduce((total, term) => total + most.get(term)!, 0)
    const ordered = [...terms].sort((a, b) => most.get(b)! - most.get(a)!)
    const slight = Math.max(least / 2, slightShare * sum(terms))
    const [scores, found] = [this.#scores, this.#found]
    let [taken, count, bound] = [0, 0, sum(terms)]
    const leads = (): boolean => {
      let ahead = 0
      for (let i = 0; i < count && ahead < enough; i++) if (scores[found[i]!]! >= bound && keep(found[i]!)) ahead++
      return ahead === enough
    }
    while (taken < ordered.length && bound > slight && !leads()) {
      count = this.#add(ordered[taken++]!, count)
      bound = sum(ordered.slice(taken))
    }
    const inPart = this.#take(count, (text, score) => score * rounding + bound >= least && keep(text))
    return {
      main: ordered.slice(0, taken),
      rest: terms.filter((term) => ordered.indexOf(term) >= taken),
      bound,
      inPart,
    }
  }

  /** What a unit of a term's weight adds to the score of a text that has it so often. */
  #worth(text: number, frequency: number): number {
    return this.#d + (frequency * (this.#k + 1)) / (frequency + this.#damping[text]!)
  }

  /** The most that a term adds to a text's score. */
  #mostOf({ term, weight, texts, counts }: QueryTerm): number {
    let most = this.#most.get(term)
    if (most === undefined) {
      most = 0
      for (let i = 0; i < texts.length; i++) most = Math.max(most, this.#worth(texts[i]!, counts[i]!))
      this.#most.set(term, most)
    }
    return weight * most * rounding
  }

  /** The texts that hold one of these words, best first, scored by them alone. */
  *#others(terms: readonly QueryTerm[], least: number, keep: (text: number) => boolean): Generator<RankedText, void> {
    if (terms.length === 0) return
    const key = terms.map(({ term, weight }) => `${term} ${weight}`).join('\n')
    const best = this.#best.get(key) ?? [...new BestFirst(this.#scoredBy(terms, () => true)).drain(keptBest)]
    if (this.#best.size >= keptQueries) this.#best.clear()
    this.#best.set(key, best)
    for (const each of best) {
      if (each.score < least) return
      if (keep(each.text)) yield each
    }
    if (best.length < keptBest) return
    const last = best.at(-1)!
    const rest = this.#scoredBy(terms, (text, score) => score >= least && isBefore(last, { text, score }) && keep(text))
    yield* new BestFirst(rest).drain()
  }

  /** Adds what a term counts to the scores of the texts that hold it. @returns how many have a score, of whom `count` had one */
  #add({ texts, counts, weight }: QueryTerm, count: number): number {
    const [scores, found] = [this.#scores, this.#found]
    for (let i = 0; i < texts.length; i++) {
      const text = texts[i]!
      if (scores[text] === 0) found[count++] = text
      scores[text]! += weight * this.#worth(text, counts[i]!)
    }
    return count
  }

  /** Takes all scores, and gives those that are wanted. */
  #take(count: number, wanted: (text: number, score: number) => boolean): RankedText[] {
    const scored: RankedText[] = []
    for (let i = 0; i < count; i++) {
      const text = this.#found[i]!
      const score = this.#scores[text]!
      this.#scores[text] = 0
      if (wanted(text, score)) scored.push({ text, score })
    }
    return scored
  }

  /** The texts that hold one of these words, scored by them alone, as far as they are wanted. */
  #scoredBy(terms: readonly QueryTerm[], wanted: (text: number, score: number) => boolean): RankedText[] {
    let count = 0
    for (const term of terms) count = this.#add(term, count)
    return this.#take(count, wanted)
  }
}

/** Where `text` is in a sorted list; −1 where it is not. */
function placeOf(sorted: Uint32Array, text: number): number {
  let [low, high] = [0, sorted.length - 1]
  while (low <= high) {
    const middle = (low + high) >> 1
    const found = sorted[middle]!
    if (found === text) return middle
    if (found < text) low = middle + 1
    else high = middle - 1
  }
  return -1
}
