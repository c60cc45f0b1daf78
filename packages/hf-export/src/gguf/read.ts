// Reads GGUF files: the header at opening, checked; tensors' bytes when asked for.
import { open, type FileHandle } from 'node:fs/promises'
import {
  aligned,
  alignment,
  GgufError,
  magic,
  tensorBytes,
  tensorTypes,
  valueTypes,
  version,
  type GgufArray,
  type GgufTensorInfo,
  type GgufTensorType,
  type GgufValue,
  type Metadata,
} from './format'

/** An open GGUF file. Close it when done (or declare it with `await using`). */
export interface GgufFile extends AsyncDisposable {
  readonly path: string
  /** In bytes. */
  readonly length: number
  readonly metadata: Metadata
  readonly tensors: ReadonlyMap<string, GgufTensorInfo>
  /** Bytes `from` (included) to `to` (excluded) of the tensor, counted from its start, in a new array. */
  readRange(name: string, from: number, to: number): Promise<Uint8Array>
}

/**
 * Opens a GGUF file (version 3, little-endian) and checks its header: counts and lengths within the file, names once each,
 * tensors one after another from the first to the file's end, at multiples of the alignment.
 * @throws GgufError when it is malformed or has what JORA does not write (other element types, another alignment)
 */
export async function openGguf(path: string): Promise<GgufFile> {
  const handle = await open(path, 'r')
  try {
    const stat = await handle.stat()
    if (!stat.isFile()) throw new GgufError(`${path} is not a regular file`)
    return new OpenGguf(handle, path, stat.size, await readHeader(handle, path, stat.size))
  } catch (error) {
    await handle.close()
    throw error
  }
}

class OpenGguf implements GgufFile {
  readonly metadata: Metadata
  readonly tensors: ReadonlyMap<string, GgufTensorInfo>
  readonly #dataStart: number

