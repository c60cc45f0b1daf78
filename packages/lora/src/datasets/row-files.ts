// The rows of a run's files: of large files read as often as they are needed, with only the row at hand in memory.
import { stat } from 'node:fs/promises'
import { setImmediate } from 'node:timers/promises'
import {
  checkJudged,
  checkPair,
  DatasetError,
  isCellsFile,
  streamChecked,
  streamRows,
  type LearnedRow,
  type ReadOptions,
  type RowOptions,
} from '@jora/data'
import type { ResolveDatasetOptions } from '@jora/llama'
import { datasetFiles } from './load-datasets'
import type { ObjectiveName } from '../train/objectives/objective'
import type { RowRange } from './row-lists'

/** Rows that are handed on together. */
const rowsAtOnce = 16

/** Rows in memory are gone through for so long, in milliseconds, before anything else has its turn. */
const turnMs = 100

/** Reads the rows of a file, some at a time. */
type Reader = (file: string, options: ReadOptions & RowOptions) => AsyncGenerator<readonly LearnedRow[]>

function reader<T>(
  read: (file: string, options: ReadOptions & RowOptions) => AsyncIterable<T>,
  learned: (item: T) => LearnedRow,
): Reader {
  return async function* (file, options) {
    let rows: LearnedRow[] = []
    for await (const item of read(file, options)) {
      rows.push(learned(item))
      if (rows.length < rowsAtOnce) continue
      yield rows
      rows = []
    }
    yield rows
  }
}

const pairs = reader(
  (file, options) => streamChecked(file, checkPair, options),
  ({ chosen, rejected }) => ({ row: chosen, rejected }),
)

/** How rows are read, by what is learned of them. */
const readers: Readonly<Record<ObjectiveName, Reader>> = {
  sft: reader(streamRows, (row) => ({ row })),
  dpo: pairs,
  orpo: pairs,
  kto: reader(
    (file, options) => streamChecked(file, checkJudged, options),
    (row) => row,
  ),
}

/** What a file is to a run. */
type Role = { readonly set: number } | 'heldOut' | 'mixed'

/** A file, with what it was when it was first looked at. */
interface RowFile {
  readonly path: string
  readonly role: Role
  readonly bytes: number
  /** What a change of the file changes; nothing of a pipe, which can be read once. */
  readonly state: string
  /** Its rows, once they were read, where they stay in memory. */
  rows?: readonly (readonly LearnedRow[])[] | undefined
}

/** Some rows, one after another. */
export interface NumberedRows {
  readonly rows: readonly LearnedRow[]
  /** Number of the first of them. */
  readonly first: number
  readonly role: Role
}

/** The files that a run's rows come from. */
export interface RowFilesOptions {
  /** One or several files or data sets of the Hub, with commas between. */
  readonly dataset: string
  /** Rows to hold out instead of a share, likewise. */
  readonly evalDataset?: string | undefined
  readonly mixFile?: string | undefined
  /** What is learned of the rows (default: answers). */
  readonly objective?: ObjectiveName | undefined
  /** How rows are read, but of the file of general rows. */
  readonly reading: RowOptions
  readonly hub: ResolveDatasetOptions
  readonly evalSplits: readonly string[]
  /** Bytes of all files up to which their rows stay in memory, so that they are read once. */
  readonly heldBytes: number
}

/** Told of reading. */
export interface RowFilesWatch {
  /** Given the bytes of every file, in order, while {@link RowFiles.each} reads. */
  readonly onBytes?: ((bytes: Uint8Array) => void) | undefined
  /** Rows of these roles alone are read; the others keep their numbers. */
  readonly only?: ((role: Role) => boolean) | undefined
}

/** The rows of several files, numbered from 0: those of the data sets, then those to hold out, then general ones. */
export class RowFiles {
  readonly files: readonly RowFile[]
  readonly #reading: RowOptions
  readonly #reader: Reader
  readonly #heldBytes: number
  /** Rows of each file, once all were read. */
  readonly #counts: number[] = []

