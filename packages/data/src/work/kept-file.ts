// Results in a file, a line each, which a later call reads back: written at once, so that a kill costs the one being made.

import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { StringDecoder } from 'node:string_decoder'
import type { Kept } from './kept'

const blockBytes = 2 ** 20

/**
 * The results of a stage as lines `[number, result]`. A line that a kill cut in two is passed over, and so is one whose number was
 * had before: two calls that do the same work at once write the same results.
 */
export class KeptFile<T> implements Kept<T> {
  readonly #descriptor: number
  readonly #lines: Generator<string, void>
  #count = 0
  /** The last line may have no end. */
  #start = '\n'
  #isWritable = true

  /** @throws Node's error when the file cannot be opened */
  constructor(file: string) {
    this.#descriptor = openSync(file, 'a+', 0o600)
    this.#lines = linesOf(this.#descriptor)
  }

  take(): T | undefined {
    for (let line = this.#lines.next(); line.done !== true; line = this.#lines.next()) {
      const [number, result] = parsed<T>(line.value)
      if (number !== this.#count) continue
      this.#count++
      return result
    }
    return undefined
  }

  add(result: T): void {
    const number = this.#count++
    if (!this.#isWritable) return
    try {
      const bytes = Buffer.from(`${this.#start}${JSON.stringify([number, result])}\n`, 'utf8')
      this.#start = ''
      for (let done = 0; done < bytes.length;) done += writeSync(this.#descriptor, bytes, done)
    } catch {
      // No room, or longer than a text can be: the work itself may have enough, and only begins anew if it is stopped.
      this.#isWritable = false
    }
  }

  close(): void {
    closeSync(this.#descriptor)
  }
}

function parsed<T>(line: string): [number, T] | [] {
  try {
    const value: unknown = JSON.parse(line)
    return Array.isArray(value) && value.length === 2 ? (value as [number, T]) : []
  } catch {
    return []
  }
}

/** The lines of a file from its beginning, without their ends; the last one too where it has none. */
function* linesOf(descriptor: number): Generator<string, void> {
  const [block, decoder] = [Buffer.allocUnsafe(blockBytes), new StringDecoder('utf8')]
  let at = 0
  /** Of a line that goes on in the next block. */
  let pieces: string[] = []
  for (;;) {
    const read = readSync(descriptor, block, 0, blockBytes, at)
    if (read === 0) break
    at += read
    const [first = '', ...others] = decoder.write(block.subarray(0, read)).split('\n')
    pieces.push(first)
    for (const next of others) {
      yield pieces.join('')
      pieces = [next]
    }
  }
  yield pieces.join('')
}
