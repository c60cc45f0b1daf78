// Pieces and their ids: a model's vocabulary, and what is given for text that it does not have.

import { ownText } from '../../own-text'
import { TokenizerError, type Place } from '../json-place'

/** Pieces by id and ids by piece. */
export interface Vocabulary {
  readonly ids: ReadonlyMap<string, number>
  /** What stands for a character without a piece: an id, nothing where it is left out, or why there is nothing to stand for it. */
  readonly unknown: number | TokenizerError | undefined
  /** Several such characters in a row have one id. */
  readonly fusesUnknown: boolean
  /** The ids of the 256 bytes, where characters without a piece become bytes; those that have no piece are undefined. */
  readonly bytes: readonly (number | undefined)[] | undefined
}

/** The ids of `<0x00>` to `<0xFF>`, as far as there are any. */
export const byteIds = (ids: ReadonlyMap<string, number>): Vocabulary['bytes'] =>
  Array.from({ length: 256 }, (_, byte) => ids.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`))

const encoder = new TextEncoder()

/** Collects ids, with what stands for text that has none. */
export class IdSink {
  readonly #vocabulary: Vocabulary
  readonly ids: number[] = []
  #afterUnknown = false

  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary
  }

  push(id: number): void {
    this.ids.push(id)
    this.#afterUnknown = false
  }

  /** A piece of text without an id. */
  pushUnknown(text: string): void {
    const { bytes, unknown, fusesUnknown } = this.#vocabulary
    const found = bytes && Array.from(encoder.encode(text), (byte) => bytes[byte])
    if (found?.every((id): id is number => id !== undefined)) {
      for (const id of found) this.push(id)
      return
    }
    if (unknown instanceof TokenizerError) throw unknown
    if (unknown === undefined || (fusesUnknown && this.#afterUnknown)) return
    this.push(unknown)
    this.#afterUnknown = true
  }
}

/** What a tokenizer.json's `model` is read as. */
export interface WordModel {
  /** Ids by piece. */
  readonly ids: ReadonlyMap<string, number>
  /** Pieces by id; two ids may have the same piece. */
  readonly pieces: ReadonlyMap<number, string>
  readonly encode: WordEncoder
}

/** Turns a word into ids. */
export type WordEncoder = (word: string) => readonly number[]

const mostWords = 10_000
const longestWord = 256

/** Keeps the ids of short words, of which texts have few and often. */
export function remembering(encode: WordEncoder): WordEncoder {
  const known = new Map<string, readonly number[]>()
  return (word) => {
    if (word.length > longestWord) return encode(word)
    let ids = known.get(word)
    if (ids === undefined) {
      ids = encode(word)
      if (known.size >= mostWords) known.clear()
      known.set(ownText(word), ids)
    }
    return ids
  }
}

/** A `vocab` that is an object of pieces and their ids. */
export function readVocabulary(place: Place): Map<string, number> {
  const ids = new Map<string, number>()
  for (const [piece, id] of Object.entries(place.record()))
    ids.set(piece, typeof id === 'number' && isId(id) ? id : place.at(piece).count())
  return ids
}

const isId = (id: number): boolean => Number.isInteger(id) && id >= 0 && id < 2 ** 31

/** The largest id; -1 where there is none. */
export function largestId(ids: Iterable<number>): number {
  let largest = -1
  for (const id of ids) if (id > largest) largest = id
  return largest
}
