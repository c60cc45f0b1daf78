// The one error a bad dataset raises: it says where, what came and what was expected.

import { JsonNumber } from './records/json'

/** Where a row was: `row` counts rows from 1, `line` lines of the file from 1 (JSONL only). */
export interface RowOrigin {
  file: string
  row: number
  /** Line of the file from 1, where it is known. */
  line?: number
}

/** Where a dataset is wrong, as far as it is known, and how. */
export interface DatasetErrorDetails {
  /** Path or name of the file. */
  file?: string | undefined
  /** Row number from 1. */
  row?: number | undefined
  /** Line of the file from 1, where it is known. */
  line?: number | undefined
  /** Key of the row, a path where it is nested: `questions[0].answer`. */
  key?: string | undefined
  /** What came and what was expected, in words. */
  problem: string
}

/** A dataset that cannot be trained on; raised before any training. */
export class DatasetError extends Error {
  override readonly name = 'DatasetError'
  readonly file: string | undefined
  readonly row: number | undefined
  readonly line: number | undefined
  readonly key: string | undefined
  /** What came and what was expected, without the place. */
  readonly problem: string

  constructor(details: DatasetErrorDetails) {
    const { file, row, line, key, problem } = details
    const place =
      row === undefined
        ? line === undefined
          ? ''
          : `line ${line}`
        : `row ${row}${line === undefined ? '' : ` (line ${line})`}`
    const parts = [file, place, key === undefined ? '' : `"${key}"`].filter((part) => part !== undefined && part !== '')
    super(parts.length === 0 ? problem : `${parts.join(': ')}: ${problem}`)
    this.file = file
    this.row = row
    this.line = line
    this.key = key
    this.problem = problem
  }
}

/** A value as an error shows it: short, with its type. */
export function describeValue(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (value instanceof JsonNumber) return `the number ${value.source}`
  if (typeof value === 'object') return 'an object'
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value as number | bigint | boolean | symbol)
  return `the ${typeof value} ${text.length > 40 ? `${text.slice(0, 40)}…` : text}`
}
