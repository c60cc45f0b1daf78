// Where a text is cut into words, within which alone pieces are joined: tokenizer.json's `pre_tokenizer`, as the Rust crate does it.

import { asRecord } from '../records/json'
import { bytesAsCharacters } from './byte-characters'
import type { Place } from './json-place'
import { behaviors, compilePattern, cut, escapeRegExp, whiteSpace, type Behavior } from './pattern'

/** Where a piece is, which decides whether a space is put before it. */
export interface Standing {
  /** It begins a text. */
  readonly first: boolean
  /** It continues an earlier text: nothing is put before it. */
  readonly continued: boolean
}

/** The pieces of a piece. */
type Cutter = (text: string, standing: Standing) => string[]

/** GPT-2's words. */
const gpt2 = new RegExp(
  String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^${whiteSpace}\p{L}\p{N}]+|${whiteSpace}+(?!\P{White_Space})|${whiteSpace}+`,
  'gu',
)
const number = /\p{N}/gu
const punctuation = /[\p{P}!-/:-@[-`{-~]/gu
const space = new RegExp(whiteSpace, 'gu')
const word = String.raw`\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}`
const words = new RegExp(`[${word}]+|[^${word}${whiteSpace}]+`, 'gu')

const cutting =
  (pattern: RegExp, behavior: Behavior, invert = false): Cutter =>
  (text) =>
    cut(text, pattern, behavior, invert)

const kinds: Readonly<Record<string, (place: Place) => Cutter>> = {
  Sequence: (place) => {
    const steps = place.at('pretokenizers').items().map(cutterOf)
    // Only the first piece still is where the text does.
    const each = (step: Cutter, pieces: string[], { first, continued }: Standing) =>
      pieces.flatMap((piece, i) => step(piece, { first: first && i === 0, continued: continued && i === 0 }))
    return (text, standing) => steps.reduce((pieces, step) => each(step, pieces, standing), [text])
  },
  ByteLevel: (place) => {
    const [prefixes, cuts] = [place.at('add_prefix_space').flag(false), place.at('use_regex').flag(true)]
    return (text, { continued }) => {
      const spaced = prefixes && !continued && !text.startsWith(' ') ? ` ${text}` : text
      return (cuts ? cut(spaced, gpt2, 'Isolated') : [spaced]).map(bytesAsCharacters)
    }
  },
  Split: (place) =>
    cutting(
      compilePattern(place.at('pattern')),
      place.at('behavior').choice(behaviors),
      place.at('invert').flag(false),
    ),
  Digits: (place) => cutting(number, place.at('individual_digits').flag(false) ? 'Isolated' : 'Contiguous'),
  Punctuation: (place) => cutting(punctuation, place.at('behavior').choice(behaviors, 'Isolated')),
  Whitespace: () => cutting(words, 'Removed', true),
  BertPreTokenizer: () => (text) => cut(text, space, 'Removed').flatMap((piece) => cut(piece, punctuation, 'Isolated')),
  WhitespaceSplit: () => cutting(space, 'Removed'),
  CharDelimiterSplit: (place) => {
    const delimiter = place.at('delimiter').filled()
    return (text) => text.split(delimiter).filter((piece) => piece !== '')
  },
  Metaspace: (place) => {
    const mark = place.at('replacement').filled('▁')
    const old = place.at('add_prefix_space').flag(true) ? 'always' : 'never'
    const scheme = place.at('prepend_scheme').choice(['first', 'always', 'never'], old)
    const splits = place.at('split').flag(true)
    const pattern = new RegExp(escapeRegExp(mark), 'gu')
    return (text, { first, continued }) => {
      const marked = text.replaceAll(' ', () => mark)
      const prefixes = !continued && (scheme === 'always' || (scheme === 'first' && first)) && !marked.startsWith(mark)
      const whole = prefixes ? mark + marked : marked
      return splits ? cut(whole, pattern, 'MergedWithNext') : [whole]
    }
  },
}

const cutterOf = (place: Place): Cutter => place.kind(kinds, 'pre-tokenizer')(place)

/** Reads a `pre_tokenizer`; undefined where there is none. @throws TokenizerError naming the step that cannot be read */
export const compilePreTokenizer = (place: Place): Cutter | undefined => (place.isAbsent ? undefined : cutterOf(place))

/**
 * Cuts a SentencePiece-style BPE's text into words where this cannot change the ids: when no piece of the vocabulary holds a
 * ▁ behind another character, no merge ever crosses such a place. Words are kept with their ids, a whole text is not.
 */
export function wordCutter(model: unknown): Cutter | undefined {
  const { type, vocab, byte_fallback: byteFallback } = asRecord(model)
  if (type === 'Unigram' || byteFallback !== true) return undefined
  for (const piece of Object.keys(asRecord(vocab))) if (/[^▁]▁/u.test(piece)) return undefined
  return (text) => text.match(/▁*[^▁]+|▁+/gu) ?? []
}