  private constructor(files: readonly RowFile[], reading: RowOptions, reader: Reader, heldBytes: number) {
    ;[this.files, this.#reading, this.#reader, this.#heldBytes] = [files, reading, reader, heldBytes]
  }

  /** @throws DatasetError | HubError naming the file or data set that is not there */
  static async open({ dataset, evalDataset, mixFile, objective, ...options }: RowFilesOptions): Promise<RowFiles> {
    const { reading, hub, evalSplits, heldBytes } = options
    const named: [Role, readonly string[]][] = []
    for (const [set, files] of (await datasetFiles(dataset, hub)).entries()) named.push([{ set }, files])
    if (evalDataset !== undefined)
      named.push(['heldOut', (await datasetFiles(evalDataset, { ...hub, splits: evalSplits })).flat()])
    if (mixFile !== undefined) named.push(['mixed', [mixFile]])
    const files: RowFile[] = []
    for (const [role, paths] of named) for (const path of paths) files.push({ path, role, ...(await lookedAt(path)) })
    return new RowFiles(files, reading, readers[objective ?? 'sft'], heldBytes)
  }

  /** Whether there are more of them than stay in memory, and all can be read again. */
  get areLarge(): boolean {
    return this.bytes > this.#heldBytes && this.files.every(({ state }) => state !== '')
  }

  /** Whether all rows stay in memory once they were read. */
  get areHeld(): boolean {
    return this.files.every((file) => this.#areHeld(file))
  }

  /** Rows of small files stay in memory; those of a pipe, and of a table of cells, which is parsed whole each time, always. */
  #areHeld({ path, state }: RowFile): boolean {
    return this.bytes <= this.#heldBytes || state === '' || isCellsFile(path)
  }

  /** Bytes of the files. */
  get bytes(): number {
    return this.files.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** The rows, some at a time. @throws DatasetError naming file and row */
  async *each({ onBytes, only }: RowFilesWatch = {}): AsyncGenerator<NumberedRows> {
    let [number, paused] = [0, performance.now()]
    for (const [i, file] of this.files.entries()) {
      const { path, role } = file
      if (only && !only(role)) {
        number += this.#counts[i] ?? 0
        continue
      }
      const first = number
      const options = { ...(role === 'mixed' ? {} : this.#reading), ...(onBytes && { onBytes }) }
      const held: (readonly LearnedRow[])[] | undefined = this.#areHeld(file) ? [] : undefined
      for await (const rows of file.rows ?? this.#reader(path, options)) {
        // Reading a file lets signals through, rows in memory do not by themselves.
        if (file.rows && performance.now() - paused > turnMs) {
          await setImmediate()
          paused = performance.now()
        }
        held?.push(rows)
        yield { rows, first: number, role }
        number += rows.length
      }
      file.rows ??= held
      this.#counts[i] = number - first
    }
  }

  /** Numbers of the rows of a role, once all were read: none for a role that no file has. */
  #range(isOf: (role: Role) => boolean): RowRange | undefined {
    let [from, to, at] = [-1, -1, 0]
    for (const [i, { role }] of this.files.entries()) {
      const count = this.#counts[i] ?? 0
      if (isOf(role)) {
        if (from < 0) from = at
        to = at + count
      }
      at += count
    }
    return from < 0 ? undefined : [from, to]
  }

  /** Rows of each data set. */
  get sets(): RowRange[] {
    const last = this.files.reduce((most, { role }) => (typeof role === 'object' ? Math.max(most, role.set) : most), -1)
    return Array.from({ length: last + 1 }, (_, set) =>
      this.#range((role) => typeof role === 'object' && role.set === set)!,
    )
  }

  /** Rows to hold out. */
  get heldOut(): RowRange | undefined {
    return this.#range((role) => role === 'heldOut')
  }

  /** General rows. */
  get mixed(): RowRange | undefined {
    return this.#range((role) => role === 'mixed')
  }

  /** @throws DatasetError for a file that was read more than once and is another than when it was opened */
  async checkUnchanged(): Promise<void> {
    for (const { path, state, rows } of this.files)
      if (!rows && state !== (await lookedAt(path)).state)
        throw new DatasetError({ file: path, problem: 'was changed while its rows were read; begin again' })
  }
}

/** Bytes of a file, and what a change of it changes; of what is no regular file nothing is known. */
async function lookedAt(path: string): Promise<{ bytes: number; state: string }> {
  const found = await stat(path).catch(() => undefined)
  if (!found?.isFile()) return { bytes: 0, state: '' }
  return { bytes: found.size, state: `${found.dev}:${found.ino}:${found.size}:${found.mtimeMs}` }
}
