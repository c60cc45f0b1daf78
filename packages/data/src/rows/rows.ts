// Rows of a dataset file: JSON array or JSONL, told by content, each row checked before any training.

import { DatasetError } from '../errors'
import { findJsonError, lineOf } from './json-location'
import { checkRow, type Row } from './row-formats'

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
