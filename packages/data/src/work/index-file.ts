// An index of words in a file: numbers as they are in memory, behind a head that says how many.

import { closeSync, fsyncSync, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import type { Entries, EntrySink, Postings } from '../retrieval/entries'
import type { IndexContent } from '../retrieval/term-index'

interface Head {
  readonly entries: number
  readonly texts: number
  readonly terms: number
  /** Of the terms as UTF-8. */
  readonly bytes: number
}

/** The head is one line of so many bytes. */
const headBytes = 128

/** Where the parts of the file begin: texts and counts of the postings, lengths, starts, terms. */
function placesOf({ entries, texts, terms, bytes }: Head) {
  const counts = headBytes + 4 * entries
  const lengths = counts + 2 * entries
  const starts = lengths + 4 * texts
  const words = starts + 4 * (terms + 1)
  return { texts: headBytes, counts, lengths, starts, words, end: words + bytes }
}

/** Bytes that are written, or numbers that are held, at a time. */
const bufferedEntries = 2 ** 16

const bytesOf = (numbers: Uint32Array | Uint16Array): Uint8Array =>
  new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength)

function writeAt(descriptor: number, bytes: Uint8Array, place: number): void {
  for (let done = 0; done < bytes.length;) done += writeSync(descriptor, bytes, done, bytes.length - done, place + done)
}

/** @throws Error when the file is shorter */
function readAt<A extends Uint8Array | Uint16Array | Uint32Array>(descriptor: number, numbers: A, place: number): A {
  const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength)
  for (let done = 0; done < bytes.length;) {
    const read = readSync(descriptor, bytes, done, bytes.length - done, place + done)
    if (read === 0) throw new Error('the index was cut while it was in use')
    done += read
  }
  return numbers
}

/** Writes an index: its postings as they come, then the rest of it. */
export class IndexWriter implements EntrySink {
  readonly #descriptor: number
  readonly #entries: number
  readonly #texts = new Uint32Array(bufferedEntries)
  readonly #counts = new Uint16Array(bufferedEntries)
  #held = 0
  #written = 0

  /** @param entries postings that are going to come. @throws Node's error when the file cannot be written */
  constructor(file: string, entries: number) {
    this.#descriptor = openSync(file, 'w', 0o600)
    this.#entries = entries
  }

  add({ texts, counts }: Postings, first: number): void {
    for (let from = 0; from < texts.length;) {
      const count = Math.min(texts.length - from, bufferedEntries - this.#held)
      for (let i = 0; i < count; i++) {
        this.#texts[this.#held + i] = first + texts[from + i]!
        this.#counts[this.#held + i] = counts[from + i]!
      }
      this.#held += count
      from += count
      if (this.#held === bufferedEntries) this.#flush()
    }
  }

  /** Writes what else belongs to the index. */
  end({ lengths, terms, starts }: Omit<IndexContent, 'entries'>): void {
    this.#flush()
    const words = Buffer.from(terms, 'utf8')
    const head: Head = { entries: this.#entries, texts: lengths.length, terms: starts.length - 1, bytes: words.length }
    const places = placesOf(head)
    writeAt(this.#descriptor, bytesOf(lengths), places.lengths)
    writeAt(this.#descriptor, bytesOf(starts), places.starts)
    writeAt(this.#descriptor, words, places.words)
    writeAt(this.#descriptor, Buffer.from(`${JSON.stringify(head).padEnd(headBytes - 1)}\n`), 0)
    fsyncSync(this.#descriptor)
  }

  close(): void {
    closeSync(this.#descriptor)
  }

  #flush(): void {
    const places = placesOf({ entries: this.#entries, texts: 0, terms: 0, bytes: 0 })
    writeAt(this.#descriptor, bytesOf(this.#texts.subarray(0, this.#held)), places.texts + 4 * this.#written)
    writeAt(this.#descriptor, bytesOf(this.#counts.subarray(0, this.#held)), places.counts + 2 * this.#written)
    this.#written += this.#held
    this.#held = 0
  }
}

/** An index in a file that is open. */
export interface OpenIndex {
  readonly descriptor: number
  readonly content: IndexContent
}

/**
 * Opens an index; undefined where there is none that is whole.
 * @param ahead postings that are read at a time, where terms are gone through in their order; else those of terms that were looked up
 * last are held
 */
export function openIndex(file: string, ahead = 0): OpenIndex | undefined {
  let descriptor: number
  try {
    descriptor = openSync(file, 'r')
  } catch {
    return undefined
  }
  try {
    const head = JSON.parse(Buffer.from(readAt(descriptor, new Uint8Array(headBytes), 0)).toString()) as Head
    const places = placesOf(head)
    if (fstatSync(descriptor).size !== places.end) throw new Error('not whole')
    const lengths = readAt(descriptor, new Uint32Array(head.texts), places.lengths)
    const starts = readAt(descriptor, new Uint32Array(head.terms + 1), places.starts)
    const words = Buffer.from(readAt(descriptor, new Uint8Array(head.bytes), places.words).buffer).toString('utf8')
    const entries = ahead > 0 ? new PassedEntries(descriptor, head, ahead) : new LookedUpEntries(descriptor, head)
    return { descriptor, content: { lengths, terms: words, starts, entries } }
  } catch {
    closeSync(descriptor)
    return undefined
  }
}

/** Reads postings from one place to another. */
function readEntries(descriptor: number, head: Head, start: number, end: number): Postings {
  const places = placesOf(head)
  return {
    texts: readAt(descriptor, new Uint32Array(end - start), places.texts + 4 * start),
    counts: readAt(descriptor, new Uint16Array(end - start), places.counts + 2 * start),
  }
}

/** Postings that are asked for in their order. */
class PassedEntries implements Entries {
  readonly length: number
  readonly #read: (start: number, end: number) => Postings
  readonly #ahead: number
  #held: Postings = { texts: new Uint32Array(0), counts: new Uint16Array(0) }
  #from = 0

  constructor(descriptor: number, head: Head, ahead: number) {
    this.length = head.entries
    this.#read = (start, end) => readEntries(descriptor, head, start, end)
    this.#ahead = ahead
  }

  slice(start: number, end: number): Postings {
    if (start < this.#from || end > this.#from + this.#held.texts.length) {
      this.#held = this.#read(start, Math.min(this.length, Math.max(end, start + this.#ahead)))
      this.#from = start
    }
    const [from, to] = [start - this.#from, end - this.#from]
    return { texts: this.#held.texts.subarray(from, to), counts: this.#held.counts.subarray(from, to) }
  }
}

/** Postings that are held of terms that were looked up last: questions share most of their words. */
const mostHeld = 2 ** 23

/** Postings that are asked for in any order. */
class LookedUpEntries implements Entries {
  readonly length: number
  readonly #read: (start: number, end: number) => Postings
  /** By their place, the last looked up at the end. */
  readonly #held = new Map<number, Postings>()
  #count = 0

  constructor(descriptor: number, head: Head) {
    this.length = head.entries
    this.#read = (start, end) => readEntries(descriptor, head, start, end)
  }

  slice(start: number, end: number): Postings {
    const known = this.#held.get(start)
    this.#held.delete(start)
    const found = known ?? this.#read(start, end)
    this.#held.set(start, found)
    if (known !== undefined) return found
    this.#count += end - start
    for (const [place, { texts }] of this.#held) {
      if (this.#count <= mostHeld || place === start) break
      this.#count -= texts.length
      this.#held.delete(place)
    }
    return found
  }
}
