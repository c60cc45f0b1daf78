// Every format of documents that is read, and those that are known and not read.

import { jsonReader } from './json'
import type { Reader } from './reader'
import { tableReader } from './table'
import { textReader } from './text'

const readers = { text: textReader, table: tableReader, json: jsonReader } as const satisfies Readonly<
  Record<string, Reader>
>

const all: readonly Reader[] = Object.values(readers)

/** What to do with files that people keep documents in and that are not read. */
const notRead: Readonly<Record<string, string>> = {
  '.pdf': 'PDF is not read; save it as text (pdftotext)',
  '.docx': 'Word documents are not read; save it as text',
  '.doc': 'Word documents are not read; save it as text',
  '.odt': 'OpenDocument is not read; save it as text',
  '.rtf': 'RTF is not read; save it as text',
  '.epub': 'EPUB is not read; save it as text',
  '.html': 'HTML is not read; save it as text',
  '.htm': 'HTML is not read; save it as text',
  '.xhtml': 'HTML is not read; save it as text',
  '.pptx': 'slides are not read; save them as text',
  '.xlsx': 'spreadsheets are not read; save it as CSV',
  '.xls': 'spreadsheets are not read; save it as CSV',
  '.parquet': 'Parquet is not read; write its rows as JSONL',
  '.gz': 'it is compressed; unpack it',
  '.zip': 'it is compressed; unpack it',
}

/** The end of a name with its dot, in lower case; empty where it has none. */
export const extensionOf = (name: string): string => /[^/\\](\.[^./\\]+)$/.exec(name)?.[1]?.toLowerCase() ?? ''

/** The reader of a file of this name, or why there is none. */
export function readerOf(name: string): Reader | string {
  const extension = extensionOf(name)
  const found = all.find(({ extensions }) => extensions.includes(extension))
  return found ?? notRead[extension] ?? (extension === '' ? 'its name has no extension' : `${extension} is not read`)
}

/** Extensions that are read, as errors name them. */
export const readExtensions = (): string => {
  const extensions = all.flatMap((reader) => reader.extensions)
  return `${extensions.slice(0, -1).join(', ')} or ${extensions.at(-1)}`
}
