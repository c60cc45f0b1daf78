// Values as text, as Python's str, repr and json.dumps write them.

import { TemplateRuntimeError } from './errors'
import { Attributes, isDict, isList, Lazy, Namespace, Tuple, typeName, Undefined, type Value } from './values'

/** Python's `str`: what `{{ }}` prints. */
export function toText(value: Value): string {
  if (typeof value === 'string') return value
  if (value instanceof Undefined) return ''
  return repr(value)
}

/** Python's `repr`. */
export function repr(value: Value): string {
  if (value === null) return 'None'
  if (value === true) return 'True'
  if (value === false) return 'False'
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'number') return floatText(value)
  if (typeof value === 'string') return quoted(value)
  if (value instanceof Tuple)
    return value.length === 1 ? `(${repr(value[0]!)},)` : `(${Array.from(value, repr).join(', ')})`
  if (isList(value)) return `[${value.map(repr).join(', ')}]`
  if (isDict(value)) return `{${[...value].map(([key, item]) => `${repr(key)}: ${repr(item)}`).join(', ')}}`
  if (value instanceof Undefined) return 'Undefined'
  if (value instanceof Namespace) return `<Namespace ${repr(value.entries)}>`
  if (value instanceof Lazy) return '<generator object>'
  if (value instanceof Attributes) return `<${value.name}>`
  return '<function>'
}

/** The shortest digits that give the number back, with Python's exponents. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  if (Object.is(value, -0)) return '-0.0'
  const size = Math.abs(value)
  if (value !== 0 && (size >= 1e16 || size < 1e-4)) {
    const [digits, exponent] = value.toExponential().split('e') as [string, string]
    return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, '0')}`
  }
  const text = value.toString()
  return text.includes('.') ? text : `${text}.0`
}

const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** Characters that Python's repr writes as escapes. */
const unprintable = /[\p{C}\p{Z}]/u

function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'"
  let result = quote
  for (const character of text) {
    const code = character.codePointAt(0)!
    if (character === quote) result += `\\${quote}`
    else if (escapes[character] !== undefined) result += escapes[character]
    else if (character === ' ' || !unprintable.test(character)) result += character
    else if (code < 0x100) result += `\\x${code.toString(16).padStart(2, '0')}`
    else if (code < 0x10000) result += `\\u${code.toString(16).padStart(4, '0')}`
    else result += `\\U${code.toString(16).padStart(8, '0')}`
  }
  return result + quote
}

export interface JsonStyle {
  /** Text that each level is indented by; undefined for one line. */
  readonly indent?: string | undefined
  readonly asciiOnly?: boolean
  readonly itemSeparator?: string | undefined
  readonly keySeparator?: string | undefined
  readonly sortKeys?: boolean
}

/** Python's `json.dumps` as transformers calls it for `tojson`. @throws TemplateRuntimeError on a value JSON has not */
export function toJson(value: Value, style: JsonStyle = {}): string {
  const { indent, asciiOnly = false, sortKeys = false, keySeparator = ': ' } = style
  const itemSeparator = style.itemSeparator ?? (indent === undefined ? ', ' : ',')
  const text = (content: string) => {
    const json = JSON.stringify(content)
    // JSON.stringify escapes half surrogates; Python writes them as they are, and U+007F in ASCII only.
    const plain = json.replaceAll(/\\(?:u(d[89a-f][\da-f]{2})|[^])/g, (escape, code?: string) =>
      code === undefined ? escape : String.fromCharCode(Number.parseInt(code, 16)),
    )
    return asciiOnly
      ? plain.replaceAll(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
      : plain
  }
  const key = (value: Value): string => {
    if (typeof value === 'string') return text(value)
    if (value === null || typeof value === 'boolean' || typeof value === 'bigint' || typeof value === 'number')
      return `"${scalar(value)}"`
    throw new TemplateRuntimeError(`keys must be str, int, float, bool or None, not ${typeName(value)}`)
  }
  const scalar = (value: null | boolean | bigint | number): string => {
    if (typeof value !== 'number') return String(value)
    if (Number.isNaN(value)) return 'NaN'
    if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity'
    return floatText(value)
  }
  const group = (open: string, items: readonly string[], close: string, depth: number) => {
    if (items.length === 0) return open + close
    if (indent === undefined) return open + items.join(itemSeparator) + close
    const line = `\n${indent.repeat(depth + 1)}`
    return `${open}${line}${items.join(itemSeparator + line)}\n${indent.repeat(depth)}${close}`
  }
  const write = (value: Value, depth: number): string => {
    if (typeof value === 'string') return text(value)
    if (value === null || typeof value === 'boolean' || typeof value === 'bigint' || typeof value === 'number')
      return scalar(value)
    if (isList(value))
      return group(
        '[',
        Array.from(value, (item) => write(item, depth + 1)),
        ']',
        depth,
      )
    if (isDict(value)) {
      const entries = [...value]
      if (sortKeys) entries.sort(([a], [b]) => (a! < b! ? -1 : a! > b! ? 1 : 0))
      const items = entries.map(([name, item]) => `${key(name)}${keySeparator}${write(item, depth + 1)}`)
      return group('{', items, '}', depth)
    }
    throw new TemplateRuntimeError(`Object of type ${typeName(value)} is not JSON serializable`)
  }
  return write(value, 0)
}
