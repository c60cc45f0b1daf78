// What every importer takes and gives.

import type { RowOrigin } from '../errors'
import type { Columns } from '../rows/qa/columns'
import type { Row } from '../rows/row-formats'

/**
 * Text files by path relative to the input, with `/` on every system. An input that is one file is alone, under the name
 * it was given by.
 */
export type InputFiles = ReadonlyMap<string, string>

/** A question or record that was read and is in no row. */
export interface Refusal {
  file: string
  /** Number from 1: the line of a text file; in JSON the record, the thread, or of SQuAD the question. */
  row: number
  /** Id of the question or record, where it has one. */
  id?: string | undefined
  /** What is wrong: its kind, then after the first colon what came and what was expected. */
  reason: string
}

/** What came of an input; nothing that was read is in neither `rows` nor `refused`. */
export interface Imported {
  /** Without `origin`. */
  rows: Row[]
  refused: Refusal[]
  /** Questions read, or records where rows have no contexts: those in `rows` and those refused. */
  read: number
}

/** How tables are written into contexts. */
export const tableFormats = ['markdown', 'csv', 'tsv'] as const
/** A name of {@link tableFormats}. */
export type TableFormat = (typeof tableFormats)[number]

/** Which keys of a record hold what a row needs. */
export type ImportColumns = Columns

/** Options of the formats; which of them a format reads is said in its entry of `importFormats`. */
export interface ImportOptions {
  /** The file of questions, as it is named in the input; the only one there when absent. */
  splitFile?: string
  /** Default `markdown`. */
  tableFormat?: TableFormat
  /** The answer to a question that its paragraph does not answer; default `unanswerable`. */
  noAnswer?: string
  /** How many posts before it a post may answer; default 50. */
  window?: number
  /** Also asks about posts that start a conversation; default true. */
  includeStarts?: boolean
  /** The keys to read, for records of any shape. */
  columns?: ImportColumns
}

/** An importer: the same files always give the same rows. @throws DatasetError when the input as a whole is no such format */
export type Convert = (files: InputFiles, options: ImportOptions) => Imported

/** Makes a record a row, or adds it to an earlier one and gives nothing. @throws DatasetError to refuse the record */
export type ToRow = (record: unknown, origin: RowOrigin) => Row | undefined

/** How many questions rows ask; a row without a context is one. */
export const countQuestions = (rows: readonly Row[]): number =>
  rows.reduce((sum, row) => sum + ('questions' in row ? row.questions.length : 1), 0)

/** The one file of an input that is one. */
export function onlyFile(files: InputFiles): { file: string; text: string } {
  const [[file, text] = ['', '']] = files
  return { file, text }
}

/** `qa1_train` for `data/qa1_train.txt`. */
export const stemOf = (file: string): string => file.replace(/^.*[/\\]/, '').replace(/\.[^.]*$/, '')

/** Lines without their ends, without the empty one after the last and the byte order mark before the first. */
export function linesOf(text: string): string[] {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/)
  if (lines.at(-1) === '') lines.pop()
  return lines
}
