// Source documents of RAFT data: texts and tables, from files of JSON rows or made by hand.

import { DatasetError, describeValue } from '../errors'
import type { Block } from '../documents/blocks'
import { splitNames } from '../rows/check-row'
import type { List } from '../work/kept'
import { optionalText, parseJsonRows, recordOf, textAt, type JsonRow } from './json-rows'
import type { Table } from './table'

export interface DocumentOrigin {
  file: string
  /** Row number from 1, where the file holds several documents. */
  row?: number
}

interface DocumentBase {
  id: string
  /** Written before the text of each of its chunks. */
  title?: string
  /** Fixes where the document goes; the seeded split is for documents without it. */
  split?: 'train' | 'test'
  origin?: DocumentOrigin
}

/** A document of text. */
export interface TextDocument extends DocumentBase {
  text: string
}

/** A document that is one table. */
export interface TableDocument extends DocumentBase {
  table: Table
}

/** A document whose headings, paragraphs and tables are known. */
export interface BlockDocument extends DocumentBase {
  blocks: readonly Block[]
}

/** A document to make contexts of. */
export type RaftDocument = TextDocument | TableDocument | BlockDocument

/**
 * Reads documents from a JSON array or JSONL: `{"text", "id"?, "title"?, "split"?}`. A document without an id is called by
 * its row number.
 *
 * @param file what errors call it
 * @throws DatasetError naming row and key
 */
export const parseDocuments = (text: string, file: string): TextDocument[] =>
  parseJsonRows(text, file, 'documents').map((row) => ({
    id: String(row.origin.row),
    ...documentOf(row),
    origin: row.origin,
  }))

/** A row as a document, without a name where it brings none. @throws DatasetError naming row and key */
export function documentOf({ value, origin }: JsonRow): Omit<TextDocument, 'id' | 'origin'> & { id?: string } {
  const row = recordOf(value, origin)
  const [id, title] = [optionalText(row, 'id', origin), optionalText(row, 'title', origin)]
  const document = {
    ...(id === undefined ? {} : { id }),
    ...(title === undefined ? {} : { title }),
    text: textAt(row, 'text', origin),
  }
  const split = optionalText(row, 'split', origin)
  if (split === undefined) return document
  const known = splitNames.get(split)
  if (known === undefined) {
    const problem = `got ${describeValue(split)}; expected train or test`
    throw new DatasetError({ ...origin, key: 'split', problem })
  }
  return { ...document, split: known }
}

/** @throws DatasetError when two documents have one id */
export function checkIds(documents: List<RaftDocument>): void {
  const places = new Map<string, number>()
  for (const { id, origin } of documents) {
    const earlier = places.get(id)
    if (earlier === undefined) {
      places.set(id, places.size)
      continue
    }
    const first = documents.at(earlier)!.origin
    const place = first === undefined ? 'another document' : placeOf(first)
    throw new DatasetError({ ...origin, key: 'id', problem: `${JSON.stringify(id)} appears twice, first in ${place}` })
  }
}

const placeOf = ({ file, row }: DocumentOrigin): string => (row === undefined ? file : `row ${row}`)
