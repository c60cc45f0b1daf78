// Added tokens in a text, found as the Rust tokenizers find them: before anything else, the longest at the leftmost place.

import { asArray, asRecord } from '../records/json'

/** A token that is found in the text as it stands, whatever the vocabulary would make of it. */
interface AddedToken {
  readonly id: number
  readonly content: string
  /** Only where no letter or digit touches it. */
  readonly singleWord: boolean
  /** It takes the white space before or behind it. */
  readonly lstrip: boolean
  readonly rstrip: boolean
}

/** A run of text between added tokens, or one of them. Offsets are of UTF-16 units. */
export interface Section {
  readonly start: number
  readonly end: number
  /** Of the added token; undefined for text. */
  readonly id?: number
}

const wordEnd = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]$/u
const wordStart = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]/u
const spaceEnd = /\p{White_Space}+$/u
const spaceStart = /^\p{White_Space}+/u

/** The added tokens that are looked for before normalisation. @param added tokenizer.json's `added_tokens` */
export class AddedTokens {
  readonly #byContent = new Map<string, AddedToken>()
  readonly #pattern: RegExp | undefined

  constructor(added: unknown, hasNormalizer: boolean) {
    for (const entry of asArray(added).map(asRecord)) {
      const { id, content, special } = entry
      if (typeof id !== 'number' || typeof content !== 'string' || content === '') continue
      // Those of normalised text are looked for in the library, once the text is.
      if (hasNormalizer && (entry.normalized ?? special !== true) === true) continue
      const is = (key: string) => entry[key] === true
      this.#byContent.set(content, {
        id,
        content,
        singleWord: is('single_word'),
        lstrip: is('lstrip'),
        rstrip: is('rstrip'),
      })
    }
    // Of alternatives a regular expression takes the first: the longest have to come first.
    const contents = [...this.#byContent.keys()].sort((a, b) => b.length - a.length)
    if (contents.length > 0)
      this.#pattern = new RegExp(
        contents.map((text) => text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&')).join('|'),
        'gu',
      )
  }

  /** Whether a text ends with one. */
  endsWithOne(text: string): boolean {
    for (const content of this.#byContent.keys()) if (text.endsWith(content)) return true
    return false
  }

  /** The text in sections; a token that takes white space covers it. */
  split(text: string): Section[] {
    const sections: Section[] = []
    let done = 0
    if (this.#pattern !== undefined) {
      for (const match of text.matchAll(this.#pattern)) {
        const token = this.#byContent.get(match[0])!
        let start = match.index
        let end = start + match[0].length
        if (token.singleWord && (wordEnd.test(text.slice(0, start)) || wordStart.test(text.slice(end)))) continue
        if (token.lstrip) start = Math.max(done, start - (spaceEnd.exec(text.slice(done, start))?.[0].length ?? 0))
        if (token.rstrip) end += spaceStart.exec(text.slice(end))?.[0].length ?? 0
        if (start > done) sections.push({ start: done, end: start })
        sections.push({ start, end, id: token.id })
        done = end
      }
    }
    if (done < text.length) sections.push({ start: done, end: text.length })
    return sections
  }
}
