// metrics.jsonl and control.jsonl: an event a line, appended by one writer, read by any number while it grows.
import { constants } from 'node:fs'
import { open, stat, type FileHandle } from 'node:fs/promises'
import { completeLines } from './lines'

/** The trainer's events, in a run's folder: one JSON object a line. */
export const metricsFile = 'metrics.jsonl'
/** The events of whoever starts, pauses and stops the run, beside it: one JSON object a line. */
export const controlFile = 'control.jsonl'

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_RDWR } = constants

/** Appends events to a file, each whole before the next. */
export class LogWriter<E> {
  #file: FileHandle | undefined

  private constructor(file: FileHandle) {
    this.#file = file
  }

  /**
   * Opens `path` for appending, and makes it when it is missing. A link is not followed. A line that a kill cut short
   * is ended, so that the next one can be read.
   * @throws Error of the system
   */
  static async open<E>(path: string): Promise<LogWriter<E>> {
    const file = await open(path, O_APPEND | O_CREAT | O_RDWR | (O_NOFOLLOW ?? 0))
    try {
      const { size } = await file.stat()
      const last = Buffer.alloc(1)
      if (size > 0) await file.read(last, 0, 1, size - 1)
      if (size > 0 && last[0] !== 0x0a) await file.appendFile('\n')
    } catch (error) {
      await file.close()
      throw error
    }
    return new LogWriter<E>(file)
  }

  /** @throws Error of the system when it cannot be written */
  async append(event: E): Promise<void> {
    await this.#file?.appendFile(`${JSON.stringify(event)}\n`)
  }

  /** Closes the file; a second call does nothing. */
  async close(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }
}

/** What is new in a file. */
export interface NewLines {
  readonly lines: readonly string[]
  /** Whether they are all of it: the file was replaced, shortened or removed since. */
  readonly isAnew: boolean
}

/** Reads a file as it grows, holding no more of it than its place and an unfinished line. */
export class LogReader {
  #offset = 0
  #inode: number | undefined
  /** Bytes of a line whose end is not written yet. */
  #rest: Buffer = Buffer.alloc(0)

  constructor(readonly path: string) {}

  /**
   * Complete lines that were added since the last call; undefined when there are none. A file that does not exist has
   * none.
   */
  async read(): Promise<NewLines | undefined> {
    const found = await stat(this.path).catch(() => undefined)
    if (!found) return this.#begin(undefined) ? { lines: [], isAnew: true } : undefined
    if (found.ino === this.#inode && found.size === this.#offset) return undefined
    const file = await open(this.path, 'r')
    try {
      const { ino, size } = await file.stat()
      const isAnew = ino !== this.#inode || size < this.#offset
      if (isAnew) this.#begin(ino)
      const bytes = Buffer.alloc(size - this.#offset)
      const { bytesRead } = await file.read(bytes, 0, bytes.byteLength, this.#offset)
      this.#offset += bytesRead
      const all = Buffer.concat([this.#rest, bytes.subarray(0, bytesRead)])
      const end = all.lastIndexOf(0x0a) + 1
      this.#rest = all.subarray(end)
      const lines = completeLines(all.toString('utf8', 0, end))
      return isAnew || lines.length > 0 ? { lines, isAnew } : undefined
    } finally {
      await file.close()
    }
  }

  /** @returns whether it was another before */
  #begin(inode: number | undefined): boolean {
    const isOther = this.#inode !== inode
    this.#offset = 0
    this.#rest = Buffer.alloc(0)
    this.#inode = inode
    return isOther
  }
}

/** All complete lines of a file; none of one that is not there. */
export const readLog = async (path: string): Promise<readonly string[]> =>
  (await new LogReader(path).read().catch(() => undefined))?.lines ?? []
