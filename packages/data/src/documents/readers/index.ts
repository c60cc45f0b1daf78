// Every format of documents that is read, and those that are known and not read.

import { docxReader } from './docx'
import { epubReader } from './epub'
import { htmlReader } from './html'
import { jsonReader } from './json'
import { markdownReader } from './markdown'
import { parquetReader } from './parquet'
import { pdfReader } from './pdf'
import { pptxReader } from './pptx'
import type { Reader } from './reader'
import { tableReader } from './table'
import { textReader } from './text'
import { xlsxReader } from './xlsx'

const readers = {
  text: textReader,
  markdown: markdownReader,
  html: htmlReader,
  pdf: pdfReader,
  docx: docxReader,
  pptx: pptxReader,
  epub: epubReader,
  table: tableReader,
  xlsx: xlsxReader,
  json: jsonReader,
  parquet: parquetReader,
} as const satisfies Readonly<Record<string, Reader>>

const all: readonly Reader[] = Object.values(readers)

/** What to do with files that people keep documents in and that are not read. */
const notRead: Readonly<Record<string, string>> = {
  '.doc': 'Word documents of before 2007 are not read; save it as .docx',
  '.odt': 'OpenDocument is not read; save it as .docx',
  '.rtf': 'RTF is not read; save it as .docx',
  '.ppt': 'slides of before 2007 are not read; save them as .pptx',
  '.odp': 'OpenDocument is not read; save it as .pptx',
  '.xls': 'spreadsheets of before 2007 are not read; save it as .xlsx',
  '.ods': 'OpenDocument is not read; save it as .xlsx',
  '.mobi': 'Kindle books are not read; convert it to EPUB',
  '.azw3': 'Kindle books are not read; convert it to EPUB',
  '.ps': 'PostScript is not read; convert it to PDF (ps2pdf)',
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
