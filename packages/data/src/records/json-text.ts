// JSON as it was written: what JSON.parse does not say. Where a text is broken, keys that occur twice, digits of numbers.

import { JsonNumber } from './json'

/** A text that is not JSON, or has a key twice in one object. */
export class JsonTextError extends Error {
  override readonly name = 'JsonTextError'
  constructor(
    /** Of the first character that cannot be; the length of the text when it ends too early. */
    readonly offset: number,
    /** The key that occurs twice; undefined when the text is broken. */
    readonly repeated?: string,
  ) {
    super(repeated === undefined ? `not JSON from character ${offset} on` : `the key "${repeated}" occurs twice`)
  }
}

export interface ParseJsonOptions {
  /**
   * `values` (default): numbers as JavaScript has them; `source`: those that would lose digits or change their spelling are
   * {@link JsonNumber}s.
   */
  numbers?: 'values' | 'source'
}

/** The value of a JSON text. @throws JsonTextError */
export function parseJson(text: string, { numbers = 'values' }: ParseJsonOptions = {}): unknown {
  const parser = new JsonParser(text, numbers === 'source')
  return parser.document()
}

/** The number, from 1, of the line that holds this offset. */
export function lineOf(text: string, offset: number): number {
  let line = 1
  for (let i = text.indexOf('\n'); i >= 0 && i < offset; i = text.indexOf('\n', i + 1)) line++
  return line
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const UNICODE_ESCAPE = /u[0-9a-fA-F]{4}/y
const escapes = new Set([...'"\\/bfnrt'].map((character) => character.charCodeAt(0)))
const words: readonly (readonly [string, unknown])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
]

/** Deeper nesting than any dataset has would overflow the stack. */
const MOST_DEPTH = 500

class JsonParser {
  #at = 0
  readonly #text: string
  readonly #keepsNumbers: boolean

  constructor(text: string, keepsNumbers: boolean) {
    this.#text = text
    this.#keepsNumbers = keepsNumbers
  }

  document(): unknown {
    this.#skipSpace()
    const value = this.#value(0)
    this.#skipSpace()
    if (this.#at < this.#text.length) throw new JsonTextError(this.#at)
    return value
  }

  #skipSpace(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
      this.#at++
    }
  }

  #value(depth: number): unknown {
    if (depth > MOST_DEPTH) throw new JsonTextError(this.#at)
    const code = this.#text.charCodeAt(this.#at)
    if (code === 0x22) return this.#string()
    if (code === 0x7b) return this.#object(depth + 1)
    if (code === 0x5b) return this.#array(depth + 1)
    for (const [word, value] of words) {
      if (!this.#text.startsWith(word, this.#at)) continue
      this.#at += word.length
      return value
    }
    return this.#number()
  }

  #number(): number | JsonNumber {
    NUMBER.lastIndex = this.#at
    const source = NUMBER.exec(this.#text)?.[0]
    if (source === undefined) throw new JsonTextError(this.#at)
    this.#at += source.length
    const value = Number(source)
    return this.#keepsNumbers && String(value) !== source ? new JsonNumber(source) : value
  }

  /** By a loop: a regular expression overflows the stack on a string of some megabytes. */
  #string(): string {
    const text = this.#text
    const open = this.#at
    if (text.charCodeAt(open) !== 0x22) throw new JsonTextError(open)
    let escaped = false
    let at = open + 1
    for (;;) {
      const code = text.charCodeAt(at)
      if (code === 0x22) break
      // A control character, or the end of the text.
      if (!(code >= 0x20)) throw new JsonTextError(open)
      at++
      if (code !== 0x5c) continue
      escaped = true
      if (escapes.has(text.charCodeAt(at))) {
        at++
        continue
      }
      UNICODE_ESCAPE.lastIndex = at
      if (!UNICODE_ESCAPE.test(text)) throw new JsonTextError(open)
      at += 5
    }
    this.#at = at + 1
    return escaped ? (JSON.parse(text.slice(open, at + 1)) as string) : text.slice(open + 1, at)
  }

  #object(depth: number): Record<string, unknown> {
    const object: Record<string, unknown> = {}
    this.#list('}', () => {
      const start = this.#at
      const key = this.#string()
      this.#skipSpace()
      this.#expect(':')
      const value = this.#value(depth)
      if (Object.hasOwn(object, key)) throw new JsonTextError(start, key)
      if (key === '__proto__') Object.defineProperty(object, key, { value, enumerable: true })
      else object[key] = value
    })
    return object
  }

  #array(depth: number): unknown[] {
    const array: unknown[] = []
    this.#list(']', () => array.push(this.#value(depth)))
    return array
  }

  /** What is in brackets, from the opening one to behind the closing one. */
  #list(close: string, element: () => void): void {
    this.#at++
    this.#skipSpace()
    if (this.#text[this.#at] === close) {
      this.#at++
      return
    }
    for (;;) {
      element()
      this.#skipSpace()
      if (this.#text[this.#at] === close) {
        this.#at++
        return
      }
      this.#expect(',')
    }
  }

  /** One character, and the white space behind it. */
  #expect(character: string): void {
    if (this.#text[this.#at] !== character) throw new JsonTextError(this.#at)
    this.#at++
    this.#skipSpace()
  }
}
