// Rows of a JSON array or JSONL file whose keys are not those of a dataset.

import { DatasetError, describeValue, type RowOrigin } from '../errors'
import { isRecord, type JsonRecord } from '../records/json'
import { itemsOf, valueOf } from '../records/records'

/** A row and its place. */
export interface JsonRow {
  value: unknown
  origin: RowOrigin
}

/**
 * Reads the rows of a JSON array or of JSONL.
 *
 * @param what the rows are, for the error when there are none
 * @throws DatasetError on broken JSON, or no rows
 */
export function parseJsonRows(text: string, file: string, what: string): JsonRow[] {
  const rows = Array.from(itemsOf(text, file), (item, i) => ({ ...valueOf(item), origin: { file, row: i + 1 } }))
  if (rows.length === 0) throw new DatasetError({ file, problem: `holds no ${what}` })
  return rows
}

/** @throws DatasetError when the value is no object */
export function recordOf(value: unknown, origin: RowOrigin): JsonRecord {
  if (isRecord(value)) return value
  throw new DatasetError({ ...origin, problem: `got ${describeValue(value)}; expected an object` })
}

/** @throws DatasetError when the value is no string */
export function textAt(row: JsonRecord, key: string, origin: RowOrigin): string {
  const value = row[key]
  if (typeof value === 'string') return value
  throw new DatasetError({ ...origin, key, problem: `got ${describeValue(value)}; expected a string` })
}

/** Undefined where the key is absent or null. @throws DatasetError when the value is anything but a string */
export const optionalText = (row: JsonRecord, key: string, origin: RowOrigin): string | undefined =>
  row[key] === undefined || row[key] === null ? undefined : textAt(row, key, origin)
