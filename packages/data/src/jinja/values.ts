// The values of a template, with Python's meaning: integers are bigint, floats are number, dicts are Map.

import { JsonNumber } from '../records/json'
import { TemplateRuntimeError } from './errors'

export type Value =
  | null
  | boolean
  | bigint
  | number
  | string
  | Undefined
  | readonly Value[]
  | Dict
  | Namespace
  | Lazy
  | Attributes
  | Callable

export type Dict = ReadonlyMap<Value, Value>
export type Keywords = ReadonlyMap<string, Value>
export type Callable = (args: readonly Value[], keywords: Keywords) => Value

/** What a name or an attribute that does not exist gives: empty text, and an error once more is asked of it. */
export class Undefined {
  /** @param problem what an error says */
  constructor(readonly problem: string) {}

  fail(): never {
    throw new TemplateRuntimeError(this.problem)
  }
}

/** The value, or undefined with this problem where there is none; null is a value. */
export const orUndefined = (value: Value | undefined, problem: string): Value =>
  value === undefined ? new Undefined(problem) : value

/** A list that cannot change; printed in parentheses. Make it with `Tuple.from`: a length is no item. */
export class Tuple extends Array<Value> {}

/** What `namespace()` gives: attributes that `set` may change, also from within a loop. */
export class Namespace {
  readonly entries = new Map<string, Value>()
}

/** A generator, as filters like `select` give: read once, without length, and true even when it holds nothing. */
export class Lazy {
  constructor(readonly items: Iterator<Value>) {}
}

/** An object with attributes of its own, such as `loop`. */
export class Attributes {
  constructor(
    readonly name: string,
    readonly get: (attribute: string) => Value | undefined,
    readonly call?: Callable,
  ) {}
}

export const isList = (value: Value): value is readonly Value[] => Array.isArray(value)
export const isDict = (value: Value): value is Dict => value instanceof Map
export const isNumber = (value: Value): value is bigint | number | boolean =>
  typeof value === 'bigint' || typeof value === 'number' || typeof value === 'boolean'

/** Python's name of the value's type, for errors. */
export function typeName(value: Value): string {
  if (value === null) return 'NoneType'
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'bigint') return 'int'
  if (typeof value === 'number') return 'float'
  if (typeof value === 'string') return 'str'
  if (value instanceof Tuple) return 'tuple'
  if (isList(value)) return 'list'
  if (isDict(value)) return 'dict'
  if (value instanceof Undefined) return 'Undefined'
  if (value instanceof Lazy) return 'generator'
  if (value instanceof Namespace) return 'Namespace'
  if (value instanceof Attributes) return value.name
  return 'function'
}

export function isTrue(value: Value): boolean {
  if (value === null || value instanceof Undefined) return false
  if (typeof value === 'boolean') return value
  if (typeof value === 'string' || isList(value)) return value.length > 0
  if (typeof value === 'bigint') return value !== 0n
  if (typeof value === 'number') return value !== 0
  if (isDict(value)) return value.size > 0
  return true
}

/** The items of a value, as `for` takes them. @throws TemplateRuntimeError when it has none to take */
export function iterate(value: Value): Iterable<Value> {
  if (typeof value === 'string' || isList(value)) return value
  if (isDict(value)) return value.keys()
  if (value instanceof Undefined) return []
  if (value instanceof Lazy) return { [Symbol.iterator]: () => value.items }
  throw new TemplateRuntimeError(`'${typeName(value)}' object is not iterable`)
}

/** Python's `len`. */
export function lengthOf(value: Value): number {
  if (typeof value === 'string') return [...value].length
  if (isList(value)) return value.length
  if (isDict(value)) return value.size
  if (value instanceof Undefined) return 0
  throw new TemplateRuntimeError(`object of type '${typeName(value)}' has no len()`)
}

/** Numbers as one of JavaScript, for comparison with a float. */
export const toNumber = (value: bigint | number | boolean): number => Number(value)

export function isEqual(a: Value, b: Value): boolean {
  if (a === b) return true
  // Integers, floats and booleans compare by value.
  if (isNumber(a) && isNumber(b)) return typeof a !== typeof b && Number(a) === Number(b)
  if (a instanceof Undefined) return b instanceof Undefined
  if (isList(a) && isList(b))
    return (
      a instanceof Tuple === b instanceof Tuple && a.length === b.length && a.every((item, i) => isEqual(item, b[i]!))
    )
  if (isDict(a) && isDict(b))
    return a.size === b.size && [...a].every(([key, value]) => b.has(key) && isEqual(value, b.get(key)!))
  return false
}

/** Negative, 0 or positive. @throws TemplateRuntimeError where Python has no order */
export function compare(a: Value, b: Value, operator = '<'): number {
  if (isNumber(a) && isNumber(b)) {
    const [x, y] = [a, b].map((value) => (typeof value === 'boolean' ? Number(value) : value)) as [number, number]
    return x < y ? -1 : x > y ? 1 : 0
  }
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b)
  if (isList(a) && isList(b) && a instanceof Tuple === b instanceof Tuple) {
    for (let i = 0; i < Math.min(a.length, b.length); i++)
      if (!isEqual(a[i]!, b[i]!)) return compare(a[i]!, b[i]!, operator)
    return a.length - b.length
  }
  for (const value of [a, b]) if (value instanceof Undefined) value.fail()
  throw new TemplateRuntimeError(
    `'${operator}' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`,
  )
}

/** By code points, which beyond U+FFFF is not the order of JavaScript's strings. */
function compareText(a: string, b: string): number {
  if (a === b) return 0
  const [x, y] = [[...a], [...b]]
  for (let i = 0; i < Math.min(x.length, y.length); i++)
    if (x[i] !== y[i]) return x[i]!.codePointAt(0)! - y[i]!.codePointAt(0)!
  return x.length - y.length
}

/** Python's `in`. */
export function contains(container: Value, item: Value): boolean {
  if (typeof container === 'string') {
    if (typeof item !== 'string')
      throw new TemplateRuntimeError(`'in <string>' requires string as left operand, not ${typeName(item)}`)
    return container.includes(item)
  }
  if (isDict(container)) return container.has(keyOf(item))
  if (!isList(container) && !(container instanceof Lazy) && !(container instanceof Undefined))
    throw new TemplateRuntimeError(`argument of type '${typeName(container)}' is not iterable`)
  for (const other of iterate(container)) if (isEqual(other, item)) return true
  return false
}

/** Whether a dict may have it as a key. */
export const isHashable = (value: Value): boolean => !isDict(value) && (!isList(value) || value instanceof Tuple)

/** The value as a key of a dict: numbers that are equal are one key. */
export function keyOf(value: Value): Value {
  if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value)
  if (typeof value === 'boolean') return BigInt(value)
  if (!isHashable(value)) throw new TemplateRuntimeError(`unhashable type: '${typeName(value)}'`)
  return value
}

/** A value parsed from JSON, or with `numbers: 'source'`: numbers without a point or exponent become integers. */
export function fromJson(value: unknown): Value {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || typeof value === 'bigint')
    return value
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value
  if (value instanceof JsonNumber) return /^-?\d+$/.test(value.source) ? BigInt(value.source) : Number(value.source)
  if (Array.isArray(value)) return value.map(fromJson)
  if (value === undefined) return null
  if (typeof value !== 'object') throw new TemplateRuntimeError(`got a ${typeof value}; expected a value of JSON`)
  return new Map(Object.entries(value).map(([key, item]) => [key, fromJson(item)]))
}
