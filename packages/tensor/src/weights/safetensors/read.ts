// Reads tensors of a safetensors file by position: only the header is read at opening, each tensor when asked for.

import { SharedFile } from '../../files/shared-file'
import type { FileRange } from '../source'
import { headerLength, parseHeader, prefixBytes, type SafetensorsHeader, type TensorInfo } from './header'
import { noTensor } from './parse'

/** An open safetensors file. Reads may run at the same time; close it when done (or declare it with `await using`). */
export interface SafetensorsFile extends SafetensorsHeader, AsyncDisposable {
  readonly path: string
  /** Byte offset of the data section in the file. */
  readonly dataStart: number
  /** Bytes of the whole file. */
  readonly length: number
  /** Bytes of the file itself, header included, from `position` on; fewer than `length` at its end. */
  readFile(position: number, length: number): Promise<Uint8Array>
  /** Where the tensor's bytes are. Throws when there is no tensor `name`, as the two reads do. */
  range(name: string): FileRange
  /** All of the tensor's bytes, in a new array. */
  read(name: string): Promise<Uint8Array>
  /**
   * Bytes `from` (included) to `to` (excluded) of the tensor, counted from its start: at the start of `into` where it is given
   * and has room, else in a new array.
   */
  readRange(name: string, from: number, to: number, into?: Uint8Array): Promise<Uint8Array>
  /** Closes the file; a second call does nothing. */
  close(): Promise<void>
}

/**
 * Opens a safetensors file and checks its header; files and tensors past 4 GB are fine.
 * Throws {@link SafetensorsError} when malformed, and an Error with Node's `code` when the file cannot be read.
 */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  let file: SharedFile | undefined
  try {
    file = SharedFile.open(path)
    const { length } = file
    const prefix = await readAt(file, path, 0, Math.min(prefixBytes, length))
    const headerBytes = headerLength(prefix, length, path)
    const dataStart = prefixBytes + headerBytes
    const header = parseHeader(await readAt(file, path, prefixBytes, headerBytes), length - dataStart, path)
    return new OpenFile(file, path, dataStart, header)
  } catch (error) {
    file?.close()
    throw explain(error, path)
  }
}

class OpenFile implements SafetensorsFile {
  readonly path: string
  readonly dataStart: number
  readonly tensors: ReadonlyMap<string, TensorInfo>
  readonly metadata: Readonly<Record<string, string>>
  readonly length: number
  readonly #realPath: string
  #file: SharedFile | undefined

  constructor(file: SharedFile, path: string, dataStart: number, header: SafetensorsHeader) {
    this.path = path
    this.length = file.length
    this.dataStart = dataStart
    this.tensors = header.tensors
    this.metadata = header.metadata
    this.#file = file
    this.#realPath = file.realPath
  }

  range(name: string): FileRange {
    const info = this.tensors.get(name)
    if (!info) throw new Error(noTensor(this.path, name, this))
    return { path: this.#realPath, offset: this.dataStart + info.begin, length: info.end - info.begin }
  }

  async read(name: string): Promise<Uint8Array> {
    return this.readRange(name, 0, this.range(name).length)
  }

  async readRange(name: string, from: number, to: number, into?: Uint8Array): Promise<Uint8Array> {
    const { offset, length } = this.range(name)
    if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || from < 0 || from > to || to > length) {
      const what = `bytes ${from} to ${to} of tensor ${JSON.stringify(name)}, which has ${length}`
      throw new RangeError(`safetensors: ${this.path}: ${what}`)
    }
    if (!this.#file) throw new Error(`safetensors: ${this.path}: read of ${JSON.stringify(name)} after close`)
    return readAt(this.#file, this.path, offset + from, to - from, into)
  }

  async readFile(position: number, length: number): Promise<Uint8Array> {
    if (!this.#file) throw new Error(`safetensors: ${this.path}: read after close`)
    return readAt(this.#file, this.path, position, Math.min(length, this.length - position))
  }

  close(): Promise<void> {
    this.#file?.close()
    this.#file = undefined
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

async function readAt(
  file: SharedFile,
  path: string,
  position: number,
  length: number,
  into?: Uint8Array,
): Promise<Uint8Array> {
  let bytes: Uint8Array
  try {
    bytes = into && into.length >= length ? into.subarray(0, length) : new Uint8Array(length)
  } catch (cause) {
    throw new RangeError(`safetensors: ${path}: no room for ${length} bytes at once: use readRange`, { cause })
  }
  const done = await file.read(bytes, position)
  if (done < length)
    throw new Error(
      `safetensors: ${path}: ends at byte ${position + done}, expected ${position + length}: was it cut while open?`,
    )
  return bytes
}

const reasons: Record<string, string> = {
  ENOENT: 'no such file',
  ENOTDIR: 'no such file: part of its path is not a folder',
  EISDIR: 'is a folder, expected a file',
  EINVAL: 'is not a regular file',
  EACCES: 'no permission to read it',
  EPERM: 'no permission to read it',
  EMFILE: 'too many open files',
}

function explain(error: unknown, path: string): unknown {
  const code = (error as NodeJS.ErrnoException).code
  const reason = code === undefined ? undefined : reasons[code]
  return reason ? Object.assign(new Error(`safetensors: ${path}: ${reason}`, { cause: error }), { code }) : error
}
