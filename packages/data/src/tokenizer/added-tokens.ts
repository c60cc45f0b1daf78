// Added tokens in a text, found as the Rust tokenizers find them: before anything else, the longest at the leftmost place.

import { isRecord } from '../records/json'
import type { Place } from './json-place'
import { escapeRegExp } from './pattern'

/** A token that is found in the text as it is, whatever the vocabulary would make of it. */
export interface AddedToken {
  readonly id: number
  readonly content: string
  /** Only where no letter or digit touches it. */
  readonly singleWord: boolean
  /** It takes the white space before or behind it. */
  readonly lstrip: boolean
  readonly rstrip: boolean
  /** It is looked for once the text is normalised. */
  readonly normalized: boolean
  /** It is left out where special tokens are. */
  readonly special: boolean
}

/** A run of text between added tokens, or one of them. Offsets are of UTF-16 units. */
export interface Section {
  readonly start: number
  readonly end: number
  /** Of the added token; undefined for text. */
  readonly id?: number
}

const wordEnd = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u
const wordStart = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u
const spaceEnd = /\p{White_Space}+$/u
const spaceStart = /^\p{White_Space}+/u

/** Finds added tokens in texts. */
export class AddedTokens {
  readonly #byContent: ReadonlyMap<string, AddedToken>
  readonly #pattern: RegExp | undefined

  constructor(tokens: readonly AddedToken[]) {
    this.#byContent = new Map(tokens.map((token) => [token.content, token]))
    // Of alternatives a regular expression takes the first: the longest have to come first.
    const contents = [...this.#byContent.keys()].sort((a, b) => b.length - a.length)
    if (contents.length > 0) this.#pattern = new RegExp(contents.map(escapeRegExp).join('|'), 'gu')
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

function readToken(place: Place, id: number): AddedToken {
  place.record()
  const special = place.at('special').flag(false)
  return {
    id,
    content: place.at('content').filled(),
    singleWord: place.at('single_word').flag(false),
    lstrip: place.at('lstrip').flag(false),
    rstrip: place.at('rstrip').flag(false),
    normalized: place.at('normalized').flag(!special),
    special,
  }
}

const plainSpecial = { singleWord: false, lstrip: false, rstrip: false, normalized: false, special: true }

/** Keys of tokenizer_config.json that hold lists of special tokens. */
const listKeys = ['additional_special_tokens', 'extra_special_tokens']

/** The special tokens that a tokenizer_config.json names: as texts or objects, under `…_token` and in lists. */
function namedTokens(config: Place): Place[] {
  if (!isRecord(config.value)) return []
  const single = Object.keys(config.value).filter((key) => key.endsWith('_token') && !key.startsWith('add_'))
  const lists = listKeys.map((key) => config.at(key)).filter(({ value }) => Array.isArray(value))
  return [...single.map((key) => config.at(key)), ...lists.flatMap((list) => list.items())].map((place) =>
    isRecord(place.value) ? place.at('content') : place,
  )
}

/**
 * The added tokens of a tokenizer, as transformers gathers them: those of tokenizer.json; those of `added_tokens_decoder` in
 * tokenizer_config.json that it lacks; and the special tokens that tokenizer_config.json names, as far as the vocabulary has
 * them. A token that the vocabulary has keeps the vocabulary's id.
 *
 * @throws TokenizerError naming the token that cannot be read
 */
export function readAddedTokens(json: Place, config: Place, ids: ReadonlyMap<string, number>): AddedToken[] {
  const tokens = new Map<string, AddedToken>()
  const add = (token: AddedToken): void => {
    if (!tokens.has(token.content)) tokens.set(token.content, { ...token, id: ids.get(token.content) ?? token.id })
  }
  const list = json.at('added_tokens')
  const own = list.isAbsent
    ? []
    : list.items().map((place) => readToken(place, (place.record(), place.at('id').count())))
  own.forEach(add)
  const known = new Set(own.map(({ id }) => id))
  const decoder = config.at('added_tokens_decoder')
  const indices = decoder.isAbsent ? [] : Object.keys(decoder.record())
  for (const index of indices.toSorted((a, b) => Number(a) - Number(b))) {
    if (!/^\d{1,9}$/.test(index))
      throw decoder.refusal(`ids as keys, and none that is ${JSON.stringify(index.slice(0, 40))}`)
    if (!known.has(Number(index))) add(readToken(decoder.at(index), Number(index)))
  }
  for (const { value } of namedTokens(config))
    if (typeof value === 'string' && ids.has(value)) add({ ...plainSpecial, content: value, id: ids.get(value)! })
  return [...tokens.values()]
}
