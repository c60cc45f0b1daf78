// Reads GGUF files: the header at opening, checked; tensors' bytes when asked for.
import { open, realpath, type FileHandle } from 'node:fs/promises'
import type { FileRange } from '../source'
import { GgufError, type GgufTensorInfo, type Metadata } from './format'
import { parseGgufHeader, type GgufHeader } from './parse'

/** An open GGUF file. Close it when done (or declare it with `await using`). */
export interface GgufFile extends AsyncDisposable {
  readonly path: string
  /** In bytes. */
  readonly length: number
  /** Bytes that its header calls for, the last tensor's padding included. */
  readonly end: number
  readonly metadata: Metadata
  readonly tensors: ReadonlyMap<string, GgufTensorInfo>
  /** Bytes of the file itself, header included, from `position` on; fewer than `length` at its end. */
  readFile(position: number, length: number): Promise<Uint8Array>
  /** Where the bytes of a tensor are. */
  range(name: string): FileRange
  /** Bytes `from` (included) to `to` (excluded) of the tensor, counted from its start, in a new array. */
  readRange(name: string, from: number, to: number): Promise<Uint8Array>
}

/**
 * Opens a GGUF file (version 2 or 3, little-endian) and checks its header; see {@link parseGgufHeader}.
 * @throws GgufError when it is malformed, or has element types that are not unpacked; an Error with Node's `code` when the
 *   file cannot be opened
 */
export async function openGguf(path: string): Promise<GgufFile> {
  const handle = await open(path, 'r')
  try {
    const stat = await handle.stat()
    if (!stat.isFile()) throw new GgufError(`${path} is not a regular file`)
    return new OpenGguf(handle, path, await realpath(path), stat.size, await readHeader(handle, path, stat.size))
  } catch (error) {
    await handle.close()
    throw error
  }
}

class OpenGguf implements GgufFile {
  readonly metadata: Metadata
  readonly tensors: ReadonlyMap<string, GgufTensorInfo>
  readonly end: number
  readonly #dataStart: number

  constructor(
    readonly handle: FileHandle,
    readonly path: string,
    readonly realPath: string,
    readonly length: number,
    { metadata, tensors, dataStart, end }: GgufHeader,
  ) {
    this.end = end
    this.metadata = metadata
    this.tensors = tensors
    this.#dataStart = dataStart
  }

  readFile(position: number, length: number): Promise<Uint8Array> {
    return readAt(this.handle, this.path, position, Math.min(length, this.length - position))
  }

  range(name: string): FileRange {
    const { offset, bytes } = this.tensors.get(name)!
    return { path: this.realPath, offset: this.#dataStart + offset, length: bytes }
  }

  async readRange(name: string, from: number, to: number): Promise<Uint8Array> {
    const { offset } = this.tensors.get(name)!
    return readAt(this.handle, this.path, this.#dataStart + offset + from, to - from)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.handle.close()
  }
}

async function readAt(handle: FileHandle, path: string, position: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length)
  for (let done = 0; done < length;) {
    const { bytesRead } = await handle.read(bytes, done, length - done, position + done)
    if (bytesRead === 0) throw new GgufError(`${path} ends at byte ${position + done}, expected ${position + length}`)
    done += bytesRead
  }
  return bytes
}

/** Where the header ends is known only at its end: it is read in ever larger pieces from the file's start. */
async function readHeader(handle: FileHandle, path: string, fileBytes: number): Promise<GgufHeader> {
  for (let size = Math.min(fileBytes, 2 ** 20); ; size = Math.min(fileBytes, size * 4)) {
    const header = parseGgufHeader(await readAt(handle, path, 0, size), fileBytes, path)
    if (header) return header
    if (size === fileBytes) throw new GgufError(`${path} ends within its header: the file is cut`)
  }
}
