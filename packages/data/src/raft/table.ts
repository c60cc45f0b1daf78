// Tables as documents, read from CSV and TSV.

import { parseCsv } from '../rows/csv'
import { DatasetError } from '../errors'

/** Cells by column; every row is as long as the header. */
export interface Table {
  header: readonly string[]
  rows: readonly (readonly string[])[]
}

/**
 * Reads a table whose first record is its header. Commas and RFC 4180 quotes for `.csv` (or the `\"` of WikiTableQuestions,
 * where RFC quotes do not fit), tabs and no quotes for `.tsv`.
 *
 * @throws DatasetError naming the record, counted with the header as a spreadsheet does, that has more or fewer cells
 */
export function parseTable(text: string, file: string): Table {
  if (/\.tsv$/i.test(file)) return tableOf(text, file, { delimiter: '\t', quotes: false })
  try {
    return tableOf(text, file, {})
  } catch (error) {
    if (!text.includes('\\"')) throw error
    try {
      return tableOf(text, file, { backslashQuotes: true })
    } catch {
      throw error
    }
  }
}

function tableOf(text: string, file: string, options: Parameters<typeof parseCsv>[2]): Table {
  const [first, ...records] = parseCsv(text, file, options)
  const header = first?.cells ?? []
  for (const [i, { cells, line }] of records.entries()) {
    if (cells.length === header.length) continue
    const problem = `got ${cells.length} cells; expected ${header.length}, as in the header`
    throw new DatasetError({ file, row: i + 2, line, problem })
  }
  return { header, rows: records.map(({ cells }) => cells) }
}
