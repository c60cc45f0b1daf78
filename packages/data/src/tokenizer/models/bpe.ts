// Byte-pair encoding: a word's characters, joined pair by pair in the order of the merges, as the Rust crate does it.

import type { Place } from '../json-place'
import { byteIds, IdSink, largestId, readVocabulary, remembering, type Vocabulary, type WordModel } from './vocabulary'

/** Merges by both ids; a number is a key many times as fast as a text. */
class Merges {
  /** Places in the list of merges: the lowest is done first. */
  readonly #ranks = new Map<number, number>()
  readonly #span: number
  /** What becomes of the pair of each rank. */
  readonly ids: Int32Array

  /** @param span above every id */
  constructor(count: number, span: number) {
    this.ids = new Int32Array(count)
    this.#span = span
  }
  set(left: number, right: number, rank: number, id: number): void {
    this.#ranks.set(left * this.#span + right, rank)
    this.ids[rank] = id
  }
  rank(left: number, right: number): number | undefined {
    return this.#ranks.get(left * this.#span + right)
  }
}

/** Merges that may be done, lowest rank first, then from the left: a binary heap of rank and place in one number. */
class Queue {
  readonly #heap: number[] = []
  static readonly #places = 2 ** 31

  push(rank: number, place: number): void {
    const heap = this.#heap
    const key = rank * Queue.#places + place
    let at = heap.push(key) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (heap[parent]! <= key) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = key
  }

  pop(): { rank: number; place: number } | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined) return undefined
    if (heap.length > 0) {
      let at = 0
      for (;;) {
        let child = 2 * at + 1
        if (child >= heap.length) break
        if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child++
        if (heap[child]! >= last) break
        heap[at] = heap[child]!
        at = child
      }
      heap[at] = last
    }
    const rank = Math.floor(first / Queue.#places)
    return { rank, place: first - rank * Queue.#places }
  }
}

/** Joins neighbours until no merge is left. */
function join(ids: readonly number[], merges: Merges): number[] {
  const parts = [...ids]
  const next = parts.map((_, i) => (i + 1 < parts.length ? i + 1 : -1))
  const before = parts.map((_, i) => i - 1)
  const queue = new Queue()
  const offer = (left: number): void => {
    const right = left < 0 ? -1 : next[left]!
    const rank = right < 0 ? undefined : merges.rank(parts[left]!, parts[right]!)
    if (rank !== undefined) queue.push(rank, left)
  }
  for (let i = 0; i < parts.length; i++) offer(i)
  for (let best = queue.pop(); best !== undefined; best = queue.pop()) {
    const left = best.place
    const right = next[left]!
    if (parts[left] === gone || right < 0) continue
    // One of the two may have become something else since.
    if (merges.rank(parts[left]!, parts[right]!) !== best.rank) continue
    parts[left] = merges.ids[best.rank]!
    parts[right] = gone
    next[left] = next[right]!
    if (next[left]! >= 0) before[next[left]!] = left
    offer(left)
    offer(before[left]!)
  }
  return parts.filter((id) => id !== gone)
}

const gone = -1

/** The two pieces of a merge, as `a b` or as a list. */
function pairOf(item: unknown): readonly unknown[] {
  if (typeof item !== 'string') return Array.isArray(item) && item.length === 2 ? item : []
  const space = item.indexOf(' ')
  return space < 0 || item.includes(' ', space + 1) ? [] : [item.slice(0, space), item.slice(space + 1)]
}

function readMerges(place: Place, ids: ReadonlyMap<string, number>): Merges {
  const list = place.list()
  const merges = new Merges(list.length, largestId(ids.values()) + 1)
  list.forEach((item, rank) => {
    const [a, b] = pairOf(item)
    if (typeof a !== 'string' || typeof b !== 'string') throw place.item(rank).refusal('two pieces')
    const [left, right, id] = [ids.get(a), ids.get(b), ids.get(a + b)]
    if (left === undefined || right === undefined || id === undefined)
      throw place.item(rank).refusal(`two pieces of the vocabulary, and their joint "${(a + b).slice(0, 60)}" in it`)
    merges.set(left, right, rank, id)
  })
  return merges
}

/** Reads a `model` of type BPE. @throws TokenizerError naming what cannot be read */
export function compileBpe(place: Place): WordModel {
  const ids = readVocabulary(place.at('vocab'))
  for (const key of ['continuing_subword_prefix', 'end_of_word_suffix'])
    if (place.at(key).text('') !== '') throw place.at(key).unsupported('a mark within words')
  const dropout = place.at('dropout')
  if (!dropout.isAbsent && dropout.value !== 0) throw dropout.unsupported('tokenising by chance')
  const merges = readMerges(place.at('merges'), ids)
  const unknown = place.at('unk_token')
  const vocabulary: Vocabulary = {
    ids,
    unknown: unknown.isAbsent
      ? undefined
      : (ids.get(unknown.text()) ?? unknown.refusal('a piece of the vocabulary, as a text has characters without one')),
    fusesUnknown: place.at('fuse_unk').flag(false),
    bytes: place.at('byte_fallback').flag(false) ? byteIds(ids) : undefined,
  }
  const ignoresMerges = place.at('ignore_merges').flag(false)
  const encode = (word: string): readonly number[] => {
    const whole = ignoresMerges ? ids.get(word) : undefined
    if (whole !== undefined) return [whole]
    const sink = new IdSink(vocabulary)
    for (const character of word) {
      const id = ids.get(character)
      if (id === undefined) sink.pushUnknown(character)
      else sink.push(id)
    }
    return join(sink.ids, merges)
  }
  return { ids, pieces: new Map(Array.from(ids, ([piece, id]) => [id, piece])), encode: remembering(encode) }
}
