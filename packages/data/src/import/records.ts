// Records that are rows already: Alpaca, chat messages and ShareGPT, checked one by one.

import { DatasetError } from '../errors'
import type { CheckOptions } from '../rows/fields'
import { checkRowAs, type RowFormatName } from '../rows/check-row'
import { asRecord, asText } from '../records/json'
import { itemsOf, type RecordItem } from '../records/records'
import type { Row } from '../rows/row-formats'
import { onlyFile, type Convert, type Imported, type InputFiles, type ToRow } from './imported'

/** Records that are rows of one format already. */
const recordsOf =
  (format: RowFormatName) =>
  (options: CheckOptions): ToRow =>
  (record, origin) => {
    const { origin: _origin, ...row } = checkRowAs(format, record, origin, options)
    return row
  }

export const alpacaRecords = recordsOf('alpaca')
export const chatRecords = recordsOf('chat')
export const shareGptRecords = recordsOf('sharegpt')

/** Reads records of a file, one by one. Numbers in them keep their spelling. */
export class RecordImport {
  /** `rows` stays empty where rows are taken by `onRow`. */
  readonly imported: Imported = { rows: [], refused: [], read: 0 }
  readonly #toRow: ToRow

  constructor(toRow: ToRow) {
    this.#toRow = toRow
  }

  /** The row of a record, or none. What is wrong with one record is a refusal; broken JSON of the file is thrown. */
  take(item: RecordItem): Row | undefined {
    const origin = { file: item.origin.file, row: ++this.imported.read }
    const isBroken = 'error' in item && item.error.row === undefined
    if (isBroken) throw item.error
    const record = 'error' in item ? undefined : item.value
    try {
      if ('error' in item) throw item.error
      return this.#toRow(record, origin)
    } catch (error) {
      if (!(error instanceof DatasetError)) throw error
      const place = new DatasetError({ file: origin.file, row: error.row, line: error.line, problem: '' }).message
      this.imported.refused.push({
        ...origin,
        id: asText(asRecord(record).id),
        reason: error.message.slice(place.length),
      })
      return undefined
    }
  }
}

/** An importer of records as one of whole texts. */
export const convertRecords =
  (records: (options: Parameters<Convert>[1] & CheckOptions) => ToRow): Convert =>
  (files, options) =>
    importRecords(files, records(options))

/**
 * Reads records, each of which `toRow` makes a row, or adds to an earlier one and gives nothing.
 *
 * @param toRow throws a DatasetError to refuse the record
 */
function importRecords(files: InputFiles, toRow: ToRow): Imported {
  const { file, text } = onlyFile(files)
  const reading = new RecordImport(toRow)
  for (const item of itemsOf(text, file, { numbers: 'source' })) {
    const row = reading.take(item)
    if (row !== undefined) reading.imported.rows.push(row)
  }
  return reading.imported
}
