// Tables of cells: reading the TSV files of WikiTableQuestions, writing a table as the text of a context.

import { linesOf, type TableFormat } from './imported'

const escapes: Readonly<Record<string, string>> = { n: '\n', p: '|', '\\': '\\' }

/** A value of an official TSV file: `\n`, `\p` for a pipe, `\\`. */
export const unescapeTsv = (value: string): string =>
  value.replace(/\\([np\\])/g, (_, letter: string) => escapes[letter]!)

/** Rows of raw cells: a value may still be a list that `|` separates. */
export const splitTsv = (text: string): string[][] => linesOf(text).map((line) => line.split('\t'))

const quoteCsv = (cell: string): string => (/[",]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)

const writers: Readonly<Record<TableFormat, (rows: readonly (readonly string[])[]) => string[]>> = {
  markdown: (rows) => {
    const [head = '', ...body] = rows.map((row) => `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    return [head, `|${' --- |'.repeat(rows[0]?.length ?? 0)}`, ...body]
  },
  csv: (rows) => rows.map((row) => row.map(quoteCsv).join(',')),
  tsv: (rows) => rows.map((row) => row.map((cell) => cell.replaceAll('\t', ' ')).join('\t')),
}

/** A table, its header first, one line a row: line ends in cells become a space. Columns are not padded: spaces are tokens. */
export const tableText = (rows: readonly (readonly string[])[], format: TableFormat): string =>
  writers[format](rows.map((row) => row.map((cell) => cell.replace(/\r\n?|\n/g, ' ')))).join('\n')
