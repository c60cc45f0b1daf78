// Python's two ways to format: `'%s' % value` and `'{}'.format(value)`.

import { wantInt } from './arguments'
import { TemplateRuntimeError } from './errors'
import { floatText, repr, toText } from './text'
import { isDict, isNumber, Tuple, typeName, type Dict, type Keywords, type Value } from './values'

const percent = /%(?:\((.*?)\))?([#0\- +]*)(\*|\d+)?(?:\.(\*|\d+))?[hlL]?(.)/gs

/** `format % values`. @throws TemplateRuntimeError as Python */
export function formatPercent(format: string, values: Value): string {
  const list = values instanceof Tuple ? [...values] : [values]
  let next = 0
  const take = (): Value => {
    const value = list[next++]
    if (value === undefined) throw new TemplateRuntimeError('not enough arguments for format string')
    return value
  }
  const text = format.replaceAll(
    percent,
    (
      _,
      key: string | undefined,
      flags: string,
      width: string | undefined,
      precision: string | undefined,
      kind: string,
    ) => {
      if (kind === '%') return '%'
      const size = (text: string | undefined) =>
        text === undefined ? undefined : text === '*' ? wantInt('* wants', take()) : Number(text)
      const [w, p] = [size(width), size(precision)]
      const value = key === undefined ? take() : isDict(values) ? values.get(key) : undefined
      if (value === undefined) throw new TemplateRuntimeError(`format requires a mapping with '${key}'`)
      let body: string
      if (kind === 's' || kind === 'r' || kind === 'a') {
        body = kind === 's' ? toText(value) : repr(value)
        if (p !== undefined) body = [...body].slice(0, p).join('')
        return pad(body, w, flags.includes('-') ? '<' : '>', ' ')
      }
      if (kind === 'c') return pad(typeof value === 'string' ? value : String.fromCodePoint(Number(value)), w, '>', ' ')
      if (!isNumber(value))
        throw new TemplateRuntimeError(`%${kind} format: a real number is required, not ${typeName(value)}`)
      body = numberText(value, kind === 'i' || kind === 'u' ? 'd' : kind, p, flags.includes('#'))
      if (!body.startsWith('-') && flags.includes('+')) body = `+${body}`
      else if (!body.startsWith('-') && flags.includes(' ')) body = ` ${body}`
      if (flags.includes('-')) return pad(body, w, '<', ' ')
      return flags.includes('0') ? pad(body, w, '=', '0') : pad(body, w, '>', ' ')
    },
  )
  if (next < list.length && !isDict(values))
    throw new TemplateRuntimeError('not all arguments converted during string formatting')
  return text
}

/** `format.format(…)`. @throws TemplateRuntimeError as Python */
export function formatBraces(format: string, args: readonly Value[], keywords: Keywords): string {
  let next = 0
  return format.replaceAll(
    /\{\{|\}\}|\{([^{}!:]*)(?:!([rsa]))?(?::([^{}]*))?\}|[{}]/g,
    (match, field: string | undefined, conversion: string | undefined, spec: string | undefined) => {
      if (match === '{{') return '{'
      if (match === '}}') return '}'
      if (field === undefined) throw new TemplateRuntimeError(`Single '${match}' encountered in format string`)
      const [name = '', ...rest] = field.split(/[.[\]]+/).filter((part, i) => i === 0 || part !== '')
      let value = name === '' ? args[next++] : /^\d+$/.test(name) ? args[Number(name)] : keywords.get(name)
      if (value === undefined)
        throw new TemplateRuntimeError(
          name === '' || /^\d+$/.test(name) ? 'Replacement index out of range for positional args tuple' : `'${name}'`,
        )
      for (const key of rest) value = member(value, key)
      if (conversion !== undefined) value = conversion === 's' ? toText(value) : repr(value)
      return formatSpec(value, spec ?? '')
    },
  )
}

function member(value: Value, key: string): Value {
  const found = isDict(value)
    ? (value as Dict).get(key)
    : Array.isArray(value)
      ? (value as Value[])[Number(key)]
      : undefined
  if (found === undefined) throw new TemplateRuntimeError(`'${key}'`)
  return found
}

const specPattern = /^(?:(.)?([<>=^]))?([+\- ])?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([a-zA-Z%])?$/su

/** Python's `format(value, spec)`. @throws TemplateRuntimeError on a spec that is none */
function formatSpec(value: Value, spec: string): string {
  if (spec === '') return toText(value)
  const match = specPattern.exec(spec)
  if (match === null) throw new TemplateRuntimeError('Invalid format specifier')
  const [, fill = match[5] === undefined ? ' ' : '0', align, sign, alternate, zero, width, group, precision, kind] =
    match
  const size = width === undefined ? undefined : Number(width)
  const digits = precision === undefined ? undefined : Number(precision)
  if (!isNumber(value) || (typeof value === 'boolean' && kind === undefined)) {
    const text = toText(value)
    return pad(digits === undefined ? text : [...text].slice(0, digits).join(''), size, align ?? '<', fill)
  }
  const asFloat = typeof value === 'number' || 'eEfFgG%'.includes(kind ?? '?')
  let body =
    kind === undefined && digits === undefined
      ? toText(value)
      : numberText(value, kind ?? (asFloat ? 'g' : 'd'), digits, alternate !== undefined)
  if (group !== undefined) body = body.replace(/^-?\d+/, (whole) => whole.replaceAll(/\B(?=(?:\d{3})+$)/g, group))
  if (!body.startsWith('-') && (sign === '+' || sign === ' ')) body = sign + body
  return pad(body, size, align ?? (zero === undefined ? '>' : '='), fill)
}

function pad(text: string, width = 0, align: string, fill: string): string {
  const missing = width - [...text].length
  if (missing <= 0) return text
  if (align === '<') return text + fill.repeat(missing)
  if (align === '^') return fill.repeat(missing >> 1) + text + fill.repeat(missing - (missing >> 1))
  if (align === '>') return fill.repeat(missing) + text
  const sign = /^[+\- ]/.exec(text)?.[0] ?? ''
  return sign + fill.repeat(missing) + text.slice(sign.length)
}

function numberText(
  value: bigint | number | boolean,
  kind: string,
  precision: number | undefined,
  alternate: boolean,
): string {
  const number = Number(value)
  const exponent = (text: string) => text.replace(/e([+-])(\d)$/, 'e$10$2')
  switch (kind) {
    case 'd':
      return typeof value === 'bigint' ? value.toString() : String(Math.trunc(number))
    case 'x':
    case 'X':
    case 'o':
    case 'b': {
      const text = BigInt(value).toString({ x: 16, X: 16, o: 8, b: 2 }[kind])
      const prefixed = alternate ? text.replace(/^-?/, (sign) => `${sign}0${kind.toLowerCase()}`) : text
      return kind === 'X' ? prefixed.toUpperCase() : prefixed
    }
    case 'f':
    case 'F':
      return number.toFixed(precision ?? 6)
    case 'e':
    case 'E': {
      const text = exponent(number.toExponential(precision ?? 6))
      return kind === 'E' ? text.toUpperCase() : text
    }
    case '%':
      return `${(number * 100).toFixed(precision ?? 6)}%`
    case 'g':
    case 'G': {
      const digits = precision === 0 ? 1 : (precision ?? 6)
      if (number === 0) return '0'
      const size = Number(number.toExponential(digits - 1).split('e')[1])
      const plain =
        size < -4 || size >= digits
          ? exponent(number.toExponential(digits - 1)).replace(/\.?0+e/, 'e')
          : number.toFixed(Math.max(0, digits - 1 - size))
      const text = plain.includes('.') && !plain.includes('e') ? plain.replace(/\.?0+$/, '') : plain
      return kind === 'G' ? text.toUpperCase() : text
    }
    case 's':
      return floatText(number)
    default:
      throw new TemplateRuntimeError(`unsupported format character '${kind}'`)
  }
}
