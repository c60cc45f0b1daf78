// How many tokens texts have, without encoding the same words again and again.

import type { Tokenizer } from '../tokenizer/tokenizer'

const LETTER = /^\p{L}$/u

/** ASCII is most of what comes, and quicker to judge. */
function isLetter(code: number): boolean {
  if (code < 128) return (code >= 97 && code <= 122) || (code >= 65 && code <= 90)
  return LETTER.test(String.fromCharCode(code))
}

const ENDS = new Set([...'.,;:!?'].map((character) => character.charCodeAt(0)))

/**
 * Where the next word begins: at a lone space before a letter, behind a letter or a mark of a sentence. No pre-tokenizer
 * joins what is on both sides.
 */
function nextWord(text: string, from: number): number {
  for (let at = text.indexOf(' ', from); at >= 0; at = text.indexOf(' ', at + 1)) {
    const before = text.charCodeAt(at - 1)
    if (at > 0 && isLetter(text.charCodeAt(at + 1)) && (isLetter(before) || ENDS.has(before))) return at
  }
  return text.length
}

/** Words whose counts are kept. */
const mostKnown = 500_000

/** Counts that are held against the encoding of the whole text: the first ones, then one of so many. */
const checkedFirst = 50
const checkedEvery = 200

/**
 * Counts a text as the sum of its words, each encoded once. That holds for every tokenizer that sets words apart; counts
 * are checked now and then, and for one that does not, all texts are encoded whole from the first difference on.
 */
export class TokenCounter {
  readonly #tokenizer: Pick<Tokenizer, 'encode'>
  readonly #known = new Map<string, number>()
  #counted = 0
  #isAdditive = true

  constructor(tokenizer: Pick<Tokenizer, 'encode'>) {
    this.#tokenizer = tokenizer
  }

  /** Tokens of `text` on its own, without BOS. */
  count(text: string): number {
    if (!this.#isAdditive) return this.#whole(text)
    const sum = this.#sum(text)
    if (this.#counted++ >= checkedFirst && this.#counted % checkedEvery !== 0) return sum
    const whole = this.#whole(text)
    if (whole !== sum) this.#isAdditive = false
    return whole
  }

  #whole(text: string): number {
    return this.#tokenizer.encode(text, { addBos: false }).length
  }

  #sum(text: string): number {
    let at = nextWord(text, 0)
    let sum = this.#countOf(text.slice(0, at), false)
    while (at < text.length) {
      const end = nextWord(text, at + 1)
      sum += this.#countOf(text.slice(at, end), true)
      at = end
    }
    return sum
  }

  #countOf(word: string, continues: boolean): number {
    const known = continues ? this.#known.get(word) : undefined
    if (known !== undefined) return known
    if (!continues) return this.#whole(word)
    const count = this.#tokenizer.encode(word, { continuation: true }).length
    if (this.#known.size >= mostKnown) this.#known.clear()
    this.#known.set(word, count)
    return count
  }
}

const counters = new WeakMap<object, TokenCounter>()

/** The counter of a tokenizer, which keeps what it has counted. */
export function counterOf(tokenizer: Pick<Tokenizer, 'encode'>): TokenCounter {
  let counter = counters.get(tokenizer)
  if (counter === undefined) counters.set(tokenizer, (counter = new TokenCounter(tokenizer)))
  return counter
}
