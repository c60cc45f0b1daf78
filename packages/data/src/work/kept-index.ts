// An index of words in parts, each a file that is whole or not there: numbers as they are in memory, behind a line that says
// how many.

import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import type { IndexParts } from '../retrieval/term-index'
import type { Kept } from './kept'

interface Head {
  readonly terms: readonly string[]
  readonly texts: number
  readonly entries: number
}

/** The parts of an index, in files `FILE-0`, `FILE-1`, … */
export class KeptIndex implements Kept<IndexParts> {
  readonly #file: string
  #count = 0

  constructor(file: string) {
    this.#file = file
  }

  take(): IndexParts | undefined {
    const part = readPart(`${this.#file}-${this.#count}`)
    if (part !== undefined) this.#count++
    return part
  }

  add({ terms, lengths, starts, texts, counts }: IndexParts): void {
    const file = `${this.#file}-${this.#count++}`
    const part = `${file}.part`
    try {
      const head: Head = { terms, texts: lengths.length, entries: texts.length }
      const text = JSON.stringify(head)
      // The numbers begin at a multiple of their size.
      const line = `${text}${' '.repeat(3 - (Buffer.byteLength(text) % 4))}\n`
      const descriptor = openSync(part, 'w', 0o600)
      try {
        for (const piece of [Buffer.from(line, 'utf8'), lengths, starts, texts, counts]) {
          const bytes = new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength)
          for (let done = 0; done < bytes.length;) done += writeSync(descriptor, bytes, done)
        }
        fsyncSync(descriptor)
      } finally {
        closeSync(descriptor)
      }
      renameSync(part, file)
    } catch {
      // No room: it is built again in the next call.
      rmSync(part, { force: true })
    }
  }
}

/** A part that is whole; undefined where there is none. */
function readPart(file: string): IndexParts | undefined {
  let bytes: Buffer
  try {
    bytes = readFileSync(file)
  } catch {
    return undefined
  }
  try {
    const end = bytes.indexOf(10)
    const { terms, texts, entries } = JSON.parse(bytes.toString('utf8', 0, end)) as Head
    let at = bytes.byteOffset + end + 1
    const words = (count: number) => new Uint32Array(bytes.buffer, at, count)
    const lengths = words(texts)
    at += lengths.byteLength
    const starts = words(terms.length + 1)
    at += starts.byteLength
    const entryTexts = words(entries)
    at += entryTexts.byteLength
    const counts = new Uint16Array(bytes.buffer, at, entries)
    if (at + counts.byteLength !== bytes.byteOffset + bytes.length) return undefined
    return { terms, lengths, starts, texts: entryTexts, counts }
  } catch {
    return undefined
  }
}
