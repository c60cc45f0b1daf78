// The unigram model: the pieces of a text whose scores sum to the most (Kudo, 2018), as the Rust crate finds them.

import type { Place } from '../json-place'
import { byteIds, IdSink, remembering, type Vocabulary, type WordModel } from './vocabulary'

/** A character without a piece scores this much less than the worst piece. */
const unknownPenalty = 10

/** Reads a `model` of type Unigram. @throws TokenizerError naming what cannot be read */
export function compileUnigram(place: Place): WordModel {
  const vocab = place.at('vocab')
  const ids = new Map<string, number>()
  const pieces = new Map<number, string>()
  const scores = vocab.list().map((item, id) => {
    const pair = Array.isArray(item) ? (item as unknown[]) : []
    const [piece, score] = pair
    if (pair.length !== 2 || typeof piece !== 'string' || typeof score !== 'number' || !Number.isFinite(score))
      throw vocab.item(id).refusal('a piece and its score')
    ids.set(piece, id)
    pieces.set(id, piece)
    return score
  })
  const unknownId = place.at('unk_id')
  if (scores.length === 0) throw vocab.refusal('pieces and their scores')
  if (!unknownId.isAbsent && unknownId.count() >= scores.length) throw unknownId.refusal('an id of the vocabulary')
  const bytes = place.at('byte_fallback').flag(false) ? byteIds(ids) : undefined
  const vocabulary: Vocabulary = {
    ids,
    unknown: unknownId.isAbsent
      ? unknownId.refusal('an id of the vocabulary, as a text has characters without a piece')
      : unknownId.count(),
    fusesUnknown: true,
    bytes,
  }
  const worst = scores.reduce((least, score) => Math.min(least, score), Infinity)
  let longest = 0
  for (const piece of ids.keys()) longest = Math.max(longest, piece.length)

  const encode = (text: string): readonly number[] => {
    // The best way to each place: its score, the piece that ends there, and where that begins.
    const total = new Float64Array(text.length + 1)
    const from = new Int32Array(text.length + 1).fill(-1)
    const last = new Int32Array(text.length + 1)
    const offer = (begin: number, end: number, score: number, id: number): void => {
      if (from[end] !== -1 && score <= total[end]!) return
      ;[total[end], from[end], last[end]] = [score, begin, id]
    }
    for (let begin = 0; begin < text.length;) {
      const size = text.codePointAt(begin)! > 0xffff ? 2 : 1
      let hasCharacter = false
      for (
        let end = begin + size;
        end <= Math.min(text.length, begin + longest);
        end += text.codePointAt(end)! > 0xffff ? 2 : 1
      ) {
        const id = ids.get(text.slice(begin, end))
        if (id === undefined) continue
        offer(begin, end, total[begin]! + scores[id]!, id)
        if (end === begin + size) hasCharacter = true
      }
      if (!hasCharacter) offer(begin, begin + size, total[begin]! + worst - unknownPenalty, -1)
      begin += size
    }
    const path: number[] = []
    for (let end = text.length; end > 0; end = from[end]!) path.push(end)
    const sink = new IdSink(vocabulary)
    for (const end of path.reverse())
      if (last[end]! >= 0 && last[end] !== vocabulary.unknown) sink.push(last[end]!)
      else sink.pushUnknown(text.slice(from[end]!, end))
    return sink.ids
  }
  return { ids, pieces, encode: remembering(encode) }
}
