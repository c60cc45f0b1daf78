// Rows of a dataset file: the accepted shapes and the checks that run before any training.

import { DatasetError, describeValue, type RowOrigin } from './errors'
import { isRecord, type JsonRecord } from './json'
import { findJsonError, lineOf } from './json-location'

/** Instruction, optional input, answer: the format of Stanford Alpaca. */
export interface AlpacaRow {
  instruction: string
  input?: string
  output: string
  origin?: RowOrigin
}

/** A prompt used as it stands and its continuation, as TRL has them. */
export interface CompletionRow {
  prompt: string
  completion: string
  origin?: RowOrigin
}

/** Pre-tokenised; labels as in transformers: same length, −100 = no loss, shifted inside. */
export interface TokenRow {
  input_ids: readonly number[]
  labels: readonly number[]
  origin?: RowOrigin
}

export type Row = AlpacaRow | CompletionRow | TokenRow

const EXPECTED = '"instruction" and "output", "prompt" and "completion", or "input_ids" and "labels"'

// Keys by which the other formats of the contract are told, so that their rows are not called broken.
const OTHER_FORMATS: readonly (readonly [key: string, format: string])[] = [
  ['messages', 'chat'],
  ['conversations', 'ShareGPT chat'],
  ['questions', 'RAFT'],
]

/**
 * Reads dataset text: a JSON array, or one JSON object a line (JSONL), told by its first character. A byte order mark, CRLF
 * and blank lines are fine.
 *
 * @param file what errors call it
 * @throws DatasetError on broken JSON, a row of no known shape, or no rows at all
 */
export function parseRows(text: string, file: string): Row[] {
  const content = text.startsWith('\uFEFF') ? text.slice(1) : text
  const rows = /^\s*\[/.test(content) ? parseArray(content, file) : parseLines(content, file)
  if (rows.length === 0) throw new DatasetError({ file, problem: 'the dataset is empty; expected at least one row' })
  return rows
}

function parseArray(text: string, file: string): Row[] {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    throw brokenJson(text, file, 0)
  }
  return (parsed as unknown[]).map((value, i) => checkRow(value, { file, row: i + 1 }))
}

function parseLines(text: string, file: string): Row[] {
  const rows: Row[] = []
  text.split('\n').forEach((source, i) => {
    if (source.trim() === '') return
    let value: unknown
    try {
      value = JSON.parse(source)
    } catch {
      // One object over many lines is the usual slip here; it deserves its name.
      if (rows.length === 0 && findJsonError(text) === -1) {
        throw new DatasetError({
          file,
          problem: 'a single JSON object over several lines; expected a JSON array of rows, or one row a line',
        })
      }
      throw brokenJson(source, file, i)
    }
    rows.push(checkRow(value, { file, row: rows.length + 1, line: i + 1 }))
  })
  return rows
}

/** @param linesBefore lines of the file that stand before `text` */
function brokenJson(text: string, file: string, linesBefore: number): DatasetError {
  const offset = Math.max(0, findJsonError(text))
  const line = lineOf(text, offset) + linesBefore
  const found =
    offset >= text.trimEnd().length
      ? 'it ends too early'
      : `unexpected ${JSON.stringify(text.slice(offset, offset + 20).trim())}`
  return new DatasetError({ file, line, problem: `broken JSON: ${found}` })
}

/**
 * Checks one parsed row and attaches where it stood. Unknown keys are ignored; `"input": null` counts as absent.
 *
 * @throws DatasetError naming row and key
 */
export function checkRow(value: unknown, origin: RowOrigin): Row {
  if (!isRecord(value))
    throw new DatasetError({ ...origin, problem: `got ${describeValue(value)}; expected an object with ${EXPECTED}` })
  if ('input_ids' in value || 'labels' in value) return checkTokens(value, origin)
  if ('instruction' in value || 'output' in value) {
    const instruction = stringAt(value, 'instruction', origin)
    const output = stringAt(value, 'output', origin)
    const input = value.input === undefined || value.input === null ? '' : stringAt(value, 'input', origin)
    return input === '' ? { instruction, output, origin } : { instruction, input, output, origin }
  }
  if ('prompt' in value || 'completion' in value) {
    return { prompt: stringAt(value, 'prompt', origin), completion: stringAt(value, 'completion', origin), origin }
  }
  const other = OTHER_FORMATS.find(([key]) => key in value)
  if (other !== undefined) {
    throw new DatasetError({
      ...origin,
      key: other[0],
      problem: `${other[1]} rows are not available yet; expected ${EXPECTED}`,
    })
  }
  const keys = Object.keys(value).slice(0, 8)
  throw new DatasetError({
    ...origin,
    problem: `got ${keys.length === 0 ? 'no keys' : `the keys ${keys.map((key) => `"${key}"`).join(', ')}`}; expected ${EXPECTED}`,
  })
}

function stringAt(row: JsonRecord, key: string, origin: RowOrigin): string {
  const value = row[key]
  if (typeof value !== 'string')
    throw new DatasetError({ ...origin, key, problem: `got ${describeValue(value)}; expected a string` })
  return value
}

function checkTokens(row: JsonRecord, origin: RowOrigin): TokenRow {
  const input_ids = integersAt(row, 'input_ids', origin)
  const labels = integersAt(row, 'labels', origin)
  if (input_ids.length === 0)
    throw new DatasetError({ ...origin, key: 'input_ids', problem: 'got an empty array; expected at least one id' })
  if (labels.length !== input_ids.length) {
    throw new DatasetError({
      ...origin,
      key: 'labels',
      problem: `got ${labels.length} labels for ${input_ids.length} input_ids; expected the same length`,
    })
  }
  return { input_ids, labels, origin }
}

function integersAt(row: JsonRecord, key: string, origin: RowOrigin): number[] {
  const value = row[key]
  if (!Array.isArray(value))
    throw new DatasetError({ ...origin, key, problem: `got ${describeValue(value)}; expected an array of integers` })
  const wrong = value.findIndex((id) => !Number.isInteger(id))
  if (wrong >= 0) {
    throw new DatasetError({
      ...origin,
      key,
      problem: `got ${describeValue(value[wrong])} at index ${wrong}; expected an integer`,
    })
  }
  return value as number[]
}
