// Parquet whose rows are documents, or a table.

import { DatasetError } from '../../errors'
import { documentOf } from '../../raft/documents'
import { parquetRows } from '../../records/parquet'
import { wholeBytes } from '../formats/bytes'
import { tableOfRows } from '../formats/grid'
import type { Reader } from './reader'

export const parquetReader = {
  summary: 'rows of text, id, title, or a table',
  extensions: ['.parquet'],
  async *read(bytes, file) {
    const { columns, rows } = await parquetRows(await wholeBytes(bytes, file), file)
    if (!columns.includes('text')) {
      const cells: string[][] = [columns]
      for await (const row of rows) cells.push(columns.map((name) => cellText(row[name])))
      const table = tableOfRows(cells)
      if (table !== undefined) yield { table }
      return
    }
    let row = 0
    for await (const value of rows) {
      row++
      try {
        yield { row, ...documentOf({ value, origin: { file, row } }) }
      } catch (error) {
        if (!(error instanceof DatasetError)) throw error
        yield { row, problem: error.problem }
      }
    }
  },
} as const satisfies Reader

const cellText = (value: unknown): string =>
  typeof value === 'string' ? value : value === undefined || value === null ? '' : (JSON.stringify(value) ?? '')
