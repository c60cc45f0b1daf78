// Which texts hold which words: what search and the look-up of answers share.

import { ownText } from '../own-text'
import { canonical } from './canonical'
import { EntryArrays, type Entries, type Postings } from './entries'
import { isAlone, termsOf } from './terms'
import { lastAtMost, Vocabulary } from './vocabulary'

const none: Postings = { texts: new Uint32Array(0), counts: new Uint16Array(0) }

/** Numbers that are added one by one, without ever moving those that are there. */
class Growing {
  readonly #blocks: Uint32Array[] = []
  length = 0

  push(value: number): void {
    if ((this.length & inBlock) === 0) this.#blocks.push(new Uint32Array(inBlock + 1))
    this.#blocks[this.length >>> blockBits]![this.length & inBlock] = value
    this.length++
  }

  at(i: number): number {
    return this.#blocks[i >>> blockBits]![i & inBlock]!
  }

  set(i: number, value: number): void {
    this.#blocks[i >>> blockBits]![i & inBlock] = value
  }

  add(i: number): void {
    this.#blocks[i >>> blockBits]![i & inBlock]!++
  }
}

const blockBits = 18
const inBlock = 2 ** blockBits - 1

/** What an index is made of. */
export interface IndexContent {
  /** Distinct terms of each text. */
  readonly lengths: Uint32Array
  /** In the order of their code units, with line feeds between them. */
  readonly terms: string
  /** By term, where its postings begin; one more at the end. */
  readonly starts: Uint32Array
  readonly entries: Entries
}

/** What an index in memory is made of. */
export interface IndexParts extends IndexContent {
  readonly entries: EntryArrays
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
  readonly #vocabulary: Vocabulary
  readonly #starts: Uint32Array
  readonly #entries: Entries

  constructor({ lengths, terms, starts, entries }: IndexContent) {
    this.size = lengths.length
    this.meanLength = entries.length / Math.max(1, this.size)
    this.#vocabulary = new Vocabulary(terms)
    ;[this.lengths, this.#starts, this.#entries] = [lengths, starts, entries]
  }

  /** Indexes `size` texts. Yields now and then, with how many are done: whoever runs it may pause. */
  static *of(texts: Iterable<string>, size: number): Generator<number, IndexParts, void> {
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
    const terms = [...ids.keys()].sort()
    const starts = new Uint32Array(terms.length + 1)
    /** By the number that a term had so far, where its next entry goes. */
    const next = new Uint32Array(terms.length)
    for (const [place, term] of terms.entries()) {
      const id = ids.get(term)!
      next[id] = starts[place]!
      starts[place + 1] = starts[place]! + frequencies.at(id)
    }
    const entries = new EntryArrays(entryTerms.length)
    for (let text = 0, entry = 0; text < size; text++) {
      for (let n = lengths[text]!; n > 0; n--, entry++) {
        const place = next[entryTerms.at(entry)]!++
        entries.texts[place] = text
        entries.counts[place] = Math.min(entryCounts.at(entry), 0xffff)
      }
    }
    return { lengths, terms: terms.join('\n'), starts, entries }
  }

  /** The texts that hold a term. @throws Error when they cannot be read any more */
  postings(term: string): Postings {
    const id = this.#vocabulary.idOf(term)
    return id < 0 ? none : this.#postingsOf(id)
  }

  #postingsOf(id: number): Postings {
    return this.#entries.slice(this.#starts[id]!, this.#starts[id + 1]!)
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
    const texts = new Set<number>()
    for (const id of this.#vocabulary.holding(before + term + after))
      for (const text of this.#postingsOf(id).texts) texts.add(text)
    return Uint32Array.from(texts).sort()
  }
}

function includes(sorted: Uint32Array, value: number): boolean {
  const at = lastAtMost(sorted, value)
  return sorted[at] === value
}
