// Rows of Parquet files, as values that JSON could hold.

import { DatasetError } from '../errors'
import type { JsonRecord } from './json'

/** Bytes of a file, read by range. */
export interface ByteRanges {
  readonly byteLength: number
  /** The bytes from `from` up to, without, `to` (default: the end). */
  slice(from: number, to?: number): ArrayBuffer | Promise<ArrayBuffer>
}

export interface ParquetRows {
  columns: string[]
  /** A row group in memory at a time. */
  rows: AsyncIterable<JsonRecord>
}

/** @throws DatasetError when it is not a Parquet file, damaged, or packed in a way that is not known */
export async function parquetRows(bytes: Uint8Array<ArrayBuffer> | ByteRanges, file: string): Promise<ParquetRows> {
  const [{ parquetMetadataAsync, parquetReadObjects, parquetSchema }, { compressors }] = await Promise.all([
    import('hyparquet'),
    import('hyparquet-compressors'),
  ])
  const damaged = (error: unknown): DatasetError =>
    new DatasetError({ file, problem: `is not a Parquet file that can be read: ${(error as Error).message}` })
  const source: ByteRanges =
    bytes instanceof Uint8Array
      ? { byteLength: bytes.length, slice: (from, to) => bytes.slice(from, to).buffer }
      : bytes
  const metadata = await parquetMetadataAsync(source).catch((error: unknown) => {
    throw damaged(error)
  })
  const columns = parquetSchema(metadata).children.map(({ element }) => element.name)
  async function* rows(): AsyncGenerator<JsonRecord> {
    let rowStart = 0
    for (const { num_rows } of metadata.row_groups) {
      const rowEnd = rowStart + Number(num_rows)
      const group = await parquetReadObjects({ file: source, metadata, compressors, rowStart, rowEnd }).catch(
        (error: unknown) => {
          throw damaged(error)
        },
      )
      for (const row of group) yield plain(row) as JsonRecord
      rowStart = rowEnd
    }
  }
  return { columns, rows: rows() }
}

/** Large integers, dates and bytes as JSON writes them. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (value instanceof Date) return value.toISOString()
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<unknown>, plain)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]))
  return value
}
