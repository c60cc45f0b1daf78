// Keys of a config.json, each read with its kind checked.
import { showValue } from '@jora/tensor'

/** A model folder whose config or weights cannot be used, with the file and key at fault. */
export class ModelError extends Error {
  override readonly name = 'ModelError'
}

/** What a key may hold: an object of keys. */
export type Json = Readonly<Record<string, unknown>>

/** The object that a file holds. @throws ModelError for anything else */
export function objectOf(json: unknown, source: string): Json {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new ModelError(`${source}: expected a JSON object`)
  return json as Json
}

export class Reader {
  constructor(
    readonly json: Json,
    readonly source: string,
    /** What stands for keys that are left out. */
    readonly defaults: Json = {},
  ) {}

  /** What the file says, or else what stands for it. */
  value(key: string): unknown {
    return this.json[key] ?? this.defaults[key]
  }

  fail(key: string, expected: string): never {
    throw new ModelError(`${this.source}: "${key}" is ${showValue(this.json[key])}; expected ${expected}`)
  }

  /** A number > 0, or from `least`. */
  number(key: string, fallback?: number, least?: number): number {
    const value = this.value(key) ?? fallback
    const fits =
      typeof value === 'number' && Number.isFinite(value) && (least === undefined ? value > 0 : value >= least)
    return fits ? value : this.fail(key, least === undefined ? 'a positive number' : `a number ≥ ${least}`)
  }

  integer(key: string, fallback?: number): number {
    const value = this.number(key, fallback)
    return Number.isInteger(value) && value < 2 ** 31 ? value : this.fail(key, 'a positive integer below 2³¹')
  }

  /** One id or a list of ids. */
  ids(key: string): number[] {
    const value = this.json[key] ?? []
    const list: unknown[] = Array.isArray(value) ? value : [value]
    return list.every((id): id is number => Number.isInteger(id))
      ? list
      : this.fail(key, 'a token id or a list of them')
  }

  /** So many positive numbers. */
  numbers(key: string, length: number): number[] {
    const value = this.json[key]
    const fits = (each: unknown): each is number => typeof each === 'number' && Number.isFinite(each) && each > 0
    return Array.isArray(value) && value.length === length && value.every(fits)
      ? value
      : this.fail(key, `a list of ${length} positive numbers`)
  }

  object(key: string): Json | undefined {
    const value = this.json[key]
    if (value === undefined || value === null) return undefined
    return typeof value === 'object' && !Array.isArray(value) ? (value as Json) : this.fail(key, 'an object')
  }

  /** The keys of the object at `key`, none where there is none. */
  inner(key: string): Reader {
    return new Reader(this.object(key) ?? {}, `${this.source}: ${key}`)
  }

  /** A number; undefined where the file says null, or nothing and nothing stands for it. */
  optional(key: string): number | undefined {
    return this.json[key] === null || this.value(key) === undefined ? undefined : this.number(key)
  }

  boolean(key: string, fallback: boolean): boolean {
    const value = this.value(key) ?? fallback
    return typeof value === 'boolean' ? value : this.fail(key, 'true or false')
  }
}
