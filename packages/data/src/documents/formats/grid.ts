// Rows of cells, as tables of documents have them, made into a table that has a header and rows of one length.

import type { Table } from '../../raft/table'

/** The first row is the header; short rows are filled up, empty rows and columns at the end left out. */
export function tableOfRows(all: readonly (readonly string[])[]): Table | undefined {
  const rows = all.filter((row) => row.some((cell) => cell !== ''))
  const width = rows.reduce((most, row) => Math.max(most, row.findLastIndex((cell) => cell !== '') + 1), 0)
  const [header, ...rest] = rows.map((row) => Array.from({ length: width }, (_, i) => row[i] ?? ''))
  return header === undefined ? undefined : { header, rows: rest }
}
