// Patterns of tokenizer.json, which are written for Rust's Oniguruma, as JavaScript's regular expressions.

import { SplitPreTokenizer } from '@huggingface/tokenizers'
import type { Place } from './json-place'

/** A pattern that matches the text itself. */
export const escapeRegExp = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`)

/**
 * A `pattern`: `{"String": …}`, taken literally, or `{"Regex": …}`, translated: character classes, anchors and shorthands as
 * Oniguruma has them on Unicode text. Possessive quantifiers become greedy ones.
 *
 * @throws TokenizerError for a pattern that is none, or cannot be translated
 */
export function compilePattern(place: Place): RegExp {
  place.record()
  const literal = place.at('String')
  if (!literal.isAbsent) return new RegExp(escapeRegExp(literal.filled()), 'gu')
  const regex = place.at('Regex')
  const source = regex.filled()
  try {
    const config = { type: 'Split', pattern: { Regex: source }, behavior: 'Isolated', invert: false } as const
    const { pattern } = new SplitPreTokenizer(config)
    if (pattern) return pattern
  } catch (error) {
    throw regex.refusal(`a regular expression that can be translated (${(error as Error).message.slice(0, 200)})`)
  }
  throw regex.refusal('a regular expression')
}

/** White space as Rust's `char::is_whitespace` has it; JavaScript's `\s` has U+FEFF and lacks U+0085. */
export const whiteSpace = String.raw`\p{White_Space}`

/** How a text is cut at the matches of a pattern: the Rust crate's `SplitDelimiterBehavior`. */
export const behaviors = ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'] as const
/** One of {@link behaviors}. */
export type Behavior = (typeof behaviors)[number]

/** The pieces of a text, none of them empty. @param invert what does not match counts as match, and the other way round */
export function cut(text: string, pattern: RegExp, behavior: Behavior, invert = false): string[] {
  const pieces: string[] = []
  let lastMatches: boolean | undefined
  const add = (piece: string, matches: boolean): void => {
    if (piece === '') return
    const isMatch = matches !== invert
    const joins =
      behavior === 'Contiguous'
        ? lastMatches === isMatch
        : behavior === 'MergedWithPrevious'
          ? isMatch && lastMatches === false
          : behavior === 'MergedWithNext' && !isMatch && lastMatches === true
    lastMatches = isMatch
    if (behavior === 'Removed' && isMatch) return
    if (joins) pieces[pieces.length - 1] += piece
    else pieces.push(piece)
  }
  let end = 0
  for (const { 0: match, index } of text.matchAll(pattern)) {
    add(text.slice(end, index), false)
    add(match, true)
    end = index + match.length
  }
  add(text.slice(end), false)
  return pieces
}
