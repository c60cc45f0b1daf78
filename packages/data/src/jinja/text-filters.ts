// Jinja's filters of text and numbers.

import { bind, wantInt, wantText } from './arguments'
import { TemplateRuntimeError } from './errors'
import type { Filter } from './filter'
import { formatPercent } from './format'
import { capitalize, splitLines, strip } from './strings'
import { replaceText } from './string-methods'
import { toJson, toText } from './text'
import { isDict, isNumber, isTrue, iterate, toNumber, Tuple, typeName, Undefined, type Value } from './values'

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', "'": '&#39;', '"': '&#34;' }
const escape: Filter = (value) => toText(value).replaceAll(/[&<>'"]/g, (character) => escapes[character]!)

/** Python's `int(text, base)`; undefined where it raises. */
function parseInteger(text: string, base: number): bigint | undefined {
  const [, sign = '', prefix = '', digits = ''] =
    /^([+-]?)(0[xX]|0[oO]|0[bB])?((?:[\da-zA-Z]_?)*[\da-zA-Z])$/.exec(strip(text)) ?? []
  const prefixes: Readonly<Record<string, number>> = { '': base, '0x': 16, '0o': 8, '0b': 2 }
  if (digits === '' || prefixes[prefix.toLowerCase()] !== base) return undefined
  let value = 0n
  for (const digit of digits.replaceAll('_', '')) {
    const number = Number.parseInt(digit, 36)
    if (number >= base) return undefined
    value = value * BigInt(base) + BigInt(number)
  }
  return sign === '-' ? -value : value
}

/** Python's `float(text)`; undefined where it raises. */
function parseFloatText(text: string): number | undefined {
  const plain = strip(text).replaceAll(/(?<=\d)_(?=\d)/g, '')
  if (/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(plain)) return Number(plain)
  const special = /^([+-]?)(?:(inf(?:inity)?)|nan)$/i.exec(plain)
  if (special === null) return undefined
  return special[2] === undefined ? Number.NaN : special[1] === '-' ? -Infinity : Infinity
}

const toFloat = (value: Value): number | undefined =>
  typeof value === 'string' ? parseFloatText(value) : isNumber(value) ? toNumber(value) : undefined

/** Rounds to even at a half, as Python does on the number's true value. */
function roundHalfEven(value: number, digits: number): number {
  if (!Number.isFinite(value)) return value
  if (digits < 0) {
    const unit = 10 ** -digits
    return roundHalfEven(value / unit, 0) * unit
  }
  if (digits === 0) {
    const floor = Math.floor(value)
    const rest = value - floor
    return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor
  }
  // toFixed rounds the true binary value, up at an exact half, which only short binary fractions reach.
  const isHalf = /^50*$/.test(
    value
      .toFixed(Math.min(digits + 60, 100))
      .split('.')[1]!
      .slice(digits),
  )
  return isHalf ? roundHalfEven(value * 10 ** digits, 0) / 10 ** digits : Number(value.toFixed(Math.min(digits, 100)))
}

export const textFilters: Readonly<Record<string, Filter>> = {
  abs: (value) => {
    if (typeof value === 'bigint') return value < 0n ? -value : value
    if (isNumber(value)) return Math.abs(toNumber(value))
    throw new TemplateRuntimeError(`bad operand type for abs(): '${typeName(value)}'`)
  },
  capitalize: (value) => capitalize(toText(value)),
  center: (value, args, keywords) => {
    const [width] = bind('center', ['width'], args, keywords)
    const text = toText(value)
    const missing = wantInt('width', width, 80) - [...text].length
    // Python's str.center puts the odd space before where the width is odd too.
    const before = (missing >> 1) + (missing & ([...text].length + missing) & 1)
    return missing <= 0 ? text : ' '.repeat(before) + text + ' '.repeat(missing - before)
  },
  escape,
  e: escape,
  forceescape: escape,
  filesizeformat: (value, args, keywords) => {
    const [binary] = bind('filesizeformat', ['binary'], args, keywords)
    const bytes = toFloat(value) ?? 0
    const base = binary !== undefined && isTrue(binary) ? 1024 : 1000
    if (bytes === 1) return '1 Byte'
    if (bytes < base) return `${Math.trunc(bytes)} Bytes`
    const prefixes =
      base === 1024 ? ['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei', 'Zi', 'Yi'] : ['k', 'M', 'G', 'T', 'P', 'E', 'Z', 'Y']
    const power = prefixes.findIndex((_, i) => bytes < base ** (i + 2))
    const at = power < 0 ? prefixes.length - 1 : power
    return `${((base * bytes) / base ** (at + 2)).toFixed(1)} ${prefixes[at]}B`
  },
  float: (value, args, keywords) => {
    const [fallback = 0] = bind('float', ['default'], args, keywords)
    return toFloat(value) ?? fallback
  },
  format: (value, args, keywords) => formatPercent(toText(value), keywords.size > 0 ? keywords : Tuple.from(args)),
  indent: (value, args, keywords) => {
    const [width, first, blank] = bind('indent', ['width', 'first', 'blank'], args, keywords)
    const by = typeof width === 'string' ? width : ' '.repeat(wantInt('width', width, 4))
    const lines = splitLines(`${wantText('indent arg', value)}\n`)
    const all = blank !== undefined && isTrue(blank)
    const text = lines.map((line, i) => (i > 0 && (all || line !== '') ? by + line : line)).join('\n')
    return first !== undefined && isTrue(first) ? by + text : text
  },
  int: (value, args, keywords) => {
    const [fallback = 0n, base] = bind('int', ['default', 'base'], args, keywords)
    if (typeof value === 'bigint') return value
    if (typeof value === 'boolean') return BigInt(value)
    const whole = typeof value === 'string' ? parseInteger(value, wantInt('base', base, 10)) : undefined
    if (whole !== undefined) return whole
    const number = toFloat(value)
    return number === undefined || !Number.isFinite(number) ? fallback : BigInt(Math.trunc(number))
  },
  lower: (value) => toText(value).toLowerCase(),
  replace: (value, args, keywords) => {
    const [old = '', by = '', count] = bind('replace', ['old', 'new', 'count'], args, keywords)
    const most = count === undefined || count === null ? -1 : wantInt('count', count)
    return replaceText(toText(value), toText(old), toText(by), most)
  },
  round: (value, args, keywords) => {
    const [precision, method = 'common'] = bind('round', ['precision', 'method'], args, keywords)
    const digits = wantInt('precision', precision, 0)
    const run = { common: undefined, ceil: Math.ceil, floor: Math.floor }[toText(method) as 'ceil']
    if (!isNumber(value)) throw new TemplateRuntimeError(`type ${typeName(value)} doesn't define __round__ method`)
    if (method === 'common')
      return typeof value === 'bigint' && digits >= 0 ? value : roundHalfEven(toNumber(value), digits)
    if (run === undefined) throw new TemplateRuntimeError('method must be common, ceil or floor')
    return run(toNumber(value) * 10 ** digits) / 10 ** digits
  },
  safe: (value) => (typeof value === 'string' ? value : toText(value)),
  string: (value) => toText(value),
  striptags: (value) =>
    toText(value)
      .replaceAll(/<!--[^]*?-->|<[^>]*>/g, '')
      .split(/\s+/)
      .filter((part) => part !== '')
      .join(' '),
  title: (value) =>
    toText(value)
      .split(/([-\s({[<]+)/u)
      .map((part) => (part === '' ? '' : part[0]!.toUpperCase() + part.slice(1).toLowerCase()))
      .join(''),
  tojson: (value, args, keywords) => {
    const [ascii, indent, separators, sort] = bind(
      'tojson',
      ['ensure_ascii', 'indent', 'separators', 'sort_keys'],
      args,
      keywords,
    )
    const [item, key] = separators === undefined || separators === null ? [] : [...iterate(separators)]
    return toJson(value, {
      asciiOnly: ascii !== undefined && isTrue(ascii),
      indent:
        indent === undefined || indent === null
          ? undefined
          : typeof indent === 'string'
            ? indent
            : ' '.repeat(Math.max(0, wantInt('indent', indent))),
      itemSeparator: item === undefined ? undefined : toText(item),
      ...(key === undefined ? {} : { keySeparator: toText(key) }),
      sortKeys: sort !== undefined && isTrue(sort),
    })
  },
  trim: (value, args, keywords) => {
    const [characters] = bind('trim', ['chars'], args, keywords)
    return strip(toText(value), characters === undefined || characters === null ? undefined : toText(characters))
  },
  truncate: (value, args, keywords) => {
    const [length, kill, end = '...', leeway] = bind(
      'truncate',
      ['length', 'killwords', 'end', 'leeway'],
      args,
      keywords,
    )
    const characters = [...toText(value)]
    const most = wantInt('length', length, 255)
    const slack = leeway === undefined || leeway === null ? 5 : wantInt('leeway', leeway)
    if (characters.length <= most + slack) return characters.join('')
    const cut = characters.slice(0, Math.max(0, most - [...toText(end)].length)).join('')
    const space = kill !== undefined && isTrue(kill) ? -1 : cut.lastIndexOf(' ')
    return (space < 0 ? cut : cut.slice(0, space)) + toText(end)
  },
  upper: (value) => toText(value).toUpperCase(),
  urlencode: (value) => {
    const quote = (text: string, slash: boolean) => {
      const quoted = encodeURIComponent(text).replaceAll(
        /[!'()*]/g,
        (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
      )
      return slash ? quoted.replaceAll('%2F', '/') : quoted
    }
    if (!isDict(value)) return quote(toText(value), true)
    const part = (text: Value) => quote(toText(text), false).replaceAll('%20', '+')
    return [...value].map(([key, item]) => `${part(key)}=${part(item)}`).join('&')
  },
  wordcount: (value) => BigInt(toText(value).match(/[\p{L}\p{N}_]+/gu)?.length ?? 0),
  default: defaults,
  d: defaults,
}

function defaults(...[value, args, keywords]: Parameters<Filter>): Value {
  const [fallback = '', whenFalse] = bind('default', ['default_value', 'boolean'], args, keywords)
  const isMissing = value instanceof Undefined || (whenFalse !== undefined && isTrue(whenFalse) && !isTrue(value))
  return isMissing ? fallback : value
}
