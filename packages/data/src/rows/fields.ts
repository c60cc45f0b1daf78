// Values of a row by key, checked, and keys that nothing is done with.

import { DatasetError, describeValue, type RowOrigin } from '../errors'
import type { JsonRecord } from '../records/json'

/** What a check of rows reports beside errors. */
export interface CheckOptions {
  /**
   * Called with each key that a row has and training ignores, e.g. `category` or `questions[].score`; once for each
   * row.
   */
  onUnusedKey?: (key: string) => void
}

/** Tells the keys of `row` that are not among `used`. */
export function noteUnused(row: JsonRecord, used: readonly string[], { onUnusedKey }: CheckOptions, prefix = ''): void {
  if (onUnusedKey === undefined) return
  for (const key of Object.keys(row)) if (!used.includes(key)) onUnusedKey(prefix + key)
}

/** A sentence that names the keys which training ignores, for people; an empty list when there are none. */
export function unusedKeysNote(keys: ReadonlySet<string>): string[] {
  if (keys.size === 0) return []
  const shown = [...keys].slice(0, 8).map((key) => JSON.stringify(key))
  const more = keys.size > shown.length ? ` and ${keys.size - shown.length} more` : ''
  return [`nothing is done with the ${keys.size === 1 ? 'key' : 'keys'} ${shown.join(', ')}${more} of the rows`]
}

const keyPath = (path: string | undefined, key: string): string => (path === undefined ? key : `${path}.${key}`)

/** @throws DatasetError when the value is no string */
export function stringAt(row: JsonRecord, key: string, origin: RowOrigin, path?: string): string {
  const value = row[key]
  if (typeof value === 'string') return value
  const problem = `got ${describeValue(value)}; expected a string`
  throw new DatasetError({ ...origin, key: keyPath(path, key), problem })
}

/** Undefined where the key is absent or null. @throws DatasetError when the value is anything else but a string */
export const optionalString = (row: JsonRecord, key: string, origin: RowOrigin, path?: string): string | undefined =>
  row[key] === undefined || row[key] === null ? undefined : stringAt(row, key, origin, path)

/** @throws DatasetError when the value is no array */
export function arrayAt(
  row: JsonRecord,
  key: string,
  origin: RowOrigin,
  expected = 'an array',
  path?: string,
): unknown[] {
  const value = row[key]
  if (Array.isArray(value)) return value as unknown[]
  const problem = `got ${describeValue(value)}; expected ${expected}`
  throw new DatasetError({ ...origin, key: keyPath(path, key), problem })
}
