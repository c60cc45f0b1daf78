// Results in a file, a line each, which a later call reads back: written at once, so that a kill costs the one being made.

import { closeSync, constants, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { Numbers } from '../prepare/numbers'
import type { Kept } from './kept'

const blockBytes = 2 ** 20

/**
 * The results of a stage as lines `[number, result]`. A line that a kill cut in two is passed over, and so is one whose number was
 * had before. Each line has its place by what is before it: two calls that do the same work at once write the same bytes.
 */
export class KeptFile<T> implements Kept<T> {
  readonly #file: string
  readonly #descriptor: number
  #lines: Generator<Line, void>
  /** By number: where its line begins, and its bytes. */
  #starts = new Numbers(Float64Array)
  #sizes = new Numbers(Int32Array)
  /** Where the next line begins. */
  #end = 0
  /** The line before it may have no end. */
  #isClosed = false
  /** A line that was read last. */
  #read = Buffer.alloc(0)
  /** Results that are not in the file, once there is no room. */
  #unwritten: Map<number, T> | undefined

  /** @throws Node's error when the file cannot be opened */
  constructor(file: string) {
    this.#file = file
    this.#descriptor = openSync(file, constants.O_RDWR | constants.O_CREAT, 0o600)
    this.#lines = linesOf(this.#descriptor)
  }

  take(): T | undefined {
    for (let line = this.#lines.next(); line.done !== true; line = this.#lines.next()) {
      const { start, bytes } = line.value
      const [number, result] = parsed<T>(bytes)
      if (number !== this.#starts.length) continue
      this.#place(start, bytes.length)
      return result
    }
    return undefined
  }

  add(result: T): void {
    const number = this.#starts.length
    try {
      if (this.#unwritten !== undefined) throw new Error('no room')
      const line = `[${number},${JSON.stringify(result)}]`
      const isFirst = this.#isClosed || this.#end === 0
      const bytes = Buffer.from(isFirst ? `${line}\n` : `\n${line}\n`, 'utf8')
      const start = isFirst ? this.#end : this.#end - 1
      for (let done = 0; done < bytes.length;)
        done += writeSync(this.#descriptor, bytes, done, bytes.length - done, start + done)
      this.#isClosed = true
      this.#place(this.#end, start + bytes.length - 1 - this.#end)
    } catch {
      // No room, or longer than a text can be: the work itself may have enough, and only begins anew if it is stopped.
      this.#unwritten ??= new Map()
      this.#unwritten.set(number, result)
      this.#place(this.#end, 0)
    }
  }

  at(number: number): T {
    const held = this.#unwritten?.get(number)
    if (held !== undefined) return held
    const size = this.#sizes.at(number)
    if (this.#read.length < size) this.#read = Buffer.allocUnsafe(2 * size)
    const bytes = this.#read.subarray(0, size)
    for (let done = 0; done < bytes.length;) {
      const read = readSync(this.#descriptor, bytes, done, bytes.length - done, this.#starts.at(number) + done)
      if (read === 0) break
      done += read
    }
    const [found, result] = parsed<T>(bytes)
    if (found !== number) throw new Error(`${this.#file}: was changed while it was in use`)
    return result
  }

  /** Forgets all results. */
  clear(): void {
    ftruncateSync(this.#descriptor)
    this.#lines = linesOf(this.#descriptor)
    ;[this.#starts, this.#sizes] = [new Numbers(Float64Array), new Numbers(Int32Array)]
    this.#end = 0
    this.#unwritten = undefined
  }

  close(): void {
    closeSync(this.#descriptor)
  }

  #place(start: number, size: number): void {
    this.#starts.push(start)
    this.#sizes.push(size)
    if (size > 0) this.#end = start + size + 1
  }
}

interface Line {
  readonly start: number
  readonly bytes: Buffer
}

function parsed<T>(line: Buffer): [number, T] | [undefined, never] {
  try {
    const value: unknown = JSON.parse(line.toString('utf8'))
    return Array.isArray(value) && value.length === 2 ? (value as [number, T]) : nothing
  } catch {
    return nothing
  }
}

const nothing = [undefined, undefined as never] satisfies [undefined, never]

/** The lines of a file from its beginning, without their ends; the last one too where it has none. */
function* linesOf(descriptor: number): Generator<Line, void> {
  const block = Buffer.allocUnsafe(blockBytes)
  let at = 0
  let start = 0
  /** Of a line that goes on in the next block. */
  let pieces: Buffer[] = []
  for (;;) {
    const read = readSync(descriptor, block, 0, blockBytes, at)
    if (read === 0) break
    let from = 0
    for (let end = block.indexOf(10); end >= 0 && end < read; end = block.indexOf(10, from)) {
      const last = block.subarray(from, end)
      yield { start, bytes: pieces.length === 0 ? last : Buffer.concat([...pieces, last]) }
      pieces = []
      from = end + 1
      start = at + from
    }
    if (from < read) pieces.push(Buffer.from(block.subarray(from, read)))
    at += read
  }
  if (pieces.length > 0) yield { start, bytes: Buffer.concat(pieces) }
}
