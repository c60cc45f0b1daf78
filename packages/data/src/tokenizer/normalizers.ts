// What is done to a text before it is cut: tokenizer.json's `normalizer`, step by step as the Rust crate does it.

import type { Place } from './json-place'
import { compilePattern, whiteSpace } from './pattern'

/** One text made of another. */
export type Normalizer = (text: string) => string

interface Step {
  readonly run: Normalizer
  /** It puts something before the text, which the continuation of an earlier text does not get. */
  readonly prefixes?: boolean
}

const spaceStart = new RegExp(`^${whiteSpace}+`, 'u')
const spaceEnd = new RegExp(`${whiteSpace}+$`, 'u')

// What BERT's "clean text" drops, and the ideographs that it sets apart.
const dropped = /[\0\ufffd]|(?![\t\n\r])[\p{Cc}\p{Cf}\p{Cn}\p{Co}]/gu
const ideographs =
  /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/gu
const spaces = new RegExp(whiteSpace, 'gu')
// Character by character: a sigma at the end of a word has no form of its own.
const lower: Normalizer = (text) => Array.from(text, (character) => character.toLowerCase()).join('')
const withoutMarks: Normalizer = (text) => text.replaceAll(/\p{Mn}/gu, '')

const form = (name: 'NFC' | 'NFD' | 'NFKC' | 'NFKD') => (): Step[] => [{ run: (text) => text.normalize(name) }]

const kinds: Readonly<Record<string, (place: Place) => Step[]>> = {
  Sequence: (place) => place.at('normalizers').items().flatMap(stepsOf),
  NFC: form('NFC'),
  NFD: form('NFD'),
  NFKC: form('NFKC'),
  NFKD: form('NFKD'),
  Lowercase: () => [{ run: lower }],
  StripAccents: () => [{ run: withoutMarks }],
  BertNormalizer: (place) => {
    const lowercase = place.at('lowercase').flag(true)
    const steps: (readonly [boolean, Normalizer])[] = [
      [place.at('clean_text').flag(true), (text) => text.replaceAll(dropped, '').replaceAll(spaces, ' ')],
      [place.at('handle_chinese_chars').flag(true), (text) => text.replaceAll(ideographs, ' $& ')],
      [place.at('strip_accents').flag(lowercase), (text) => withoutMarks(text.normalize('NFD'))],
      [lowercase, lower],
    ]
    return steps.filter(([wanted]) => wanted).map(([, run]) => ({ run }))
  },
  Strip: (place) => {
    const [left, right] = [place.at('strip_left').flag(true), place.at('strip_right').flag(true)]
    return [
      {
        run: (text) =>
          right
            ? (left ? text.replace(spaceStart, '') : text).replace(spaceEnd, '')
            : left
              ? text.replace(spaceStart, '')
              : text,
      },
    ]
  },
  Prepend: (place) => {
    const prefix = place.at('prepend').text()
    return [{ run: (text) => (text === '' ? '' : prefix + text), prefixes: true }]
  },
  Replace: (place) => {
    const [pattern, content] = [compilePattern(place.at('pattern')), place.at('content').text()]
    return [{ run: (text) => text.replaceAll(pattern, () => content) }]
  },
}

const stepsOf = (place: Place): Step[] => place.kind(kinds, 'normalizer')(place)

/**
 * Reads a `normalizer`; undefined where there is none.
 *
 * @returns what is done to a text, and to one that continues an earlier text
 * @throws TokenizerError naming the step that cannot be read
 */
export function compileNormalizer(
  place: Place,
): { readonly whole: Normalizer; readonly continued: Normalizer } | undefined {
  if (place.isAbsent) return undefined
  const steps = stepsOf(place)
  const all =
    (of: readonly Step[]): Normalizer =>
    (text) =>
      of.reduce((done, { run }) => run(done), text)
  return { whole: all(steps), continued: all(steps.filter(({ prefixes }) => prefixes !== true)) }
}
