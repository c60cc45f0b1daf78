// The methods of Python's str.

import { bind, wantInt, wantText } from './arguments'
import { TemplateRuntimeError } from './errors'
import { formatBraces } from './format'
import {
  capitalize,
  isSpace,
  splitLines,
  splitWords,
  splitWordsFromEnd,
  strip,
  stripEnd,
  stripStart,
  titled,
} from './strings'
import { isDict, isTrue, iterate, lengthOf, Tuple, typeName, type Callable, type Keywords, type Value } from './values'

type Method = (text: string, args: readonly Value[], keywords: Keywords) => Value

/** A method whose arguments may also be named. */
const method =
  (name: string, names: readonly string[], run: (text: string, ...args: (Value | undefined)[]) => Value): Method =>
  (text, args, keywords) =>
    run(text, ...bind(name, names, args, keywords))

const plain = (name: string, run: (text: string) => Value): Method => method(name, [], run)

const stripping = (name: string, run: (text: string, set?: string) => string): Method =>
  method(name, ['chars'], (text, set) =>
    run(text, set === undefined || set === null ? undefined : wantText(`${name} arg`, set)),
  )

/** Whether every character is of the kind, and there is one. */
const all = (name: string, kind: RegExp): Method =>
  plain(name, (text) => text !== '' && [...text].every((character) => kind.test(character)))

/** The part of the text that `start` and `stop` leave, by code points. */
function range(text: string, start: Value | undefined, stop: Value | undefined): { part: string; from: number } {
  const characters = [...text]
  const clamp = (value: Value | undefined, fallback: number) => {
    if (value === undefined || value === null) return fallback
    const index = wantInt('slice indices', value)
    return Math.max(0, Math.min(characters.length, index < 0 ? index + characters.length : index))
  }
  const from = clamp(start, 0)
  return { part: characters.slice(from, Math.max(from, clamp(stop, characters.length))).join(''), from }
}

const affix = (name: string, test: (text: string, affix: string) => boolean): Method =>
  method(name, [name, 'start', 'end'], (text, wanted, start, stop) => {
    const { part } = start === undefined ? { part: text } : range(text, start, stop)
    if (wanted instanceof Tuple) return wanted.some((one) => test(part, wantText(`${name} arg`, one)))
    if (typeof wanted !== 'string')
      throw new TemplateRuntimeError(
        `${name} first arg must be str or a tuple of str, not ${wanted === undefined ? 'nothing' : typeName(wanted)}`,
      )
    return test(part, wanted)
  })

const search = (name: string, find: (text: string, wanted: string) => number, orFail: boolean): Method =>
  method(name, ['sub', 'start', 'end'], (text, wanted, start, stop) => {
    const { part, from } = range(text, start, stop)
    const at = find(part, wantText(`${name} arg`, wanted))
    if (at < 0 && orFail) throw new TemplateRuntimeError('substring not found')
    return BigInt(at < 0 ? -1 : from + lengthOf(part.slice(0, at)))
  })

const splitting = (name: string, fromEnd: boolean): Method =>
  method(name, ['sep', 'maxsplit'], (text, separator, most) => {
    const limit = wantInt('maxsplit', most, -1)
    if (separator === undefined || separator === null)
      return fromEnd ? splitWordsFromEnd(text, limit) : splitWords(text, limit)
    const by = wantText('must be str or None', separator)
    if (by === '') throw new TemplateRuntimeError('empty separator')
    const parts = text.split(by)
    if (limit < 0 || parts.length <= limit + 1) return parts
    return fromEnd
      ? [parts.slice(0, parts.length - limit).join(by), ...parts.slice(parts.length - limit)]
      : [...parts.slice(0, limit), parts.slice(limit).join(by)]
  })

const partition = (name: string, find: (text: string, by: string) => number, fromEnd: boolean): Method =>
  method(name, ['sep'], (text, separator) => {
    const by = wantText('sep', separator)
    if (by === '') throw new TemplateRuntimeError('empty separator')
    const at = find(text, by)
    if (at < 0) return Tuple.from(fromEnd ? ['', '', text] : [text, '', ''])
    return Tuple.from([text.slice(0, at), by, text.slice(at + by.length)])
  })

const justify = (name: string, sides: (missing: number) => readonly [before: number, after: number]): Method =>
  method(name, ['width', 'fillchar'], (text, width, fill) => {
    const missing = wantInt('width', width) - [...text].length
    if (missing <= 0) return text
    const [before, after] = sides(missing)
    const by = fill === undefined ? ' ' : wantText('fillchar', fill)
    return by.repeat(before) + text + by.repeat(after)
  })

const isUpper = (text: string): boolean => text !== text.toLowerCase() && text === text.toUpperCase()
const isLower = (text: string): boolean => text !== text.toUpperCase() && text === text.toLowerCase()

/** `text.replace(old, by, count)` with Python's meaning of an empty `old`. */
export function replaceText(text: string, old: string, by: string, count = -1): string {
  const parts = old === '' ? ['', ...text, ''] : text.split(old)
  if (old === '' && text === '') return count === 0 ? '' : by
  if (count < 0 || parts.length <= count + 1) return parts.join(by)
  return parts.slice(0, count + 1).join(by) + old + parts.slice(count + 1).join(old)
}

