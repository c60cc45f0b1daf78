// Every row of a dataset's text held against the known formats: what it is, and all that is wrong with it.
import { DatasetError, RecordReader, recordRow, type Columns, type RecordItem, type Row } from '@jora/data'
import type { DatasetFormat, Inspection } from '../api'
import { ColumnExamples } from './column-examples'

const mostErrors = 100
/** How many bytes of the beginning are enough to recognise a file without rows. */
const headChars = 4000
/** What a shown row may take, as JSON. */
const shownChars = 20_000

const formatOf = (row: Row, value: unknown): DatasetFormat => {
  if ('input_ids' in row) return 'tokens'
  if ('questions' in row) return 'raft'
  if ('messages' in row) return 'conversations' in (value as object) ? 'sharegpt' : 'chat'
  return 'output' in row ? 'alpaca' : 'completion'
}

const hints: readonly (readonly [pattern: RegExp, hint: string])[] = [
  [/^\s*</, 'This is a web page or XML. Download the file itself, not the page that shows it.'],
  [/^PK\p{Cc}{2}/u, 'This is a zip: unpack it, then choose the file with the rows.'],
  [
    /^\s*\{[\s\S]*"data"\s*:\s*\[[\s\S]*"paragraphs"/,
    'This looks like SQuAD: jora data import --format squad turns it into rows.',
  ],
  [/^[^\n{[]*[,\t;][^\n]*\n/, 'This looks like a table: its name must end in .csv or .tsv.'],
]
const generalHint =
  'Each row is an object such as {"instruction": "…", "output": "…"}, {"messages": […]} or {"context": "…", "questions": […]}: one a line, or all in one array.'

type Found = Omit<Inspection, 'path' | 'bytes'>

const tableHint =
  'Columns are called as the keys of rows are: instruction and output, question and answer with context, or messages. Say which column is which, or rename them.'
/** Of rows that are read by columns that were named. */
const namedHint = 'Choose other columns, or correct these rows in the file.'

/** What the records of a file come to. */
class Collector {
  rows = 0
  errorCount = 0
  readonly #formats = new Map<DatasetFormat, number>()
  readonly #first: unknown[] = []
  readonly #errors: Inspection['errors'] = []

  readonly #examples = new ColumnExamples()

  constructor(
    readonly shown: number,
    readonly columns: Columns | undefined,
  ) {}

  fail(message: string, row: number | null, line: number | null, key: string | null = null): void {
    this.errorCount++
    if (this.#errors.length < mostErrors) this.#errors.push({ row, line, key, message })
  }

  take(item: RecordItem, isRow = true): void {
    const { row, line } = item.origin
    if (isRow) this.rows++
    try {
      if ('error' in item) throw item.error
      if (this.#first.length < this.shown) this.#first.push(shortened(item.value))
      this.#examples.take(item.value)
      const format = formatOf(recordRow(item.value, item.origin, { columns: this.columns }), item.value)
      this.#formats.set(format, (this.#formats.get(format) ?? 0) + 1)
    } catch (error) {
      if (!(error instanceof DatasetError)) throw error
      const place = isRow ? row : null
      this.fail(problemOf(error), place, line ?? error.line ?? null, error.key ?? null)
    }
  }

  found(layout: Found['layout'], hint: () => string): Found {
    if (this.rows === 0 && this.errorCount === 0) this.fail('The file holds no rows.', null, null)
    const formats = [...this.#formats].sort((a, b) => b[1] - a[1]).map(([format]) => format)
    return {
      format: formats[0] ?? null,
      formats,
      layout,
      rows: this.rows,
      first: this.#first,
      columns: this.#examples.columns,
      errors: this.#errors,
      errorCount: this.errorCount,
      hint: this.errorCount === 0 ? null : this.columns === undefined ? hint() : namedHint,
    }
  }
}

/**
 * What a dataset file holds: its text comes in pieces, and memory does not grow with it.
 * @param columns what rows are held against, where their keys are called otherwise
 */
export async function inspectRows(
  chunks: AsyncIterable<string> | Iterable<string>,
  file: string,
  shown: number,
  columns?: Columns,
): Promise<Found> {
  const found = new Collector(shown, columns)
  const reader = new RecordReader(file)
  let head = ''
  const take = (item: RecordItem) =>
    found.take(item, !('error' in item && item.error.row === undefined && reader.layout === 'array'))
  for await (const chunk of chunks) {
    if (head.length < headChars) head += chunk.slice(0, headChars)
    for (const item of reader.push(chunk)) take(item)
  }
  for (const item of reader.end()) take(item)
  return found.found(
    reader.layout === 'array' ? 'array' : 'lines',
    () => hints.find(([pattern]) => pattern.test(head))?.[1] ?? generalHint,
  )
}

/** What a table holds: CSV, TSV or Parquet. */
export async function inspectTable(
  records: AsyncIterable<RecordItem>,
  shown: number,
  columns?: Columns,
): Promise<Found> {
  const found = new Collector(shown, columns)
  try {
    for await (const item of records) found.take(item)
  } catch (error) {
    if (!(error instanceof DatasetError)) throw error
    found.fail(problemOf(error), null, error.line ?? null)
  }
  return found.found('table', () => tableHint)
}

/** Without where it is, which is told apart. */
const problemOf = ({ message, key }: DatasetError): string => {
  const mark = key === undefined ? undefined : `"${key}": `
  const at = mark === undefined ? -1 : message.indexOf(mark)
  if (at >= 0) return message.slice(at + mark!.length)
  return message.replace(/^.*?(?:row \d+(?: \(line \d+\))?|line \d+): /s, '')
}

const shortened = (value: unknown): unknown => {
  const text = JSON.stringify(value)
  return text.length <= shownChars ? value : `${text.slice(0, shownChars)}…`
}
