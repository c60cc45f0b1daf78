// BM25 retrieval over texts, as RAFT's retriever finds what distracts.

import { canonical } from './canonical'
import { TermIndex } from './term-index'
import { termsOf } from './terms'

/** A text that a {@link Retriever} indexes. */
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
  /** Called as texts are indexed. */
  onProgress?: (done: number) => void
}

/** What {@link Retriever.search} may find. */
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

/**
 * An index of texts and their titles that ranks them by BM25+ (Lv & Zhai 2011). Words are compared in one form: NFKC,
 * lower case, without soft hyphens; a word that a query repeats counts again.
 */
export class Retriever {
  readonly index: TermIndex
  readonly #ids: readonly string[]
  readonly #k: number
  readonly #b: number
  readonly #d: number
  /** Scores of the texts that the present query found; all others are 0. */
  readonly #scores: Float64Array
  readonly #found: Uint32Array
  #foundCount = 0

  constructor(texts: readonly RetrievedText[], { k = 1.2, b = 0.75, d = 0.5, onProgress }: Bm25Parameters = {}) {
    this.#ids = texts.map(({ id }) => id)
    this.index = new TermIndex(
      texts.map(({ title, text }) => (title === undefined ? text : `${title}\n${text}`)),
      onProgress,
    )
    ;[this.#k, this.#b, this.#d] = [k, b, d]
    this.#scores = new Float64Array(texts.length)
    this.#found = new Uint32Array(texts.length)
  }

  /** The texts that share words with `query`, best first; equals in the order they were given. */
  search(query: string, { limit = Infinity, among }: SearchOptions = {}): Hit[] {
    const hits: Hit[] = []
    const ranked = this.rank(query, (text) => among === undefined || among(this.#ids[text]!))
    for (const { text, score } of ranked) {
      if (hits.length >= limit) break
      hits.push({ id: this.#ids[text]!, score })
    }
    return hits
  }

  /**
   * The texts that share words with `query`, by number from 0, best first. They are sorted only as far as the caller
   * iterates.
   * @param keep returns whether a text is wanted
   */
  rank(query: string, keep: (text: number, score: number) => boolean): Generator<RankedText> {
    this.#score(query)
    const kept: RankedText[] = []
    for (let i = 0; i < this.#foundCount; i++) {
      const text = this.#found[i]!
      const score = this.#scores[text]!
      if (keep(text, score)) kept.push({ text, score })
    }
    return bestFirst(kept)
  }

  /** The numbers in `texts`, best for `query` first; those that share no word with it come last, with score 0. */
  rankAmong(query: string, texts: Iterable<number>): Generator<RankedText> {
    const all = [...texts]
    // One needs no order.
    if (all.length > 1) this.#score(query)
    return bestFirst(Array.from(all, (text) => ({ text, score: this.#scores[text]! })))
  }

  /**
   * The score of one text for `query`; 0 when they share no word.
   * @param text its number, from 0
   */
  scoreOf(query: string, text: number): number {
    this.#score(query)
    return this.#scores[text]!
  }

  #query: string | undefined

  #score(query: string): void {
    if (query === this.#query) return
    this.#query = query
    for (let i = 0; i < this.#foundCount; i++) this.#scores[this.#found[i]!] = 0
    this.#foundCount = 0
    const counts = new Map<string, number>()
    for (const term of termsOf(canonical(query))) counts.set(term, (counts.get(term) ?? 0) + 1)
    const { index } = this
    for (const [term, times] of counts) {
      const { texts, counts: frequencies } = index.postings(term)
      const weight = times * Math.log(1 + (index.size - texts.length + 0.5) / (texts.length + 0.5))
      for (let i = 0; i < texts.length; i++) {
        const [text, frequency] = [texts[i]!, frequencies[i]!]
        const length = 1 - this.#b + (this.#b * index.lengths[text]!) / index.meanLength
        if (this.#scores[text] === 0) this.#found[this.#foundCount++] = text
        this.#scores[text]! += weight * (this.#d + (frequency * (this.#k + 1)) / (frequency + this.#k * length))
      }
    }
  }
}

/** A text by its number. */
export interface RankedText {
  text: number
  score: number
}

const isBefore = (a: RankedText, b: RankedText): boolean =>
  a.score > b.score || (a.score === b.score && a.text < b.text)

/** Takes the best of a heap as long as more are asked for. */
function* bestFirst(heap: RankedText[]): Generator<RankedText> {
  const sink = (from: number) => {
    const held = heap[from]!
    let at = from
    for (let child = 2 * at + 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, held)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = held
  }
  for (let i = (heap.length >> 1) - 1; i >= 0; i--) sink(i)
  while (heap.length > 0) {
    const best = heap[0]!
    const last = heap.pop()!
    if (heap.length > 0) {
      heap[0] = last
      sink(0)
    }
    yield best
  }
}
