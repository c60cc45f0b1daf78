// JSON text as the values it holds, before any row is checked.

import { DatasetError } from '../errors'
import { findJsonError, lineOf } from '../rows/json-location'

/** @throws DatasetError naming the line where the text stops being JSON */
export function parseJson(text: string, file: string): unknown {
  const content = withoutMark(text)
  const value = tryParse(content)
  if (value === undefined) throw brokenJson(content, file, 0)
  return value
}

/** The elements of a JSON array, the values of JSONL, or the one value that the text is. @throws DatasetError as above */
export function parseRecords(text: string, file: string): readonly unknown[] {
  const content = withoutMark(text)
  const whole = tryParse(content)
  if (Array.isArray(whole)) return whole
  if (whole !== undefined) return [whole]
  const records: unknown[] = []
  content.split('\n').forEach((line, i) => {
    if (line.trim() === '') return
    const value = tryParse(line)
    // Broken from its first line on, it is as likely one document over many lines.
    if (value === undefined) throw records.length === 0 ? brokenJson(content, file, 0) : brokenJson(line, file, i)
    records.push(value)
  })
  return records
}

const withoutMark = (text: string): string => (text.startsWith('\uFEFF') ? text.slice(1) : text)

/** Undefined, which no JSON is, when it is broken. */
function tryParse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function brokenJson(text: string, file: string, linesBefore: number): DatasetError {
  const offset = Math.max(0, findJsonError(text))
  const found =
    offset >= text.trimEnd().length
      ? 'it ends too early'
      : `unexpected ${JSON.stringify(text.slice(offset, offset + 20).trim())}`
  return new DatasetError({ file, line: lineOf(text, offset) + linesBefore, problem: `broken JSON: ${found}` })
}
