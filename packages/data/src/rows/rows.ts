// Rows of a dataset file, each checked before any training.

import { DatasetError } from '../errors'
import { itemsOf, readItems, valueOf, type RecordItem } from '../records/records'
import { checkRow } from './check-row'
import type { CheckOptions } from './fields'
import type { Row } from './row-formats'

/**
 * Reads dataset text: a JSON array, or one JSON object a line (JSONL); its first character decides which. A byte order
 * mark, CRLF and blank lines are accepted.
 * @param file the file's name, for errors
 * @throws DatasetError on broken JSON, a row of no known format, or no rows at all
 */
export function parseRows(text: string, file: string, options?: CheckOptions): Row[] {
  const rows: Row[] = []
  for (const item of itemsOf(text, file)) rows.push(rowOf(item, options))
  if (rows.length === 0) throw noRows(file)
  return rows
}

/**
 * Reads rows from dataset text that comes in pieces, one by one. See {@link parseRows}.
 *
 * @throws DatasetError as parseRows does
 */
export async function* readRows(
  chunks: AsyncIterable<string>,
  file: string,
  options?: CheckOptions,
): AsyncGenerator<Row> {
  let count = 0
  for await (const item of readItems(chunks, file)) {
    count++
    yield rowOf(item, options)
  }
  if (count === 0) throw noRows(file)
}

function rowOf(item: RecordItem, options?: CheckOptions): Row {
  const { value, origin } = valueOf(item)
  if ('whole' in item && item.whole)
    throw new DatasetError({
      file: origin.file,
      problem: 'a single JSON object over several lines; expected a JSON array of rows, or one row a line',
    })
  return checkRow(value, origin, options)
}

const noRows = (file: string) => new DatasetError({ file, problem: 'the dataset is empty; expected at least one row' })
