// Which texts hold which words, in typed arrays: what search and the look-up of answers share.

import { canonical } from './canonical'
import { isAlone, termsOf } from './terms'

/** Texts that hold a term, by number and in order, each with how often it does. */
export interface Postings {
  texts: Uint32Array
  counts: Uint16Array
}

const none: Postings = { texts: new Uint32Array(0), counts: new Uint16Array(0) }

/** Numbers that are added one by one, without ever moving those that are there. */
class Growing {
  readonly #blocks: Uint32Array[] = []
  length = 0

  push(value: number): void {
    if (this.length % blockSize === 0) this.#blocks.push(new Uint32Array(blockSize))
    this.#blocks.at(-1)![this.length++ % blockSize] = value
  }

  at(i: number): number {
    return this.#blocks[Math.floor(i / blockSize)]![i % blockSize]!
  }

  set(i: number, value: number): void {
    this.#blocks[Math.floor(i / blockSize)]![i % blockSize] = value
  }

  add(i: number): void {
    this.#blocks[Math.floor(i / blockSize)]![i % blockSize]!++
  }
}

const blockSize = 2 ** 18

/** What an index is made of. */
export interface IndexParts {
  /** Distinct terms of each text. */
  readonly lengths: Uint32Array
  /** By number. */
  readonly terms: readonly string[]
  /** By term, where its texts begin in the two lists; one more at the end. */
  readonly starts: Uint32Array
  readonly texts: Uint32Array
  /** How often each has the term. */
  readonly counts: Uint16Array
}

/** Texts that are indexed in one go. */
const textsAtOnce = 1000

/** An inverted index of texts in canonical form. */
export class TermIndex {
  /** How many texts there are. */
  readonly size: number
  /** Distinct terms of each text. */
  readonly lengths: Uint32Array
  readonly meanLength: number
  readonly #ids: ReadonlyMap<string, number>
  readonly #starts: Uint32Array
  readonly #texts: Uint32Array
  readonly #counts: Uint16Array
  /** All terms, each after a line feed, for those that hold a piece of text. */
  #vocabulary: string | undefined
  /** Where each begins in it. */
  #offsets = new Uint32Array(0)

