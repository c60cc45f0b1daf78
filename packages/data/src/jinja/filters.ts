// Jinja's filters by name: `value | name(…)`.

import { TemplateRuntimeError } from './errors'
import type { Filter } from './filter'
import { lazily, listFilters } from './list-filters'
import { getPath } from './members'
import { toText } from './text'
import { textFilters } from './text-filters'
import type { Keywords, Value } from './values'

const map: Filter = (value, args, keywords) => {
  const attribute = keywords.get('attribute')
  if (args.length === 0 && attribute !== undefined) {
    const fallback = keywords.get('default')
    return lazily(value, (item) => [getPath(item, attribute, fallback)])
  }
  const [name, ...rest] = args
  if (name === undefined) throw new TemplateRuntimeError('map requires a filter argument')
  return lazily(value, (item) => [applyFilter(toText(name), item, rest, keywords)])
}

const filters: Readonly<Record<string, Filter>> = { ...textFilters, ...listFilters, map }

export const hasFilter = (name: string): boolean => Object.hasOwn(filters, name)

/** @throws TemplateRuntimeError when there is no filter of the name, or as the filter does */
export function applyFilter(name: string, value: Value, args: readonly Value[], keywords: Keywords): Value {
  const filter = hasFilter(name) ? filters[name] : undefined
  if (filter === undefined) throw new TemplateRuntimeError(`No filter named '${name}'.`)
  return filter(value, args, keywords)
}
