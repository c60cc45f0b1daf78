// Every row of a dataset's text held against the known formats: what it is, and all that is wrong with it.
import { checkRow, DatasetError, RecordReader, type RecordItem, type Row } from '@jora/data'
import type { DatasetFormat, Inspection } from '../api'

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
  [
    /^[^\n{[]*[,\t;][^\n]*\n/,
    'This looks like a table. Write each row as {"instruction": …, "output": …}, one a line.',
  ],
]
const generalHint =
  'Each row is an object such as {"instruction": "…", "output": "…"}, {"messages": […]} or {"context": "…", "questions": […]}: one a line, or all in one array.'

interface Collected {
  rows: number
  readonly formats: Map<DatasetFormat, number>
  readonly first: unknown[]
  readonly errors: Inspection['errors']
  errorCount: number
}

/** What a dataset file holds: its text comes in pieces, and memory does not grow with it. */
export async function inspectRows(
  chunks: AsyncIterable<string> | Iterable<string>,
  file: string,
  shown: number,
): Promise<Omit<Inspection, 'path' | 'bytes'>> {
  const found: Collected = { rows: 0, formats: new Map(), first: [], errors: [], errorCount: 0 }
  const reader = new RecordReader(file)
  let head = ''
  const fail = (message: string, row: number | null, line: number | null, key: string | null = null) => {
    found.errorCount++
    if (found.errors.length < mostErrors) found.errors.push({ row, line, key, message })
  }
  const take = (item: RecordItem) => {
    const { row, line } = item.origin
    const isRow = !('error' in item && item.error.row === undefined && reader.layout === 'array')
    if (isRow) found.rows++
    try {
      if ('error' in item) throw item.error
      if (found.first.length < shown) found.first.push(shortened(item.value))
      const format = formatOf(checkRow(item.value, item.origin), item.value)
      found.formats.set(format, (found.formats.get(format) ?? 0) + 1)
    } catch (error) {
      if (!(error instanceof DatasetError)) throw error
      const place = isRow ? row : null
      fail(problemOf(error), place, line ?? error.line ?? null, error.key ?? null)
    }
  }
  for await (const chunk of chunks) {
    if (head.length < headChars) head += chunk.slice(0, headChars)
    for (const item of reader.push(chunk)) take(item)
  }
  for (const item of reader.end()) take(item)
  if (found.rows === 0 && found.errorCount === 0) fail('The file holds no rows.', null, null)
  const formats = [...found.formats].sort((a, b) => b[1] - a[1]).map(([format]) => format)
  return {
    format: formats[0] ?? null,
    formats,
    layout: reader.layout === 'array' ? 'array' : 'lines',
    rows: found.rows,
    first: found.first,
    errors: found.errors,
    errorCount: found.errorCount,
    hint: found.errorCount === 0 ? null : (hints.find(([pattern]) => pattern.test(head))?.[1] ?? generalHint),
  }
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
