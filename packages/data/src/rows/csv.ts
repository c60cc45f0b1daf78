// Delimited text (RFC 4180), as spreadsheets and databases write it.

import { DatasetError } from '../errors'

/** The dialect of a file of comma- or tab-separated cells. */
export interface CsvOptions {
  /** One character between cells (default a comma). */
  delimiter?: string
  /**
   * Whether `"` encloses cells (default true); false takes it for a character like others, as tab-separated files
   * usually mean it.
   */
  quotes?: boolean
  /** Whether `\"` in a quoted cell is a quote and `\\` a backslash, as WikiTableQuestions writes them (default false). */
  backslashQuotes?: boolean
}

/** One record of such a file. */
export interface CsvRecord {
  cells: string[]
  /** Line of the file it begins at, from 1. */
  line: number
}

/**
 * Reads records of cells; a quoted cell may hold delimiters, line breaks and doubled quotes. Empty lines are skipped.
 *
 * @param file what errors call it
 * @throws DatasetError on a quote that never ends, or text behind one
 */
export function parseCsv(text: string, file: string, options: CsvOptions = {}): CsvRecord[] {
  const { delimiter = ',', quotes = true, backslashQuotes = false } = options
  const source = text.startsWith('\uFEFF') ? text.slice(1) : text
  const separator = delimiter.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
  const plain = new RegExp(`[^${separator}\\r\\n]*`, 'y')
  const quoted = backslashQuotes ? /"[^"\\]*(?:(?:\\[^]|"")[^"\\]*)*"/y : /"[^"]*(?:""[^"]*)*"/y
  const end = new RegExp(`${separator}|\\r?\\n|\\r|$`, 'y')

  const records: CsvRecord[] = []
  let at = 0
  let line = 1
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at
    const found = pattern.exec(source)?.[0]
    at += found?.length ?? 0
    return found
  }
  while (at < source.length) {
    const record: CsvRecord = { cells: [], line }
    let ended = delimiter
    while (ended === delimiter) {
      const cellLine = line
      const isQuoted = quotes && source[at] === '"'
      const cell = match(isQuoted ? quoted : plain)
      if (cell === undefined)
        throw new DatasetError({ file, line, problem: 'a cell opens with a quote that never ends' })
      line += cell.split('\n').length - 1
      record.cells.push(isQuoted ? unquote(cell, backslashQuotes) : cell)
      const found = match(end)
      if (found === undefined) {
        const rest = JSON.stringify(source.slice(at, at + 20))
        throw new DatasetError({
          file,
          line: cellLine,
          problem: `${rest} after a closing quote; expected the next cell`,
        })
      }
      ended = found
    }
    line++
    if (record.cells.length > 1 || record.cells[0] !== '') records.push(record)
  }
  return records
}

const unquote = (cell: string, backslashes: boolean): string =>
  cell.slice(1, -1).replace(backslashes ? /[\\"](["\\])/g : /"(")/g, '$1')
