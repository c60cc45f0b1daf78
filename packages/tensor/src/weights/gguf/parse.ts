// The header of a GGUF file, checked: metadata, and where each tensor is. No Node imports.
import { blockBytesOf, blockTypeOf, blockTypes, unreadType } from '../blocks/types'
import {
  aligned,
  alignment,
  GgufError,
  magic,
  valueTypes,
  version,
  type GgufArray,
  type GgufTensorInfo,
  type GgufValue,
  type Metadata,
} from './format'

/** What a GGUF file begins with. */
export interface GgufHeader {
  readonly metadata: Metadata
  readonly tensors: ReadonlyMap<string, GgufTensorInfo>
  /** Bytes from the file's start that tensors' offsets count from. */
  readonly dataStart: number
  /** Bytes of the whole file, the last tensor's padding included. */
  readonly end: number
}

/** Values of an array of metadata: a vocabulary has fewer, and a wrong count must not fill the memory. */
const mostValues = 2 ** 24
/** Bytes of a text of metadata. */
const mostTextBytes = 2 ** 26

/** The bytes at hand end before the header does. */
class NeedsMore extends Error {}

/**
 * The header of a file of `fileBytes` bytes that begins with `bytes`; undefined when more of them are needed. Counts and
 * lengths are within the file, names are there once each, tensors are one after another at multiples of the alignment.
 * @param source the file's name for errors
 * @throws GgufError naming the key or tensor at fault
 */
export function parseGgufHeader(bytes: Uint8Array, fileBytes: number, source: string): GgufHeader | undefined {
  try {
    return parseHeader(new Cursor(bytes, source, fileBytes))
  } catch (error) {
    if (error instanceof NeedsMore) return undefined
    throw error
  }
}

const typeNames = new Map(Object.entries(valueTypes).map(([name, id]) => [id as number, name as GgufValue['type']]))

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
    // Names come from the file: of a broken one they may be anything.
    const plain = message.replaceAll(/\p{Cc}/gu, '\uFFFD')
    throw new GgufError(`${this.path}: ${plain.length > 400 ? `${plain.slice(0, 400)}…` : plain}`)
  }

  #take(count: number): number {
    if (this.at + count > this.fileBytes)
      this.fail(`${count} bytes at byte ${this.at} are past the file's end: the file is cut`)
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
    if (length > mostTextBytes) this.fail(`${what} has ${length} bytes, more than the ${mostTextBytes} that are read`)
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

function parseHeader(cursor: Cursor): GgufHeader {
  if (cursor.u32() !== magic) cursor.fail('does not begin with "GGUF": this is not a GGUF file')
  checkVersion(cursor)
  const tensorCount = cursor.size('number of tensors')
  const keyCount = cursor.size('number of metadata keys')
  const metadata = new Map<string, GgufValue>()
  for (let i = 0; i < keyCount; i++) {
    const key = cursor.string(`metadata key ${i}`)
    if (metadata.has(key)) cursor.fail(`metadata key ${key} is in the file twice`)
    metadata.set(key, readValue(cursor, key))
  }
  const align = alignmentOf(metadata, cursor)
  const tensors = new Map<string, GgufTensorInfo>()
  let end = 0
  for (let i = 0; i < tensorCount; i++) {
    const info = readTensorInfo(cursor, i)
    if (tensors.has(info.name)) cursor.fail(`tensor ${info.name} is in the file twice`)
    if (info.offset !== end) cursor.fail(`tensor ${info.name} is at ${info.offset}, expected ${end}`)
    tensors.set(info.name, info)
    end = aligned(info.offset + info.bytes, align)
  }
  const dataStart = aligned(cursor.at, align)
  for (const { name, offset, bytes } of tensors.values()) {
    const last = dataStart + offset + bytes
    if (last > cursor.fileBytes)
      cursor.fail(`tensor ${name} ends at byte ${last}, the file at ${cursor.fileBytes}: the file is cut`)
  }
  return { metadata, tensors, dataStart, end: dataStart + end }
}

function checkVersion(cursor: Cursor): void {
  const found = cursor.u32()
  if (found === 2 || found === version) return
  if (found === 1) cursor.fail(`is GGUF version 1, of 2023; expected 2 or ${version}: convert the model again`)
  // The other byte order puts the version into the highest byte.
  if (found > 0xffffff) cursor.fail('is big-endian; expected a little-endian GGUF file')
  cursor.fail(`is GGUF version ${found}; expected 2 or ${version}`)
}

function alignmentOf(metadata: Metadata, cursor: Cursor): number {
  const found = metadata.get('general.alignment')
  if (!found) return alignment
  const valid = found.type === 'u32' && found.value > 0 && found.value % 8 === 0
  return valid ? found.value : cursor.fail(`general.alignment is ${String(found.value)}, expected a multiple of 8`)
}

function readValue(cursor: Cursor, key: string): GgufValue {
  const type = cursor.type(key)
  // The type says what `scalar` gives.
  if (type !== 'array') return { type, value: cursor.scalar(type, key) } as GgufValue
  const of = cursor.type(key)
  if (of === 'array') return cursor.fail(`${key} is an array of arrays, which is not supported`)
  const count = cursor.size(`length of ${key}`)
  if (count > mostValues) cursor.fail(`${key} has ${count} values, more than the ${mostValues} that are read`)
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
  const type = blockTypeOf(id)
  if (type === undefined)
    return cursor.fail(`tensor ${name} has ${unreadType(id)}; supported: ${Object.keys(blockTypes).join(', ')}`)
  const { blockElements } = blockTypes[type]
  if (shape.at(-1)! % blockElements !== 0)
    cursor.fail(`tensor ${name} has rows of ${shape.at(-1)}, no multiple of ${blockElements} as ${type} calls for`)
  const bytes = blockBytesOf(
    type,
    shape.reduce((n, d) => n * d, 1),
  )
  if (bytes > cursor.fileBytes) cursor.fail(`tensor ${name} [${shape.join(',')}] is larger than the file`)
  return { name, type, shape, offset: cursor.size(`offset of ${name}`), bytes }
}
