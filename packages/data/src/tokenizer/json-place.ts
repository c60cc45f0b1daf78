// A value at its place in a tokenizer's file: read as what it has to be, or refused with file, place and what came.

import { describeValue } from '../errors'
import { isRecord, type JsonRecord } from '../records/json'

/** A tokenizer's file is not what it has to be, or asks for what is not supported; the message names file and place. */
export class TokenizerError extends Error {
  override readonly name = 'TokenizerError'
}

/** A value of tokenizer.json or tokenizer_config.json. Each way to read it throws {@link TokenizerError} for any other value. */
export class Place {
  private constructor(
    /** As errors begin: `tokenizer DIR: tokenizer.json`. */
    private readonly source: string,
    private readonly path: string,
    readonly value: unknown,
  ) {}

  /** The whole of a file. */
  static of(value: unknown, tokenizer: string, file: string): Place {
    return new Place(`tokenizer ${tokenizer}: ${file}`, '', value)
  }

  refusal(expected: string): TokenizerError {
    const what = this.path === '' ? '' : `: "${this.path}"`
    return new TokenizerError(`${this.source}${what}: got ${describeValue(this.value)}; expected ${expected}`)
  }

  /** For what is well formed but not read here. */
  unsupported(why: string): TokenizerError {
    return new TokenizerError(`${this.source}: "${this.path}": ${why} is not supported`)
  }

  at(key: string): Place {
    const inner = isRecord(this.value) && Object.hasOwn(this.value, key) ? this.value[key] : undefined
    return new Place(this.source, this.path === '' ? key : `${this.path}.${key}`, inner)
  }

  /** Whether nothing is there. */
  get isAbsent(): boolean {
    return this.value === undefined || this.value === null
  }

  record(): JsonRecord {
    if (!isRecord(this.value)) throw this.refusal('an object')
    return this.value
  }

  items(): Place[] {
    return this.list().map((_, i) => this.item(i))
  }

  /** The list itself, for lists too long to have a place for each item; see {@link item}. */
  list(): readonly unknown[] {
    if (!Array.isArray(this.value)) throw this.refusal('a list')
    return this.value as readonly unknown[]
  }

  /** The place of a list's item. */
  item(index: number): Place {
    return new Place(this.source, `${this.path}[${index}]`, this.list()[index])
  }

  text(fallback?: string): string {
    if (this.isAbsent && fallback !== undefined) return fallback
    if (typeof this.value !== 'string') throw this.refusal('text')
    return this.value
  }

  /** Text that is not empty, nor longer than what regular expressions take. */
  filled(fallback?: string): string {
    const text = this.text(fallback)
    if (text === '' || text.length > 10_000) throw this.refusal('a text of 1 to 10,000 characters')
    return text
  }

  flag(fallback: boolean): boolean {
    if (this.isAbsent) return fallback
    if (typeof this.value !== 'boolean') throw this.refusal('true or false')
    return this.value
  }

  /** A whole number from 0 to below 2³¹, as ids and counts are. */
  count(fallback?: number): number {
    if (this.isAbsent && fallback !== undefined) return fallback
    if (!Number.isInteger(this.value) || (this.value as number) < 0 || (this.value as number) >= 2 ** 31)
      throw this.refusal('an integer from 0 to below 2³¹')
    return this.value as number
  }

  /** One of the words, of which capitals do not matter. */
  choice<T extends string>(words: readonly T[], fallback?: T): T {
    if (this.isAbsent && fallback !== undefined) return fallback
    const given = typeof this.value === 'string' ? this.value.toLowerCase() : undefined
    const found = words.find((word) => word.toLowerCase() === given)
    if (found === undefined) throw this.refusal(words.join(', '))
    return found
  }

  /** The entry of a table that `type` names. @throws TokenizerError for a type that the table lacks */
  kind<T>(table: Readonly<Record<string, T>>, what: string): T {
    const type = this.at('type').text()
    if (!Object.hasOwn(table, type)) throw this.unsupported(`the ${what} ${type.slice(0, 60)}`)
    return table[type]!
  }
}
