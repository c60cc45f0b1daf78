// Reads GGUF files: the header at opening, checked; tensors' bytes when asked for.
import { SharedFile } from '../../files/shared-file'
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
  /**
   * Bytes `from` (included) to `to` (excluded) of the tensor, counted from its start: at the start of `into` where it is given
   * and has room, else in a new array.
   */
  readRange(name: string, from: number, to: number, into?: Uint8Array): Promise<Uint8Array>
}

/**
 * Opens a GGUF file (version 2 or 3, little-endian) and checks its header; see {@link parseGgufHeader}.
 * @throws GgufError when it is malformed, or has element types that are not unpacked; an Error with Node's `code` when the
 *   file cannot be opened
 */
export async function openGguf(path: string): Promise<GgufFile> {
  const file = openRegular(path)
  try {
    return new OpenGguf(file, path, await readHeader(file, path))
  } catch (error) {
    file.close()
    throw error
  }
}

function openRegular(path: string): SharedFile {
  try {
    return SharedFile.open(path)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw code === 'EISDIR' || code === 'EINVAL' ? new GgufError(message) : error
  }
}

class OpenGguf implements GgufFile {
  readonly metadata: Metadata
  readonly tensors: ReadonlyMap<string, GgufTensorInfo>
  readonly end: number
  readonly length: number
  readonly #dataStart: number

  constructor(
    readonly file: SharedFile,
    readonly path: string,
    { metadata, tensors, dataStart, end }: GgufHeader,
  ) {
    this.length = file.length
    this.end = end
    this.metadata = metadata
    this.tensors = tensors
    this.#dataStart = dataStart
  }

  readFile(position: number, length: number): Promise<Uint8Array> {
    return readAt(this.file, this.path, position, Math.min(length, this.length - position))
  }

  range(name: string): FileRange {
    const { offset, bytes } = this.tensors.get(name)!
    return { path: this.file.realPath, offset: this.#dataStart + offset, length: bytes }
  }

  async readRange(name: string, from: number, to: number, into?: Uint8Array): Promise<Uint8Array> {
    const { offset } = this.tensors.get(name)!
    return readAt(this.file, this.path, this.#dataStart + offset + from, to - from, into)
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.file.close()
    return Promise.resolve()
  }
}

async function readAt(
  file: SharedFile,
  path: string,
  position: number,
  length: number,
  into?: Uint8Array,
): Promise<Uint8Array> {
  const bytes = into && into.length >= length ? into.subarray(0, length) : new Uint8Array(length)
  const done = await file.read(bytes, position)
  if (done < length) throw new GgufError(`${path} ends at byte ${position + done}, expected ${position + length}`)
  return bytes
}

/** Where the header ends is known only at its end: it is read in ever larger pieces from the file's start. */
async function readHeader(file: SharedFile, path: string): Promise<GgufHeader> {
  for (let size = Math.min(file.length, 2 ** 20); ; size = Math.min(file.length, size * 4)) {
    const header = parseGgufHeader(await readAt(file, path, 0, size), file.length, path)
    if (header) return header
    if (size === file.length) throw new GgufError(`${path} ends within its header: the file is cut`)
  }
}