  constructor(
    readonly handle: FileHandle,
    readonly path: string,
    readonly length: number,
    { metadata, tensors, dataStart }: Header,
  ) {
    this.metadata = metadata
    this.tensors = tensors
    this.#dataStart = dataStart
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

interface Header {
  readonly metadata: Metadata
  readonly tensors: ReadonlyMap<string, GgufTensorInfo>
  readonly dataStart: number
}

/** The bytes at hand end before the header does. */
class NeedsMore extends Error {}

/** Where the header ends is known only at its end: it is read in ever larger pieces from the file's start. */
async function readHeader(handle: FileHandle, path: string, fileBytes: number): Promise<Header> {
  for (let size = Math.min(fileBytes, 2 ** 20); ; size = Math.min(fileBytes, size * 4)) {
    const bytes = await readAt(handle, path, 0, size)
    try {
      return parseHeader(new Cursor(bytes, path, fileBytes))
    } catch (error) {
      if (!(error instanceof NeedsMore)) throw error
      if (size === fileBytes) throw new GgufError(`${path} ends within its header`)
    }
  }
}

const typeNames = new Map(Object.entries(valueTypes).map(([name, id]) => [id as number, name as GgufValue['type']]))
const tensorTypeNames = new Map(
  Object.entries(tensorTypes).map(([name, { id }]) => [id as number, name as GgufTensorType]),
)

class Cursor {
  readonly #view: DataView
  at = 0

  constructor(
    readonly bytes: Uint8Array,
    readonly path: string,
    readonly fileBytes: number,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  fail(message: string): never {
    throw new GgufError(`${this.path}: ${message}`)
  }

  #take(count: number): number {
    if (this.at + count > this.fileBytes) this.fail(`${count} bytes at byte ${this.at} lie past the file's end`)
    if (this.at + count > this.bytes.length) throw new NeedsMore()
    const at = this.at
    this.at += count
    return at
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true)
  }

  /** A 64-bit count, length or offset: more than the file's bytes cannot be right. */
  size(what: string): number {
    const value = this.#view.getBigUint64(this.#take(8), true)
    return value <= BigInt(this.fileBytes) ? Number(value) : this.fail(`${what} is ${value}, past the file's end`)
  }

  string(what: string): string {
    const length = this.size(`length of ${what}`)
    const at = this.#take(length)
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.bytes.subarray(at, at + length))
    } catch {
      return this.fail(`${what} is not valid UTF-8`)
    }
  }

  type(key: string): GgufValue['type'] {
    const id = this.u32()
    return typeNames.get(id) ?? this.fail(`${key} has value type ${id}, which is unknown`)
  }

  scalar(type: GgufArray['of'], key: string): number | bigint | boolean | string {
    const view = this.#view
    switch (type) {
      case 'u8':
        return view.getUint8(this.#take(1))
      case 'i8':
        return view.getInt8(this.#take(1))
      case 'u16':
        return view.getUint16(this.#take(2), true)
      case 'i16':
        return view.getInt16(this.#take(2), true)
      case 'u32':
        return this.u32()
      case 'i32':
        return view.getInt32(this.#take(4), true)
      case 'u64':
        return view.getBigUint64(this.#take(8), true)
      case 'i64':
        return view.getBigInt64(this.#take(8), true)
      case 'f32':
        return view.getFloat32(this.#take(4), true)
      case 'f64':
        return view.getFloat64(this.#take(8), true)
      case 'string':
        return this.string(key)
      case 'bool': {
        const value = view.getUint8(this.#take(1))
        return value <= 1 ? value === 1 : this.fail(`${key} is ${value}, expected false or true`)
      }
    }
  }
}

function parseHeader(cursor: Cursor): Header {
  if (cursor.u32() !== magic) cursor.fail('does not begin with "GGUF"')
  const found = cursor.u32()
  if (found !== version) cursor.fail(`is GGUF version ${found}, expected ${version}, little-endian`)
  const tensorCount = cursor.size('number of tensors')
  const keyCount = cursor.size('number of metadata keys')
  const metadata = new Map<string, GgufValue>()
  for (let i = 0; i < keyCount; i++) {
    const key = cursor.string(`metadata key ${i}`)
    if (metadata.has(key)) cursor.fail(`metadata key ${key} stands twice`)
    metadata.set(key, readValue(cursor, key))
  }
  const align = metadata.get('general.alignment')
  if (align && align.value !== alignment)
    cursor.fail(`general.alignment is ${String(align.value)}, expected ${alignment}`)
  const tensors = new Map<string, GgufTensorInfo>()
  let end = 0
  for (let i = 0; i < tensorCount; i++) {
    const info = readTensorInfo(cursor, i)
    if (tensors.has(info.name)) cursor.fail(`tensor ${info.name} stands twice`)
    if (info.offset !== end) cursor.fail(`tensor ${info.name} is at ${info.offset}, expected ${end}`)
    tensors.set(info.name, info)
    end = aligned(info.offset + info.bytes)
  }
  const dataStart = aligned(cursor.at)
  if (dataStart + end !== cursor.fileBytes)
    cursor.fail(`has ${cursor.fileBytes} bytes; its header calls for ${dataStart + end}`)
  return { metadata, tensors, dataStart }
}

function readValue(cursor: Cursor, key: string): GgufValue {
  const type = cursor.type(key)
  // The type says what `scalar` gives.
  if (type !== 'array') return { type, value: cursor.scalar(type, key) } as GgufValue
  const of = cursor.type(key)
  if (of === 'array') return cursor.fail(`${key} is an array of arrays, which is not supported`)
  const count = cursor.size(`length of ${key}`)
  const value: (number | bigint | boolean | string)[] = []
  for (let i = 0; i < count; i++) value.push(cursor.scalar(of, key))
  return { type, of, value }
}

function readTensorInfo(cursor: Cursor, index: number): GgufTensorInfo {
  const name = cursor.string(`name of tensor ${index}`)
  const dimensions = cursor.u32()
  if (dimensions < 1 || dimensions > 4) cursor.fail(`tensor ${name} has ${dimensions} dimensions, expected 1 to 4`)
  const shape = Array.from({ length: dimensions }, () => cursor.size(`a dimension of ${name}`)).reverse()
  const id = cursor.u32()
  const type =
    tensorTypeNames.get(id) ??
    cursor.fail(`tensor ${name} has element type ${id}; JORA reads ${[...tensorTypeNames.values()].join(', ')}`)
  const { blockElements } = tensorTypes[type]
  if (shape.at(-1)! % blockElements !== 0)
    cursor.fail(`tensor ${name} has rows of ${shape.at(-1)}, no multiple of ${blockElements} as ${type} calls for`)
  const bytes = tensorBytes(
    type,
    shape.reduce((n, d) => n * d, 1),
  )
  return { name, type, shape, offset: cursor.size(`offset of ${name}`), bytes }
}
