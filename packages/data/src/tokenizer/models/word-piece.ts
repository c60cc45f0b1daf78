// The word-piece model of BERT: each word as the longest pieces of the vocabulary, from its beginning on.

import { TokenizerError, type Place } from '../json-place'
import { readVocabulary, remembering, type WordModel } from './vocabulary'

/** Reads a `model` of type WordPiece. @throws TokenizerError naming what cannot be read */
export function compileWordPiece(place: Place): WordModel {
  const ids = readVocabulary(place.at('vocab'))
  const unknown = place.at('unk_token')
  const other = ids.get(unknown.text('[UNK]')) ?? unknown.refusal('a piece of the vocabulary, for words without pieces')
  const prefix = place.at('continuing_subword_prefix').text('##')
  const longest = place.at('max_input_chars_per_word').count(100)
  let longestPiece = 0
  for (const piece of ids.keys()) longestPiece = Math.max(longestPiece, piece.length)

  /** The pieces of a word; undefined where it has none. */
  function piecesOf(word: string): number[] | undefined {
    const characters = Array.from(word)
    if (characters.length > longest) return undefined
    const found: number[] = []
    for (let start = 0; start < characters.length;) {
      const before = start === 0 ? '' : prefix
      let end = Math.min(characters.length, start + longestPiece)
      let id: number | undefined
      for (; end > start; end--) {
        id = ids.get(before + characters.slice(start, end).join(''))
        if (id !== undefined) break
      }
      if (id === undefined) return undefined
      found.push(id)
      start = end
    }
    return found
  }

  const encode = remembering((word) => {
    const pieces = piecesOf(word)
    if (pieces !== undefined) return pieces
    if (other instanceof TokenizerError) throw other
    return [other]
  })
  return { ids, pieces: new Map(Array.from(ids, ([piece, id]) => [id, piece])), encode }
}
