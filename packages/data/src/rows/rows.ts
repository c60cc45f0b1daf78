// Rows of a dataset file, each checked before any training.

import { DatasetError, type RowOrigin } from '../errors'
import { itemsOf, valueOf, type RecordItem } from '../records/records'
import { checkRow, checkRowAs, isQaRecord } from './check-row'
import { renamed, type Columns } from './qa/columns'
import type { CheckOptions } from './fields'
import type { ContextQuestion, ContextRow, Row } from './row-formats'

/** How rows are read. */
export interface RowOptions extends CheckOptions {
  /** Which keys hold question, answer and context, where they are others. */
  columns?: Columns | undefined
}

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
  records: AsyncIterable<RecordItem>,
  file: string,
  options?: RowOptions,
): AsyncGenerator<Row> {
  let last: Row | undefined
  let wasQa = false
  for await (const item of records) {
    const row = rowOf(item, options)
    const isQa = options?.columns !== undefined || ('value' in item && isQaRecord(item.value))
    // Questions of a published set on one context come one after the other.
    const more = wasQa && isQa ? joinable(last, row) : undefined
    if (more !== undefined) {
      const [known, question] = more
      known.questions = [...known.questions, question]
      continue
    }
    if (last !== undefined) yield last
    ;[last, wasQa] = [row, isQa]
  }
  if (last === undefined) throw noRows(file)
  yield last
}

/** The row before and the one question more that is on its context. */
function joinable(last: Row | undefined, row: Row): [ContextRow, ContextQuestion] | undefined {
  if (last === undefined || !('context' in last && 'context' in row) || last.split !== row.split) return undefined
  const isSame =
    typeof row.context === 'string'
      ? row.context === last.context
      : row.context.length === last.context.length && JSON.stringify(row.context) === JSON.stringify(last.context)
  return isSame ? [last, row.questions[0]!] : undefined
}

function rowOf(item: RecordItem, options: RowOptions = {}): Row {
  const { value, origin } = valueOf(item)
  if ('whole' in item && item.whole)
    throw new DatasetError({
      file: origin.file,
      problem: 'a single JSON object over several lines; expected a JSON array of rows, or one row a line',
    })
  return recordRow(value, origin, options)
}

/**
 * A record as a row: of the format that its keys tell, or a question by the columns that are named.
 * @throws DatasetError naming row and key, or the column that is not there
 */
export const recordRow = (value: unknown, origin: RowOrigin, options: RowOptions = {}): Row =>
  options.columns === undefined
    ? checkRow(value, origin, options)
    : checkRowAs('qa', renamed(value, options.columns, origin), origin)

const noRows = (file: string) => new DatasetError({ file, problem: 'the dataset is empty; expected at least one row' })
