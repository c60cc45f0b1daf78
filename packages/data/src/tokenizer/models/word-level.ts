// The word-level model: whole words, and one id for all that are not in the vocabulary.

import { TokenizerError, type Place } from '../json-place'
import { readVocabulary, type WordModel } from './vocabulary'

/** Reads a `model` of type WordLevel. @throws TokenizerError naming what cannot be read */
export function compileWordLevel(place: Place): WordModel {
  const ids = readVocabulary(place.at('vocab'))
  const unknown = place.at('unk_token')
  const other = ids.get(unknown.text()) ?? unknown.refusal('a word of the vocabulary, as a text has words without one')
  const encode = (word: string): readonly number[] => {
    const id = ids.get(word) ?? other
    if (id instanceof TokenizerError) throw id
    return [id]
  }
  return { ids, pieces: new Map(Array.from(ids, ([piece, id]) => [id, piece])), encode }
}
