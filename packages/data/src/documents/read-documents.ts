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
import { Numbers } from '../prepare/numbers'
import { KeptInMemory, nextOf, type Kept, type List } from '../work/kept'
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
  /** Aborting it ends the reading behind a document, which throws its reason. */
  signal?: AbortSignal | undefined
  /** Called after each file of a folder: how many are read, of how many, and how many of these an earlier call read. */
  onProgress?: (done: number, total: number, earlier: number) => void
}

/** What a file gave. */
export interface FileRead {
  /** Documents that were read of it. */
  readonly read: number
  /** Whether they count: those of a file that could not be read to its end do not. */
  readonly counts: boolean
  readonly skipped: readonly SkippedDocument[]
}

/** What an earlier call read of the same documents, and where this one keeps what it reads. */
export interface KeptDocuments {
  readonly files: Kept<FileRead>
  /** All that were read, one file's behind the other's. */
  readonly documents: Kept<RaftDocument>
  /** Forgets all that is kept, and what was made of it: a file that could not be read gives documents now. */
  clear(): void
}

/**
 * Reads documents: a file in one of the supported formats, or a folder of such files, searched with all its subfolders.
 * In a folder a document's id is its path within it, with `/` and without the extension (with it, where two files
 * differ in nothing else); rows of a JSON file keep their ids. Documents are sorted by path.
 * @throws DatasetError when there are none, or one cannot be read
 */
export async function readDocuments(path: string, options: ReadDocumentsOptions = {}): Promise<RaftDocument[]> {
  const kept = { files: new KeptInMemory<FileRead>(), documents: new KeptInMemory<RaftDocument>(), clear: () => {} }
  return [...(await keepDocuments(path, kept, options))]
}

/**
 * Reads documents as {@link readDocuments} does, and keeps them: none stays in memory, and what an earlier call read is not read again.
 * @returns the documents, each of which is read when it is asked for
 * @throws as {@link readDocuments}, and the signal's reason
 */
export async function keepDocuments(
  path: string,
  kept: KeptDocuments,
  options: ReadDocumentsOptions = {},
): Promise<List<RaftDocument>> {
  const told: SkippedDocument[] = []
  const telling = {
    ...options,
    ...(options.onSkipped && { onSkipped: (each: SkippedDocument) => void told.push(each) }),
  }
  const into = new DocumentList(kept)
  try {
    const isFolder = (await statDocuments(path)).isDirectory()
    await (isFolder ? readFolder(path, into, telling) : readAlone(path, into, telling))
  } catch (error) {
    if (!(error instanceof OtherDocuments)) throw error
    kept.clear()
    return keepDocuments(path, kept, options)
  }
  for (const each of told) options.onSkipped?.(each)
  return into
}

/** What was kept is not what there is: a file could not be read and can be now, or documents were lost. */
class OtherDocuments extends Error {}

/** Documents where they are kept, file by file. */
class DocumentList implements List<RaftDocument> {
  readonly #kept: KeptDocuments
  /** By place, the number that a document has where it is kept. */
  readonly #numbers = new Numbers(Int32Array)
  /** Documents that are kept. */
  #count = 0

  constructor(kept: KeptDocuments) {
    this.#kept = kept
  }

  get length(): number {
    return this.#numbers.length
  }

  at(place: number): RaftDocument | undefined {
    return place < this.length ? this.#kept.documents.at(this.#numbers.at(place)) : undefined
  }

  *[Symbol.iterator](): Generator<RaftDocument, void> {
    for (let place = 0; place < this.length; place++) yield this.at(place)!
  }

