// BM25 retrieval over texts, as RAFT's retriever finds what distracts.

import MiniSearch from 'minisearch'

export interface RetrievedText {
  id: string
  title?: string
  text: string
}

/** Parameters of BM25+ (Lv & Zhai 2011). */
export interface Bm25Parameters {
  /** How soon repeating a word stops to count (default 1.2). */
  k?: number
  /** How much long texts are held back, from 0 to 1 (default 0.75). */
  b?: number
  /** What a word counts at least where it stands (default 0.5; 0 is plain BM25). */
  d?: number
}

export interface SearchOptions {
  /** Most hits; all when absent. */
  limit?: number
  /** Only texts for which it holds are found. */
  among?: (id: string) => boolean
}

export interface Hit {
  id: string
  score: number
}

/** Where words are not set apart by spaces, each character is one. */
const TERM =
  /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}]|(?:(?![\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}])[\p{L}\p{M}\p{N}])+/gu

const termsOf = (text: string): string[] => text.match(TERM) ?? []

/** An index of titles and texts. Case does not count; all words of a query count, as often as they stand in it. */
export class Retriever {
  readonly #index: MiniSearch<{ id: number; content: string }>
  readonly #ids: readonly string[]

  constructor(texts: readonly RetrievedText[], { k = 1.2, b = 0.75, d = 0.5 }: Bm25Parameters = {}) {
    this.#ids = texts.map(({ id }) => id)
    this.#index = new MiniSearch({
      fields: ['content'],
      tokenize: termsOf,
      searchOptions: { bm25: { k, b, d } },
    })
    this.#index.addAll(texts.map(({ title = '', text }, id) => ({ id, content: `${title}\n${text}` })))
  }

  /** The texts that share words with `query`, best first; among equals, those that were given first. */
  search(query: string, { limit, among }: SearchOptions = {}): Hit[] {
    const counts = new Map<string, number>()
    for (const term of termsOf(query.toLowerCase())) counts.set(term, (counts.get(term) ?? 0) + 1)
    const hits = this.#index.search([...counts.keys()].join(' '), {
      boostTerm: (term) => counts.get(term)!,
      ...(among === undefined ? {} : { boostDocument: (index: number) => (among(this.#ids[index]!) ? 1 : 0) }),
    })
    // MiniSearch multiplies its sum by the number of words found, which BM25 does not.
    const scored = hits.map(({ id, score, queryTerms }) => ({ index: id as number, score: score / queryTerms.length }))
    scored.sort((a, b) => b.score - a.score || a.index - b.index)
    return scored.slice(0, limit).map(({ index, score }) => ({ id: this.#ids[index]!, score }))
  }
}

/** Finds the name among `names` most like another, letter by letter; undefined when none is near. */
export function nameFinder(names: readonly string[]): (name: string) => string | undefined {
  let index: MiniSearch<{ id: number; name: string }> | undefined
  return (name) => {
    if (index === undefined) {
      index = new MiniSearch({ fields: ['name'], tokenize: (text) => [text] })
      index.addAll(names.map((each, id) => ({ id, name: each })))
    }
    const [best] = index.search(name, { fuzzy: 0.34, prefix: true })
    return best === undefined ? undefined : names[best.id as number]
  }
}
