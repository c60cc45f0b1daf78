// Encoding a section of a text, between added tokens: normalised, cut into words, and each word turned into ids.

import type { AddedTokens } from './added-tokens'
import { compileBpe } from './models/bpe'
import type { Place } from './json-place'
import { compileNormalizer } from './normalizers'
import { compilePreTokenizer, wordCutter } from './pre-tokenizers'
import { compileUnigram } from './models/unigram'
import type { WordModel } from './models/vocabulary'
import { compileWordLevel } from './models/word-level'
import { compileWordPiece } from './models/word-piece'

/**
 * Where a section is: at the beginning of a text; behind an added token; or as the continuation of text that is
 * tokenised already.
 */
export type SectionPlace = 'start' | 'inside' | 'continued'

const models = { BPE: compileBpe, Unigram: compileUnigram, WordLevel: compileWordLevel, WordPiece: compileWordPiece }

/** What tokenizer.json makes of text that holds no added token. */
export interface TextModel extends Pick<WordModel, 'ids' | 'pieces'> {
  /** The text of an added token as it is in normalised text; undefined where texts are not normalised. */
  readonly normalized: ((content: string) => string) | undefined
  /**
   * The encoder of sections.
   * @param added tokens that are looked for once the text is normalised
   */
  encoder(added: AddedTokens | undefined): (text: string, place: SectionPlace) => number[]
}

/** Reads model, normalizer and pre-tokenizer of a tokenizer.json. @throws TokenizerError naming what cannot be read */
export function compileTextModel(json: Place): TextModel {
  const place = json.at('model')
  const { vocab } = place.record()
  // Early files have no type.
  const compile = place.at('type').isAbsent
    ? models[Array.isArray(vocab) ? 'Unigram' : 'BPE']
    : place.kind(models, 'model')
  const { ids, pieces, encode } = compile(place)
  const normalizer = compileNormalizer(json.at('normalizer'))
  const cut = compilePreTokenizer(json.at('pre_tokenizer')) ?? wordCutter(place.value)
  return {
    ids,
    pieces,
    normalized: normalizer?.whole,
    encoder: (added) => (text, where) => {
      const continued = where === 'continued'
      const normal = normalizer === undefined ? text : continued ? normalizer.continued(text) : normalizer.whole(text)
      const found: number[] = []
      for (const { start, end, id } of added?.split(normal) ?? [{ start: 0, end: normal.length, id: undefined }]) {
        if (id !== undefined) {
          found.push(id)
          continue
        }
        const part = normal.slice(start, end)
        if (part === '') continue
        const standing = { first: where === 'start' && start === 0, continued: continued && start === 0 }
        for (const word of cut?.(part, standing) ?? [part]) for (const each of encode(word)) found.push(each)
      }
      return found
    },
  }
}
