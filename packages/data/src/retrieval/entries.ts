// Which texts hold each term of an index: in memory, or in a file that is read by place.

/** Texts that hold a term, by number and in order, each with how often it does. */
export interface Postings {
  readonly texts: Uint32Array
  readonly counts: Uint16Array
}

/** The postings of all terms, one behind the other. */
export interface Entries {
  readonly length: number
  /** Those from one place to another; they may be changed by the next call. @throws Error when they cannot be read any more */
  slice(start: number, end: number): Postings
}

/** Takes the postings of terms, one behind the other. */
export interface EntrySink {
  /** @param first is added to the numbers of the texts */
  add(postings: Postings, first: number): void
}

/** Postings in typed arrays. */
export class EntryArrays implements Entries, EntrySink {
  readonly texts: Uint32Array
  /** How often each text has the term. */
  readonly counts: Uint16Array
  #added = 0

  constructor(length: number) {
    this.texts = new Uint32Array(length)
    this.counts = new Uint16Array(length)
  }

  get length(): number {
    return this.texts.length
  }

  slice(start: number, end: number): Postings {
    return { texts: this.texts.subarray(start, end), counts: this.counts.subarray(start, end) }
  }

  add({ texts, counts }: Postings, first: number): void {
    for (let i = 0; i < texts.length; i++) this.texts[this.#added + i] = first + texts[i]!
    this.counts.set(counts, this.#added)
    this.#added += texts.length
  }
}
