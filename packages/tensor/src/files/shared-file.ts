// A file open for reading, shared: all who read it at the same time in this process read through one opening.
import { closeSync, fstatSync, openSync, read, readSync, realpathSync, statSync, type BigIntStats } from 'node:fs'
import { promisify } from 'node:util'

interface Opening {
  readonly key: string
  readonly descriptor: number
  /** Holders of the file, and reads that have not ended. */
  users: number
}

const readInto = promisify(read)

/** By device and inode: a file that replaced another under its name is another. */
const openings = new Map<string, Opening>()
const keyOf = ({ dev, ino }: BigIntStats): string => `${dev}:${ino}`

/** One read(2) moves at most 2^31 − 4096 bytes. */
const maxReadBytes = 2 ** 29

function openingOf(path: string): Opening {
  const stat = statSync(path, { bigint: true })
  if (!stat.isFile())
    throw Object.assign(new Error(`${path} is not a regular file`), { code: stat.isDirectory() ? 'EISDIR' : 'EINVAL' })
  const known = openings.get(keyOf(stat))
  if (known) return known
  const descriptor = openSync(path, 'r')
  // What was opened may have been put there since.
  const key = keyOf(fstatSync(descriptor, { bigint: true }))
  const same = openings.get(key)
  if (same) {
    closeSync(descriptor)
    return same
  }
  const opening = { key, descriptor, users: 0 }
  openings.set(key, opening)
  return opening
}

function leave(opening: Opening): void {
  if (--opening.users > 0) return
  openings.delete(opening.key)
  closeSync(opening.descriptor)
}

/**
 * A regular file, open for reading. Where it is open already, that opening is shared: a model's file, which its reader holds,
 * is not opened again by the devices that its weights go to. Close it when done (or declare it with `using`).
 */
export class SharedFile implements Disposable {
  /** The file itself, symbolic links resolved. */
  readonly realPath: string
  /** In bytes, when it was opened. */
  readonly length: number
  #opening: Opening | undefined

  private constructor(path: string) {
    const opening = openingOf(path)
    opening.users++
    this.#opening = opening
    try {
      this.realPath = realpathSync(path)
      this.length = fstatSync(opening.descriptor).size
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** @throws Error with Node's `code`: EISDIR or EINVAL for what is no regular file */
  static open(path: string): SharedFile {
    return new SharedFile(path)
  }

  #open(): Opening {
    if (!this.#opening) throw new Error(`${this.realPath} was read after it was closed`)
    return this.#opening
  }

  /** Its descriptor, which other threads of this process may read from while it is held here. */
  get descriptor(): number {
    return this.#open().descriptor
  }

  /** Fills `target` with the bytes from `position` on; the number of bytes there were, fewer than asked at the file's end. */
  async read(target: Uint8Array, position: number): Promise<number> {
    const opening = this.#open()
    opening.users++ // closing does not take the descriptor from a read
    try {
      let done = 0
      while (done < target.length) {
        const wanted = Math.min(target.length - done, maxReadBytes)
        const { bytesRead } = await readInto(opening.descriptor, target, done, wanted, position + done)
        if (bytesRead === 0) break
        done += bytesRead
      }
      return done
    } finally {
      leave(opening)
    }
  }

  /** As {@link read}, at once. */
  readNow(target: Uint8Array, position: number): number {
    const { descriptor } = this.#open()
    let done = 0
    while (done < target.length) {
      const count = readSync(descriptor, target, done, Math.min(target.length - done, maxReadBytes), position + done)
      if (count === 0) break
      done += count
    }
    return done
  }

  /** A second call does nothing. */
  close(): void {
    const opening = this.#opening
    this.#opening = undefined
    if (opening) leave(opening)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
