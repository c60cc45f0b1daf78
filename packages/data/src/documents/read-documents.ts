// Reading what RAFT data is made of from disk.

import { stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { isRejected } from '../drafts/draft'
import { DatasetError, type RowOrigin } from '../errors'
import type { RaftDocument } from '../raft/documents'
import { questionOf, type RaftQuestion } from '../raft/questions'
import { renamed, type Columns } from '../rows/qa/columns'
import { readBytes } from '../rows/files'
import { recordsOfFile } from '../rows/sources'
import { asText, asRecord, type JsonRecord } from '../records/json'
import { valueOf } from '../records/records'
import { extensionOf, readerOf, readExtensions } from './readers/index'
import type { Content, Unread } from './readers/reader'
import type { Kept } from '../work/kept'
import { statDocuments, walkFolder } from './walk'

/** A file, or a row of one, that gave no document. */
export interface SkippedDocument {
  file: string
  /** Row number from 1; absent when the whole file is skipped. */
  row?: number
  reason: string
  /** The file is of a format that is read, and could not be. */
  refused?: true
}

/** What {@link readDocuments} reports as it reads. */
export interface ReadDocumentsOptions {
  /** Called with each file or row that is skipped, and why. Without it such a row is an error. */
  onSkipped?: (skipped: SkippedDocument) => void
  /** What an earlier call read of the same folder, and where this one keeps what it reads. */
  kept?: Kept<FileRead> | undefined
  /** Aborting it ends the reading behind a file, which throws its reason. */
  signal?: AbortSignal | undefined
  /** Called after each file of a folder: how many are read, of how many, and how many of these an earlier call read. */
  onProgress?: (done: number, total: number, earlier: number) => void
}

/** What a file of a folder gave. */
export interface FileRead {
  readonly documents: readonly RaftDocument[]
  readonly skipped: readonly SkippedDocument[]
}

/**
 * Reads documents: a file in one of the supported formats, or a folder of such files, searched with all its subfolders.
 * In a folder a document's id is its path within it, with `/` and without the extension (with it, where two files
 * differ in nothing else); rows of a JSON file keep their ids. Documents are sorted by path.
 * @throws DatasetError when there are none, or one cannot be read
 */
export async function readDocuments(path: string, options: ReadDocumentsOptions = {}): Promise<RaftDocument[]> {
  const found = await statDocuments(path)
  if (found.isDirectory()) return readFolder(path, options)
  const reader = readerOf(path)
  if (typeof reader === 'string') {
    const known = reader.includes(';') ? ` (${reader})` : ''
    const problem = `got a file that ends in "${extensionOf(path)}"; expected ${readExtensions()}, or a folder${known}`
    throw new DatasetError({ file: path, problem })
  }
  const documents: RaftDocument[] = []
  for await (const content of reader.read(readBytes(path), path)) {
    if ('problem' in content) skip(path, content, options)
    else documents.push(documentOf(content, path, partOf(content) ?? stemOf(basename(path))))
  }
  if (documents.length === 0) throw new DatasetError({ file: path, problem: 'holds no documents' })
  return documents
}

async function readFolder(root: string, options: ReadDocumentsOptions): Promise<RaftDocument[]> {
  const { onSkipped = () => {}, onProgress } = options
  const { names, skipped } = await walkFolder(root)
  for (const { name, reason } of skipped) onSkipped({ file: join(root, name), reason })
  const readable = names.filter((name) => typeof readerOf(name) !== 'string')
  for (const name of names) {
    const reader = readerOf(name)
    if (typeof reader === 'string') onSkipped({ file: join(root, name), reason: reader })
  }
  const stems = new Map<string, number>()
  for (const name of readable) stems.set(stemOf(name), (stems.get(stemOf(name)) ?? 0) + 1)
  const documents: RaftDocument[] = []
  let earlier = 0
  for (const [i, name] of readable.entries()) {
    options.signal?.throwIfAborted()
    const file = join(root, name)
    const kept = options.kept?.take()
    // What could not be read may be by now: what reads it was missing, or whoever calls may not.
    const known = kept?.skipped.some(({ refused }) => refused) ? undefined : kept
    const id = stems.get(stemOf(name)) === 1 ? stemOf(name) : name
    const found = known ?? (await readOne(file, id, options.onSkipped === undefined))
    if (kept === undefined) options.kept?.add(found)
    if (known !== undefined) earlier++
    for (const document of found.documents) documents.push(document)
    for (const each of found.skipped) onSkipped(each)
    onProgress?.(i + 1, readable.length, earlier)
  }
  if (readable.length === 0)
    throw new DatasetError({ file: root, problem: `holds no file that ends in ${readExtensions()}` })
  return documents
}

/** @param strict whether what cannot be read is an error. @throws DatasetError then */
async function readOne(file: string, id: string, strict: boolean): Promise<FileRead> {
  const reader = readerOf(file)
  if (typeof reader === 'string') return { documents: [], skipped: [{ file, reason: reader }] }
  const [documents, unread]: [RaftDocument[], Unread[]] = [[], []]
  try {
    for await (const content of reader.read(readBytes(file), file)) {
      const part = 'problem' in content ? undefined : partOf(content)
      if ('problem' in content) unread.push(content)
      else documents.push(documentOf(content, file, part === undefined ? id : `${id}/${part}`))
    }
  } catch (error) {
    if (!(error instanceof DatasetError) || strict) throw error
    const { row, problem: reason } = error
    return { documents: [], skipped: [{ file, ...(row === undefined ? {} : { row }), reason, refused: true }] }
  }
  const [first] = unread
  // A folder may hold rows of something else beside its documents.
  if (first?.row !== undefined && documents.length === 0)
    return { documents, skipped: [{ file, reason: `its rows are not documents: ${first.problem}` }] }
  const skipped: SkippedDocument[] = []
  for (const each of unread) skip(file, each, strict ? {} : { onSkipped: (one) => void skipped.push(one) })
  return { documents, skipped }
}

/**
 * The files that {@link readDocuments} would look at, with sizes and times of change: what says whether they changed.
 *
 * @throws DatasetError when there is no such file or folder
 */
export async function listDocuments(path: string): Promise<{ name: string; size: number; changedMs: number }[]> {
  const found = await statDocuments(path)
  if (!found.isDirectory()) return [{ name: basename(path), size: found.size, changedMs: found.mtimeMs }]
  const listed: { name: string; size: number; changedMs: number }[] = []
  for (const name of (await walkFolder(path)).names) {
    const { size, mtimeMs } = await stat(join(path, name))
    listed.push({ name, size, changedMs: mtimeMs })
  }
  return listed
}

const stemOf = (name: string): string => name.slice(0, name.length - extensionOf(name).length)

/** What distinguishes a document from the others of its file. */
const partOf = ({ part, row }: Content): string | undefined => part ?? (row === undefined ? undefined : String(row))

function documentOf({ row, part: _part, id: own, ...content }: Content, file: string, id: string): RaftDocument {
  return { ...content, id: own ?? id, origin: row === undefined ? { file } : { file, row } }
}

function skip(file: string, { row, problem }: Unread, { onSkipped }: ReadDocumentsOptions): void {
  if (onSkipped === undefined) throw new DatasetError({ file, row, problem })
  onSkipped({ file, ...(row === undefined ? {} : { row }), reason: problem })
}

/**
 * The records of a file of questions with the keys that {@link readQuestions} knows, beside their own. A record that lacks a column
 * that is named stays as it is: whoever reads it as a question says what is wrong.
 * @throws DatasetError when the file is not what its name says
 */
export async function* questionRecords(file: string, columns?: Columns): AsyncGenerator<JsonRecord> {
  for await (const item of recordsOfFile(readBytes(file), file)) {
    const { value, origin } = valueOf(item)
    const record = asRecord(value)
    try {
      yield columns === undefined ? record : { ...record, ...renamed(record, columns, origin) }
    } catch (error) {
      if (!(error instanceof DatasetError)) throw error
      yield record
    }
  }
}

/** What {@link readQuestions} does with rows that are not questions. */
export interface ReadQuestionsOptions {
  /** Called with each such row and what is wrong with it. Without it such a row is an error. */
  onRefused?: (refused: { origin: RowOrigin; id?: string; key?: string; reason: string }) => void
  /** Which keys hold question and answer, where they are others. */
  columns?: Columns | undefined
}

/**
 * Reads questions from a JSON array, JSONL, CSV, TSV or Parquet; see {@link parseQuestions} for their keys.
 * @throws DatasetError naming file, row and key when a row is not a question and there is no `onRefused`, and for a
 * file without rows
 */
export async function readQuestions(
  file: string,
  { onRefused, columns }: ReadQuestionsOptions = {},
): Promise<RaftQuestion[]> {
  const questions: RaftQuestion[] = []
  let count = 0
  for await (const item of recordsOfFile(readBytes(file), file)) {
    count++
    const origin: RowOrigin = { file, row: item.origin.row }
    if ('value' in item && isRejected(item.value)) continue
    try {
      const { value } = valueOf(item)
      questions.push(questionOf({ value: columns === undefined ? value : renamed(value, columns, origin), origin }))
    } catch (error) {
      if (!(error instanceof DatasetError) || onRefused === undefined) throw error
      const id = 'value' in item ? asText(asRecord(item.value).id) : undefined
      const { key, problem: reason } = error
      onRefused({ origin, ...(id === undefined ? {} : { id }), ...(key === undefined ? {} : { key }), reason })
    }
  }
  if (count === 0) throw new DatasetError({ file, problem: 'holds no questions' })
  return questions
}