const methods: Readonly<Record<string, Method>> = {
  capitalize: plain('capitalize', capitalize),
  casefold: plain('casefold', (text) => text.toLowerCase().replaceAll('ß', 'ss')),
  center: justify('center', (missing) => [missing >> 1, missing - (missing >> 1)]),
  count: method('count', ['sub', 'start', 'end'], (text, wanted, start, stop) => {
    const { part } = range(text, start, stop)
    const by = wantText('count arg', wanted)
    return BigInt(by === '' ? [...part].length + 1 : part.split(by).length - 1)
  }),
  endswith: affix('endswith', (text, end) => text.endsWith(end)),
  expandtabs: method('expandtabs', ['tabsize'], (text, size) => {
    const width = wantInt('tabsize', size, 8)
    let column = 0
    return [...text]
      .map((character) => {
        if (character === '\n' || character === '\r') column = -1
        const add = character === '\t' ? (width > 0 ? width - (column % width) : 0) : 1
        column += add
        return character === '\t' ? ' '.repeat(add) : character
      })
      .join('')
  }),
  find: search('find', (text, wanted) => text.indexOf(wanted), false),
  format: formatBraces,
  format_map: (text, [values]) => {
    if (values === undefined || !isDict(values)) throw new TemplateRuntimeError('format_map() wants a dict')
    return formatBraces(text, [], values as Keywords)
  },
  index: search('index', (text, wanted) => text.indexOf(wanted), true),
  isalnum: all('isalnum', /[\p{L}\p{N}]/u),
  isalpha: all('isalpha', /\p{L}/u),
  isascii: plain('isascii', (text) => [...text].every((character) => character < '\u0080')),
  isdecimal: all('isdecimal', /\p{Nd}/u),
  isdigit: all('isdigit', /[\p{Nd}\u00B2\u00B3\u00B9\u2070\u2074-\u2079\u2080-\u2089]/u),
  isidentifier: plain('isidentifier', (text) => /^[\p{ID_Start}_]\p{ID_Continue}*$/u.test(text)),
  islower: plain('islower', isLower),
  isnumeric: all('isnumeric', /\p{N}/u),
  isprintable: plain('isprintable', (text) => !/[\p{C}\p{Zl}\p{Zp}]/u.test(text) && !/(?! )\p{Zs}/u.test(text)),
  isspace: plain('isspace', isSpace),
  istitle: plain('istitle', (text) => /\p{L}/u.test(text) && text === titled(text)),
  isupper: plain('isupper', isUpper),
  join: method('join', ['iterable'], (text, items) => {
    if (items === undefined) throw new TemplateRuntimeError('join() takes exactly one argument (0 given)')
    return Array.from(iterate(items), (item, i) => wantText(`sequence item ${i}: expected str instance,`, item)).join(
      text,
    )
  }),
  ljust: justify('ljust', (missing) => [0, missing]),
  lower: plain('lower', (text) => text.toLowerCase()),
  lstrip: stripping('lstrip', stripStart),
  partition: partition('partition', (text, by) => text.indexOf(by), false),
  removeprefix: method('removeprefix', ['prefix'], (text, prefix) => {
    const by = wantText('removeprefix arg', prefix)
    return text.startsWith(by) ? text.slice(by.length) : text
  }),
  removesuffix: method('removesuffix', ['suffix'], (text, suffix) => {
    const by = wantText('removesuffix arg', suffix)
    return by !== '' && text.endsWith(by) ? text.slice(0, -by.length) : text
  }),
  replace: method('replace', ['old', 'new', 'count'], (text, old, by, count) =>
    replaceText(text, wantText('replace arg', old), wantText('replace arg', by), wantInt('count', count, -1)),
  ),
  rfind: search('rfind', (text, wanted) => text.lastIndexOf(wanted), false),
  rindex: search('rindex', (text, wanted) => text.lastIndexOf(wanted), true),
  rjust: justify('rjust', (missing) => [missing, 0]),
  rpartition: partition('rpartition', (text, by) => text.lastIndexOf(by), true),
  rsplit: splitting('rsplit', true),
  rstrip: stripping('rstrip', stripEnd),
  split: splitting('split', false),
  splitlines: method('splitlines', ['keepends'], (text, keep) => splitLines(text, keep !== undefined && isTrue(keep))),
  startswith: affix('startswith', (text, start) => text.startsWith(start)),
  strip: stripping('strip', strip),
  swapcase: plain('swapcase', (text) =>
    [...text].map((c) => (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase())).join(''),
  ),
  title: plain('title', titled),
  upper: plain('upper', (text) => text.toUpperCase()),
  zfill: method('zfill', ['width'], (text, width) => {
    const sign = /^[+-]/.exec(text)?.[0] ?? ''
    return sign + text.slice(sign.length).padStart(wantInt('width', width) - sign.length, '0')
  }),
}

/** The method of this text, or undefined where str has none of the name. */
export function stringMethod(text: string, name: string): Callable | undefined {
  const run = Object.hasOwn(methods, name) ? methods[name] : undefined
  return run && ((args, keywords) => run(text, args, keywords))
}