  /**
   * Takes note of the next file: what an earlier call read of it, or what `read` reads now and puts where it is told.
   * @throws OtherDocuments
   */
  async add(read: (to: Puts) => Promise<FileRead>): Promise<{ found: FileRead; isEarlier: boolean }> {
    const before = this.#count
    const earlier = this.#kept.files.take()
    for (let n = 0; n < (earlier?.read ?? 0); n++)
      if (this.#kept.documents.take() === undefined) throw new OtherDocuments()
    this.#count += earlier?.read ?? 0
    let found = earlier
    if (found === undefined) {
      found = await read((document) => {
        nextOf(this.#kept.documents, () => document)
        this.#count++
      })
      this.#kept.files.add(found)
    } else if (found.skipped.some(({ refused }) => refused)) {
      // What could not be read may be by now: what reads it was missing, or whoever calls may not.
      found = await read(() => {})
      if (!found.skipped.some(({ refused }) => refused)) throw new OtherDocuments()
    }
    if (found.counts) for (let number = before; number < this.#count; number++) this.#numbers.push(number)
    return { found, isEarlier: found === earlier }
  }
}

/** Takes a document. */
type Puts = (document: RaftDocument) => void

async function readAlone(path: string, into: DocumentList, options: ReadDocumentsOptions): Promise<void> {
  const reader = readerOf(path)
  if (typeof reader === 'string') {
    const known = reader.includes(';') ? ` (${reader})` : ''
    const problem = `got a file that ends in "${extensionOf(path)}"; expected ${readExtensions()}, or a folder${known}`
    throw new DatasetError({ file: path, problem })
  }
  const { found } = await into.add(async (put) => {
    const skipped: SkippedDocument[] = []
    let read = 0
    for await (const content of reader.read(readBytes(path), path)) {
      options.signal?.throwIfAborted()
      if ('problem' in content) skipped.push(skip(path, content, options))
      else {
        put(documentOf(content, path, partOf(content) ?? stemOf(basename(path))))
        read++
      }
    }
    return { read, counts: true, skipped }
  })
  for (const each of found.skipped) options.onSkipped?.(each)
  if (into.length === 0) throw new DatasetError({ file: path, problem: 'holds no documents' })
}

async function readFolder(root: string, into: DocumentList, options: ReadDocumentsOptions): Promise<void> {
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
  let earlier = 0
  for (const [i, name] of readable.entries()) {
    options.signal?.throwIfAborted()
    const id = stems.get(stemOf(name)) === 1 ? stemOf(name) : name
    const { found, isEarlier } = await into.add((put) => readOne(join(root, name), id, put, options))
    if (isEarlier) earlier++
    for (const each of found.skipped) onSkipped(each)
    onProgress?.(i + 1, readable.length, earlier)
  }
  if (readable.length === 0)
    throw new DatasetError({ file: root, problem: `holds no file that ends in ${readExtensions()}` })
}

/** A file of a folder. Without `onSkipped`, what cannot be read is an error. @throws DatasetError then; the signal's reason */
async function readOne(file: string, id: string, put: Puts, options: ReadDocumentsOptions): Promise<FileRead> {
  const reader = readerOf(file)
  if (typeof reader === 'string') return { read: 0, counts: true, skipped: [{ file, reason: reader }] }
  const unread: Unread[] = []
  let read = 0
  try {
    for await (const content of reader.read(readBytes(file), file)) {
      options.signal?.throwIfAborted()
      if ('problem' in content) {
        unread.push(content)
        continue
      }
      const part = partOf(content)
      put(documentOf(content, file, part === undefined ? id : `${id}/${part}`))
      read++
    }
  } catch (error) {
    if (!(error instanceof DatasetError) || options.onSkipped === undefined) throw error
    const { row, problem: reason } = error
    return {
      read,
      counts: false,
      skipped: [{ file, ...(row === undefined ? {} : { row }), reason, refused: true }],
    }
  }
  const [first] = unread
  // A folder may hold rows of something else beside its documents.
  if (first?.row !== undefined && read === 0)
    return { read, counts: true, skipped: [{ file, reason: `its rows are not documents: ${first.problem}` }] }
  return { read, counts: true, skipped: unread.map((each) => skip(file, each, options)) }
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

/** @throws DatasetError where nobody is told */
function skip(file: string, { row, problem }: Unread, { onSkipped }: ReadDocumentsOptions): SkippedDocument {
  if (onSkipped === undefined) throw new DatasetError({ file, row, problem })
  return { file, ...(row === undefined ? {} : { row }), reason: problem }
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
