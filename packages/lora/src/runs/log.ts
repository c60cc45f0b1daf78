// metrics.jsonl and control.jsonl: an event a line, appended by one writer, read by any number while it grows.
import { constants } from 'node:fs'
import { open, stat, type FileHandle } from 'node:fs/promises'
import { completeLines } from './lines'

export const metricsFile = 'metrics.jsonl'
export const controlFile = 'control.jsonl'

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_RDWR } = constants

/** Appends events to a file, each whole before the next. */
export class LogWriter<E> {
  #file: FileHandle | undefined

  private constructor(file: FileHandle) {
    this.#file = file
  }

  /**
   * Opens `path`, made if it is not there. A link is not followed, and a line that a kill cut short is ended, so that the
   * next stays readable.
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

/** Reads a file as it grows. Keeps only where it is. */
export class LogReader {
  #offset = 0
  #inode: number | undefined
  /** Bytes of a line whose end is not written yet. */
  #rest: Buffer = Buffer.alloc(0)

  constructor(readonly path: string) {}

  /** Complete lines that came since the last call; undefined when nothing did. A file that is not there has none. */
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
