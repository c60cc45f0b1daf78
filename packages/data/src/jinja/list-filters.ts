// Jinja's filters of lists and dicts.

import { bind, wantInt } from './arguments'
import { TemplateRuntimeError } from './errors'
import type { Filter } from './filter'
import { getAttribute, getPath } from './members'
import { binary } from './operators'
import { runTest } from './tests'
import { toText } from './text'
import {
  compare,
  isDict,
  isEqual,
  isTrue,
  iterate,
  Lazy,
  lengthOf,
  orUndefined,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from './values'

const foldCase = (value: Value): Value => (typeof value === 'string' ? value.toLowerCase() : value)
const truth = (value: Value | undefined): boolean => value !== undefined && isTrue(value)

/** What an item is sorted, grouped or compared by: itself, or attributes by their comma separated paths. */
function keyBy(attribute: Value | undefined, caseSensitive: boolean): (item: Value) => Value {
  const fold = (value: Value) => (caseSensitive ? value : foldCase(value))
  if (attribute === undefined || attribute === null) return fold
  const paths: Value[] = typeof attribute === 'bigint' ? [attribute] : toText(attribute).split(',')
  if (paths.length === 1) return (item) => fold(getPath(item, paths[0]!))
  return (item) => paths.map((path) => fold(getPath(item, path)))
}

const sorted = (items: Iterable<Value>, key: (item: Value) => Value, reverse: boolean): Value[] =>
  Array.from(items, (item) => ({ item, by: key(item) }))
    .sort((a, b) => (reverse ? compare(b.by, a.by) : compare(a.by, b.by)))
    .map(({ item }) => item)

const extreme =
  (name: string, sign: 1 | -1): Filter =>
  (value, args, keywords) => {
    const [sensitive, attribute] = bind(name, ['case_sensitive', 'attribute'], args, keywords)
    const key = keyBy(attribute, truth(sensitive))
    let best: Value | undefined
    for (const item of iterate(value)) if (best === undefined || compare(key(item), key(best)) * sign < 0) best = item
    return orUndefined(best, 'No aggregated item, sequence was empty.')
  }

/** `select` and the like: what passes a test, by itself or by an attribute. */
const selecting =
  (name: string, byAttribute: boolean, wanted: boolean): Filter =>
  (value, args, keywords) => {
    const rest = [...args]
    const path = byAttribute ? rest.shift() : undefined
    if (byAttribute && path === undefined)
      throw new TemplateRuntimeError(`${name}: missing parameter for attribute name`)
    const test = rest.shift()
    const passes = (item: Value) =>
      test === undefined ? isTrue(item) : runTest(toText(test), item, [...rest, ...keywords.values()])
    return lazily(value, function* (item) {
      if (passes(path === undefined ? item : getPath(item, path)) === wanted) yield item
    })
  }

/** A generator of what `each` gives for the items. */
export function lazily(value: Value, each: (item: Value) => Iterable<Value>): Lazy {
  const items = iterate(value)
  return new Lazy(
    (function* () {
      for (const item of items) yield* each(item)
    })(),
  )
}

const length: Filter = (value) => BigInt(lengthOf(value))

export const listFilters: Readonly<Record<string, Filter>> = {
  attr: (value, [name]) => getAttribute(value, toText(name ?? '')),
  batch: (value, args, keywords) => {
    const [count, fill] = bind('batch', ['linecount', 'fill_with'], args, keywords)
    const size = wantInt('linecount', count)
    const items = [...iterate(value)]
    const rows = Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size))
    if (fill !== undefined && fill !== null) rows.at(-1)?.push(...Array<Value>(size - rows.at(-1)!.length).fill(fill))
    return new Lazy(rows.values())
  },
  count: length,
  length,
  dictsort: (value, args, keywords) => {
    const [sensitive, by = 'key', reverse] = bind('dictsort', ['case_sensitive', 'by', 'reverse'], args, keywords)
    if (!isDict(value)) throw new TemplateRuntimeError(`'${typeName(value)}' object has no attribute 'items'`)
    if (by !== 'key' && by !== 'value') throw new TemplateRuntimeError('You can only sort by either "key" or "value"')
    const at = by === 'key' ? 0 : 1
    const key = (item: Value) => {
      const part = (item as readonly Value[])[at]!
      return truth(sensitive) ? part : foldCase(part)
    }
    return sorted(
      Array.from(value, (entry) => Tuple.from(entry)),
      key,
      truth(reverse),
    )
  },
  first: (value) => {
    for (const item of iterate(value)) return item
    return new Undefined('No first item, sequence was empty.')
  },
  groupby: (value, args, keywords) => {
    const [attribute, fallback, sensitive] = bind('groupby', ['attribute', 'default', 'case_sensitive'], args, keywords)
    const plain = (item: Value) => getPath(item, attribute!, fallback)
    const key = (item: Value) => (truth(sensitive) ? plain(item) : foldCase(plain(item)))
    const groups: { by: Value; name: Value; items: Value[] }[] = []
    for (const item of sorted(iterate(value), key, false)) {
      const by = key(item)
      const last = groups.at(-1)
      if (last !== undefined && isEqual(last.by, by)) last.items.push(item)
      else groups.push({ by, name: plain(item), items: [item] })
    }
    return groups.map(({ name, items }) => Tuple.from([name, items]))
  },
  items: (value) => {
    if (value instanceof Undefined) return []
    if (!isDict(value)) throw new TemplateRuntimeError('Can only get item pairs from a mapping.')
    return new Lazy(Array.from(value, (entry) => Tuple.from(entry)).values())
  },
  join: (value, args, keywords) => {
    const [separator = '', attribute] = bind('join', ['d', 'attribute'], args, keywords)
    const key = attribute === undefined || attribute === null ? (item: Value) => item : keyBy(attribute, true)
    return Array.from(iterate(value), (item) => toText(key(item))).join(toText(separator))
  },
  last: (value) => {
    if (value instanceof Lazy) throw new TemplateRuntimeError("'generator' object is not reversible")
    const items = [...iterate(value)]
    return orUndefined(items.at(-1), 'No last item, sequence was empty.')
  },
  list: (value) => [...iterate(value)],
  max: extreme('max', -1),
  min: extreme('min', 1),
  reject: selecting('reject', false, false),
  rejectattr: selecting('rejectattr', true, false),
  reverse: (value) =>
    typeof value === 'string' ? [...value].toReversed().join('') : new Lazy([...iterate(value)].toReversed().values()),
  select: selecting('select', false, true),
  selectattr: selecting('selectattr', true, true),
  slice: (value, args, keywords) => {
    const [count, fill] = bind('slice', ['slices', 'fill_with'], args, keywords)
    const slices = wantInt('slices', count)
    const items = [...iterate(value)]
    const [each, extra] = [Math.floor(items.length / slices), items.length % slices]
    const columns = Array.from({ length: slices }, (_, i) => {
      const from = i * each + Math.min(i, extra)
      const column = items.slice(from, from + each + (i < extra ? 1 : 0))
      return fill !== undefined && fill !== null && i >= extra ? [...column, fill] : column
    })
    return new Lazy(columns.values())
  },
  sort: (value, args, keywords) => {
    const [reverse, sensitive, attribute] = bind('sort', ['reverse', 'case_sensitive', 'attribute'], args, keywords)
    const key = keyBy(attribute, truth(sensitive))
    // In a list, equal keys are never asked for their order.
    return sorted(iterate(value), (item) => [key(item)], truth(reverse))
  },
  sum: (value, args, keywords) => {
    const [attribute, start = 0n] = bind('sum', ['attribute', 'start'], args, keywords)
    const key = attribute === undefined || attribute === null ? (item: Value) => item : keyBy(attribute, true)
    return Array.from(iterate(value), key).reduce((a, b) => binary('+', a, b), start)
  },
  unique: (value, args, keywords) => {
    const [sensitive, attribute] = bind('unique', ['case_sensitive', 'attribute'], args, keywords)
    const key = keyBy(attribute, truth(sensitive))
    const seen: Value[] = []
    return lazily(value, (item) => {
      const by = key(item)
      if (seen.some((other) => isEqual(other, by))) return []
      seen.push(by)
      return [item]
    })
  },
}
