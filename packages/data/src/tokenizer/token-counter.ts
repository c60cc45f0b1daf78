// How many tokens texts have, without encoding the same words again and again.

import type { Tokenizer } from './tokenizer'

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

/** Counts that are held against the encoding of the whole text: the first ones, then one of so many. */
const checkedFirst = 50
const checkedEvery = 200

/**
 * Counts a text as the sum of its words, each encoded once. That holds for every tokenizer that sets words apart; counts
 * are checked now and then, and for one that does not, all texts are encoded whole from the first difference on.
 */
export class TokenCounter {
  readonly #tokenizer: Pick<Tokenizer, 'encode'>
  readonly #known = new WordCounts()
  #counted = 0
  #isAdditive = true

  constructor(tokenizer: Pick<Tokenizer, 'encode'>) {
    this.#tokenizer = tokenizer
  }

  /** Tokens of `text` on its own, without BOS. */
  count(text: string): number {
    return this.of(text)(0, text.length)
  }

  /**
   * Counts parts of a text: each takes as long as finding its ends, however long it is.
   *
   * @returns tokens of the part from one place to another on its own, without BOS
   */
  of(text: string): (from: number, to: number) => number {
    let places: WordPlaces | undefined
    return (from, to) => {
      if (!this.#isAdditive) return this.#whole(text.slice(from, to))
      places ??= this.#placesOf(text)
      const sum = this.#sum(text, from, to, places)
      if (this.#counted++ >= checkedFirst && this.#counted % checkedEvery !== 0) return sum
      const whole = this.#whole(text.slice(from, to))
      if (whole !== sum) this.#isAdditive = false
      return whole
    }
  }

  #whole(text: string): number {
    return this.#tokenizer.encode(text, { addBos: false }).length
  }

  /** The first and the last word of a part, and what is between them by sums. */
  #sum(text: string, from: number, to: number, { starts, sums }: WordPlaces): number {
    const [first, last] = [placeAfter(starts, from), placeAfter(starts, to - 2) - 1]
    if (first > last) return this.#firstOf(text, from, to)
    return (
      this.#firstOf(text, from, starts[first]!) + sums[last]! - sums[first]! + this.#nextOf(text, starts[last]!, to)
    )
  }

  #placesOf(text: string): WordPlaces {
    const starts: number[] = []
    for (let at = nextWord(text, 0); at < text.length; at = nextWord(text, at + 1)) starts.push(at)
    const sums = [0]
    starts.forEach((start, i) => {
      // The last one may be cut anywhere: it is counted when it is asked for.
      if (i + 1 < starts.length) sums.push(sums[i]! + this.#nextOf(text, start, starts[i + 1]!))
    })
    return { starts, sums }
  }

  /** A word that begins a text. */
  #firstOf(text: string, from: number, to: number): number {
    return this.#known.of(text, from, to, beginning, (word) => this.#whole(word))
  }

  /** A word behind others. */
  #nextOf(text: string, from: number, to: number): number {
    return this.#known.of(text, from, to, behind, (word) => this.#tokenizer.encode(word, { continuation: true }).length)
  }
}

/** Where a word is: it may have other tokens at the beginning of a text than behind another word. */
const [beginning, behind] = [1, 2]

/** Places for words: a word that comes takes that of another one now and then. */
const mostKnown = 2 ** 19
/** Longer words hardly come again. */
const longestKnown = 64

/** Counts of words, by 64 bits of each: two of a million words have the same ones with a chance of 1 in 10 million. */
class WordCounts {
  /** For each place the bits of a word and its count, 0 where no word is; what belongs together is near in memory. */
  #known = new Int32Array(0)

  /**
   * The count of the part of a text, which `count` counts where it is not known.
   * @param kind words of another kind have other counts
   */
  of(text: string, from: number, to: number, kind: number, count: (word: string) => number): number {
    if (to - from > longestKnown) return count(text.slice(from, to))
    let [a, b] = [0xdeadbeef ^ kind, 0x41c6ce57 ^ kind]
    for (let i = from; i < to; i++) {
      const code = text.charCodeAt(i)
      a = Math.imul(a ^ code, 2654435761)
      b = Math.imul(b ^ code, 1597334677)
    }
    a = Math.imul(a ^ (a >>> 15), 2246822507) ^ (b >>> 16)
    b = Math.imul(b ^ (b >>> 13), 3266489909) ^ (a >>> 16)
    if (this.#known.length === 0) this.#known = new Int32Array(4 * mostKnown)
    const known = this.#known
    const at = 4 * ((a ^ (a >>> 12)) & (mostKnown - 1))
    if (known[at] === a && known[at + 1] === b && known[at + 2]! > 0) return known[at + 2]!
    const tokens = count(text.slice(from, to))
    known[at] = a
    known[at + 1] = b
    known[at + 2] = tokens
    return tokens
  }
}

/** Where the words of a text begin, but the first, and the tokens of all before each from the first of them on. */
interface WordPlaces {
  readonly starts: readonly number[]
  readonly sums: readonly number[]
}

/** The first of the ascending numbers that is greater than `value`, by its place. */
export function placeAfter(ascending: readonly number[], value: number): number {
  let [low, high] = [0, ascending.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (ascending[middle]! > value) high = middle
    else low = middle + 1
  }
  return low
}

const counters = new WeakMap<object, TokenCounter>()

/** The counter of a tokenizer, which keeps what it has counted. */
export function counterOf(tokenizer: Pick<Tokenizer, 'encode'>): TokenCounter {
  let counter = counters.get(tokenizer)
  if (counter === undefined) counters.set(tokenizer, (counter = new TokenCounter(tokenizer)))
  return counter
}
