// Records of a dataset file, whatever it is written in: JSON, JSONL, tables of cells, Parquet.

import { wholeBytes } from '../documents/formats/bytes'
import { parseTable } from '../raft/table'
import { decodeText, decodeWhole } from '../records/decode'
import { parquetRows, type ParquetRows } from '../records/parquet'
import { readItems, type RecordItem } from '../records/records'

/** Whether a file is read as a table of columns, by the end of its name. */
export const isTableFile = (file: string): boolean => /\.parquet$/i.test(file) || isCellsFile(file)

/** Whether a file is a table of cells, which is parsed whole, by the end of its name. */
export const isCellsFile = (file: string): boolean => /\.(csv|tsv|tab)$/i.test(file)

/** The rows of a Parquet file with their places. */
export async function* parquetRecords({ rows }: ParquetRows, file: string): AsyncGenerator<RecordItem> {
  let row = 0
  for await (const value of rows) yield { origin: { file, row: ++row }, value }
}

/**
 * The records of a file, by the end of its name; what is not a table is JSON.
 *
 * @throws DatasetError when the bytes are not what the name says
 */
export async function* recordsOfFile(bytes: AsyncIterable<Uint8Array>, file: string): AsyncGenerator<RecordItem> {
  if (/\.parquet$/i.test(file)) {
    yield* parquetRecords(await parquetRows(await wholeBytes(bytes, file), file), file)
  } else if (isCellsFile(file)) {
    const text = await decodeWhole(bytes, file, 'write its rows as JSONL or Parquet, which are read one by one')
    const { header, rows } = parseTable(text, file)
    for (const [i, cells] of rows.entries())
      yield {
        origin: { file, row: i + 2 },
        value: Object.fromEntries(
          header.flatMap((name, column) => (cells[column] === '' ? [] : [[name, cells[column]]])),
        ),
      }
  } else yield* readItems(decodeText(bytes, file), file)
}