  constructor({ lengths, terms, starts, texts, counts }: IndexParts) {
    this.size = lengths.length
    this.meanLength = texts.length / Math.max(1, this.size)
    this.#ids = new Map(terms.map((term, id) => [term, id]))
    ;[this.lengths, this.#starts, this.#texts, this.#counts] = [lengths, starts, texts, counts]
  }

  /** To be kept, and made an index of again. */
  get parts(): IndexParts {
    const [lengths, starts, texts, counts] = [this.lengths, this.#starts, this.#texts, this.#counts]
    return { lengths, terms: [...this.#ids.keys()], starts, texts, counts }
  }

  /** Indexes `size` texts. Yields now and then, with how many are done: whoever runs it may pause. */
  static *of(texts: Iterable<string>, size: number): Generator<number, TermIndex, void> {
    const lengths = new Uint32Array(size)
    const ids = new Map<string, number>()
    const [entryTerms, entryCounts] = [new Growing(), new Growing()]
    // By term: the last text that had it, plus 1, and its entry there.
    const [lastText, lastEntry] = [new Growing(), new Growing()]
    const frequencies = new Growing()
    let t = 0
    for (const text of texts) {
      for (const term of termsOf(canonical(text))) {
        let id = ids.get(term)
        if (id === undefined) {
          id = ids.size
          ids.set(ownText(term), id)
          for (const numbers of [lastText, lastEntry, frequencies]) numbers.push(0)
        }
        if (lastText.at(id) === t + 1) {
          entryCounts.add(lastEntry.at(id))
          continue
        }
        lastText.set(id, t + 1)
        lastEntry.set(id, entryTerms.length)
        frequencies.add(id)
        entryTerms.push(id)
        entryCounts.push(1)
        lengths[t]!++
      }
      if (++t % textsAtOnce === 0) yield t
    }
    const starts = new Uint32Array(ids.size + 1)
    for (let id = 0; id < ids.size; id++) starts[id + 1] = starts[id]! + frequencies.at(id)
    const parts = { texts: new Uint32Array(entryTerms.length), counts: new Uint16Array(entryTerms.length) }
    const next = starts.slice()
    for (let text = 0, entry = 0; text < size; text++) {
      for (let n = lengths[text]!; n > 0; n--, entry++) {
        const place = next[entryTerms.at(entry)]!++
        parts.texts[place] = text
        parts.counts[place] = Math.min(entryCounts.at(entry), 0xffff)
      }
    }
    return new TermIndex({ lengths, terms: [...ids.keys()], starts, ...parts })
  }

  /** The index of the texts of `parts`, one part's behind the other's: as if they had been indexed in one go. */
  static joined(parts: readonly IndexParts[]): TermIndex {
    if (parts.length === 1) return new TermIndex(parts[0]!)
    const ids = new Map<string, number>()
    const numbers = parts.map(({ terms }) =>
      Uint32Array.from(terms, (term) => {
        const id = ids.get(term) ?? ids.size
        ids.set(term, id)
        return id
      }),
    )
    const starts = new Uint32Array(ids.size + 1)
    for (const [p, part] of parts.entries())
      for (const [term, id] of numbers[p]!.entries()) starts[id + 1]! += part.starts[term + 1]! - part.starts[term]!
    for (let id = 0; id < ids.size; id++) starts[id + 1]! += starts[id]!
    const size = parts.reduce((sum, { lengths }) => sum + lengths.length, 0)
    const lengths = new Uint32Array(size)
    const texts = new Uint32Array(starts.at(-1)!)
    const counts = new Uint16Array(texts.length)
    const next = starts.slice()
    let first = 0
    for (const [p, part] of parts.entries()) {
      lengths.set(part.lengths, first)
      for (const [term, id] of numbers[p]!.entries()) {
        const end = part.starts[term + 1]!
        for (let entry = part.starts[term]!; entry < end; entry++) {
          const place = next[id]!++
          texts[place] = first + part.texts[entry]!
          counts[place] = part.counts[entry]!
        }
      }
      first += part.lengths.length
    }
    return new TermIndex({ lengths, terms: [...ids.keys()], starts, texts, counts })
  }

  postings(term: string): Postings {
    const id = this.#ids.get(term)
    return id === undefined ? none : this.#postingsOf(id)
  }

  #postingsOf(id: number): Postings {
    const [start, end] = [this.#starts[id]!, this.#starts[id + 1]!]
    return { texts: this.#texts.subarray(start, end), counts: this.#counts.subarray(start, end) }
  }

  /**
   * The texts that may hold `needle`, in order; all that do are among them.
   *
   * @param needle in canonical form
   * @param inWords whether it may be part of longer words at its ends
   */
  holding(needle: string, inWords: boolean): Uint32Array {
    const terms = termsOf(needle)
    if (terms.length === 0) return Uint32Array.from({ length: this.size }, (_, t) => t)
    const lists = [...new Set(terms)].map((term) => this.postings(term).texts)
    if (inWords) {
      const [first, last] = [terms[0]!, terms.at(-1)!]
      const edges =
        terms.length === 1
          ? [[first, '', '']]
          : [
              [first, '', '\n'],
              [last, '\n', ''],
            ]
      const inner = new Set(terms.slice(1, -1))
      const wider = edges.map(([term, before, after]) => this.#longer(term!, before!, after!))
      lists.splice(0, lists.length, ...[...inner].map((term) => this.postings(term).texts), ...wider)
    }
    lists.sort((a, b) => a.length - b.length)
    const [smallest, ...others] = lists
    return smallest!.filter((text) => others.every((list) => includes(list, text)))
  }

  /** The texts of all terms that hold `term`: ending in it where a line feed must follow, beginning where one is before. */
  #longer(term: string, before: string, after: string): Uint32Array {
    if (isAlone(term)) return this.postings(term).texts
    if (this.#vocabulary === undefined) {
      this.#offsets = new Uint32Array(this.#ids.size)
      let at = 1
      for (const [known, id] of this.#ids) {
        this.#offsets[id] = at
        at += known.length + 1
      }
      this.#vocabulary = `\n${[...this.#ids.keys()].join('\n')}\n`
    }
    const found = new Set<number>()
    const wanted = before + term + after
    for (let at = this.#vocabulary.indexOf(wanted); at >= 0; at = this.#vocabulary.indexOf(wanted, at + 1))
      found.add(lastAtMost(this.#offsets, at + before.length))
    const texts = new Set<number>()
    for (const id of found) for (const text of this.#postingsOf(id).texts) texts.add(text)
    return Uint32Array.from(texts).sort()
  }
}

/** A copy that does not keep the long text alive that it was cut from. */
const ownText = (term: string): string => (term.length < 13 ? term : term.split('').join(''))

function includes(sorted: Uint32Array, value: number): boolean {
  const at = lastAtMost(sorted, value)
  return sorted[at] === value
}

/** The last place whose value is at most `value`; −1 where none is. */
function lastAtMost(sorted: Uint32Array, value: number): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle]! <= value) low = middle + 1
    else high = middle
  }
  return low - 1
}
