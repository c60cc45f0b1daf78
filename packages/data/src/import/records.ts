// Records that are rows already: Alpaca, chat messages and ShareGPT, checked one by one.

import { DatasetError, type RowOrigin } from '../errors'
import { asRecord, isRecord, type JsonRecord } from '../rows/json'
import { checkRow, type Row } from '../rows/row-formats'
import { onlyFile, type Convert, type Imported, type InputFiles } from './imported'
import { parseRecords } from './json-records'

/** `pick` leaves the keys of one format, so that a record of another is told what it lacks. */
const recordsOf =
  (pick: (record: JsonRecord) => JsonRecord): Convert =>
  (files) =>
    importRecords(files, (record, origin) => {
      const value = isRecord(record) ? { ...pick(record), split: record.split } : record
      const { origin: _, ...row } = checkRow(value, origin)
      return row
    })

export const importAlpaca = recordsOf(({ instruction, input, output }) => ({ instruction, input, output }))

export const importChat = recordsOf(({ messages }) => ({ messages }))

/** Some files keep the system prompt beside the conversation. */
export const importShareGpt = recordsOf(({ conversations, system }) => ({
  conversations:
    Array.isArray(conversations) && typeof system === 'string' && system !== ''
      ? [{ from: 'system', value: system }, ...(conversations as unknown[])]
      : conversations,
}))

/**
 * Reads records, each of which `toRow` makes a row, or adds to an earlier one and gives nothing.
 *
 * @param toRow throws a DatasetError to refuse the record
 */
export function importRecords(
  files: InputFiles,
  toRow: (record: unknown, origin: RowOrigin) => Row | undefined,
): Imported {
  const { file, text } = onlyFile(files)
  const imported: Imported = { rows: [], refused: [], read: 0 }
  for (const record of parseRecords(text, file)) {
    const origin = { file, row: ++imported.read }
    try {
      const row = toRow(record, origin)
      if (row !== undefined) imported.rows.push(row)
    } catch (error) {
      if (!(error instanceof DatasetError)) throw error
      const { id } = asRecord(record)
      const place = new DatasetError({ ...origin, problem: '' }).message
      const reason = error.message.slice(place.length)
      imported.refused.push({
        ...origin,
        id: typeof id === 'string' || typeof id === 'number' ? String(id) : undefined,
        reason,
      })
    }
  }
  return imported
}
