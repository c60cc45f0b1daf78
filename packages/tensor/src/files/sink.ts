// The open end that bytes are written to, one after another.
import { constants, write } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Destination } from './destination'

/** Takes bytes in order. */
export interface FileSink {
  /** Bytes written so far. */
  readonly length: number
  /** Resolves when all of `bytes` are written; they may be changed then. */
  write(bytes: Uint8Array): Promise<void>
}

/** One write(2) moves at most 2^31 − 4096 bytes. */
const maxWriteBytes = 2 ** 29

/** How long a full pipe is left alone before it is tried again. */
const fullPipeMs = 5

const writeSome = promisify(write)

/** Writes to an open descriptor, whatever it is. */
export class DescriptorSink implements FileSink {
  length = 0
  readonly #descriptor: number

  constructor(descriptor: number) {
    this.#descriptor = descriptor
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      try {
        const want = Math.min(bytes.length - done, maxWriteBytes)
        const { bytesWritten } = await writeSome(this.#descriptor, bytes, done, want, null)
        done += bytesWritten
        this.length += bytesWritten
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
        await sleep(fullPipeMs)
      }
    }
  }
}

/** How long a pipe without a reader is waited for. */
const readerMs = 60_000
const readerEveryMs = 50

/**
 * Opens a device, or a pipe once something reads it.
 * @throws Error when nothing reads the pipe within a minute
 */
export async function openStream({ path, isPipe }: Extract<Destination, { kind: 'stream' }>): Promise<FileHandle> {
  if (!isPipe) return open(path, 'w')
  // Opened without waiting: a thread that waits in the system can be stopped by nothing but the end of the process.
  for (let waited = 0; ; waited += readerEveryMs) {
    try {
      return await open(path, constants.O_WRONLY | constants.O_NONBLOCK)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error
      if (waited >= readerMs)
        throw new Error(`${path} is a pipe that nothing reads: start what reads it first`, { cause: error })
    }
    await sleep(readerEveryMs)
  }
}
