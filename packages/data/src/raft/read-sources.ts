// Reading what RAFT data is made of from disk.

import { readdir, stat } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { DatasetError } from '../errors'
import { readText } from '../rows/files'
import { parseDocuments, type RaftDocument } from './documents'
import { parseQuestions, type RaftQuestion } from './questions'
import { parseTable } from './table'

const TEXTS = ['.txt', '.md']
const TABLES = ['.csv', '.tsv']
const ROWS = ['.json', '.jsonl']

const extensionOf = (file: string): string => extname(file).toLowerCase()
const oneOf = (extensions: readonly string[]): string => `${extensions.slice(0, -1).join(', ')} or ${extensions.at(-1)}`

/**
 * Reads documents: a JSON or JSONL file of them (see {@link parseDocuments}); a text (.txt, .md) or a table (.csv, .tsv); or
 * a folder of texts and tables, searched to its depths. In a folder a document's id is its path below it, with `/` and
 * without the extension; documents are sorted by path.
 *
 * @throws DatasetError when there are none, when one is no UTF-8, and see {@link parseDocuments} and {@link parseTable}
 */
export async function readDocuments(path: string): Promise<RaftDocument[]> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new DatasetError({ file: path, problem: error.code === 'ENOENT' ? 'no such file or folder' : error.message })
  })
  const extension = extensionOf(path)
  if (!found.isDirectory()) {
    if (ROWS.includes(extension)) return parseDocuments(await readText(path), path)
    if ([...TEXTS, ...TABLES].includes(extension)) return [await readDocument(path, basename(path))]
    const problem = `got a file that ends in "${extension}"; expected ${oneOf([...TEXTS, ...TABLES, ...ROWS])}, or a folder`
    throw new DatasetError({ file: path, problem })
  }
  const names = await listDocuments(path, '')
  if (names.length === 0)
    throw new DatasetError({ file: path, problem: `holds no file that ends in ${oneOf([...TEXTS, ...TABLES])}` })
  const documents: RaftDocument[] = []
  for (const name of names.sort()) documents.push(await readDocument(join(path, name), name))
  return documents
}

/** @throws DatasetError when there is no such file, it is no UTF-8, and see {@link parseQuestions} */
export const readQuestions = async (file: string): Promise<RaftQuestion[]> => parseQuestions(await readText(file), file)

/** Names below `root`; hidden ones are no documents. */
async function listDocuments(root: string, below: string): Promise<string[]> {
  const names: string[] = []
  for (const entry of await readdir(join(root, below), { withFileTypes: true })) {
    const name = below === '' ? entry.name : `${below}/${entry.name}`
    if (entry.name.startsWith('.')) continue
    if (entry.isDirectory()) names.push(...(await listDocuments(root, name)))
    else if ([...TEXTS, ...TABLES].includes(extensionOf(name))) names.push(name)
  }
  return names
}

async function readDocument(file: string, name: string): Promise<RaftDocument> {
  const text = await readText(file)
  const common = { id: name.slice(0, name.length - extname(name).length), origin: { file } }
  return TABLES.includes(extensionOf(name)) ? { ...common, table: parseTable(text, file) } : { ...common, text }
}
