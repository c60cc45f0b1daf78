// Every row of a dataset's text held against the known formats: what it is, and all that is wrong with it.
import { checkRow, DatasetError, type Row } from '@jora/data'
import type { DatasetFormat, Inspection } from '../api'

const mostErrors = 100
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

export function inspectRows(text: string, file: string, shown: number): Omit<Inspection, 'path' | 'bytes'> {
  const found: Collected = { rows: 0, formats: new Map(), first: [], errors: [], errorCount: 0 }
  const content = text.startsWith('\uFEFF') ? text.slice(1) : text
  const isArray = /^\s*\[/.test(content)
  const fail = (message: string, row: number | null, line: number | null, key: string | null = null) => {
    found.errorCount++
    if (found.errors.length < mostErrors) found.errors.push({ row, line, key, message })
  }
  const take = (value: unknown, row: number, line?: number) => {
    found.rows++
    if (found.first.length < shown) found.first.push(shortened(value))
    try {
      const format = formatOf(checkRow(value, { file, row, ...(line === undefined ? {} : { line }) }), value)
      found.formats.set(format, (found.formats.get(format) ?? 0) + 1)
    } catch (error) {
      if (!(error instanceof DatasetError)) throw error
      fail(problemOf(error), row, line ?? null, error.key ?? null)
    }
  }
  if (isArray) takeArray(content, take, fail)
  else takeLines(content, take, fail)
  if (found.rows === 0 && found.errorCount === 0) fail('The file holds no rows.', null, null)
  const formats = [...found.formats].sort((a, b) => b[1] - a[1]).map(([format]) => format)
  return {
    format: formats[0] ?? null,
    formats,
    layout: isArray ? 'array' : 'lines',
    rows: found.rows,
    first: found.first,
    errors: found.errors,
    errorCount: found.errorCount,
    hint:
      found.errorCount === 0
        ? null
        : (hints.find(([pattern]) => pattern.test(content.slice(0, 4000)))?.[1] ?? generalHint),
  }
}

type Take = (value: unknown, row: number, line?: number) => void
type Fail = (message: string, row: number | null, line: number | null) => void

function takeArray(text: string, take: Take, fail: Fail): void {
  try {
    ;(JSON.parse(text) as unknown[]).forEach((value, i) => take(value, i + 1))
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    fail(`The array is no valid JSON: ${error.message}`, null, null)
  }
}

function takeLines(text: string, take: Take, fail: Fail): void {
  let row = 0
  text.split('\n').forEach((source, i) => {
    if (source.trim() === '') return
    row++
    let value: unknown
    try {
      value = JSON.parse(source)
    } catch (error) {
      fail(`The line is no valid JSON: ${(error as Error).message}`, row, i + 1)
      return
    }
    take(value, row, i + 1)
  })
}

/** Without where it stands, which is told apart. */
const problemOf = ({ message, key }: DatasetError): string => {
  const mark = key === undefined ? undefined : `"${key}": `
  const at = mark === undefined ? -1 : message.indexOf(mark)
  if (at >= 0) return message.slice(at + mark!.length)
  return message.replace(/^.*?row \d+(?: \(line \d+\))?: /s, '')
}

const shortened = (value: unknown): unknown => {
  const text = JSON.stringify(value)
  return text.length <= shownChars ? value : `${text.slice(0, shownChars)}…`
}
