// Writes GGUF files: header, then tensors one block after another, flushed, then renamed over the old one.
import { open, rename, rm, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { explainNoRoom } from '@jora/lora'
import {
  aligned,
  magic,
  blockBytesOf,
  blockTypes,
  valueTypes,
  version,
  type GgufTensorInfo,
  type PackedType,
  type GgufValue,
  type Metadata,
} from '@jora/tensor/weights'

/** A tensor to write. */
export interface GgufTensor {
  readonly name: string
  readonly type: PackedType
  /** Outermost first. */
  readonly shape: readonly number[]
  /** Its bytes, in pieces that only one need be in memory of. */
  readonly data: () => AsyncIterable<Uint8Array>
}

/** Names, shapes, types and places of `tensors`, one after another. */
function layOut(tensors: readonly Omit<GgufTensor, 'data'>[]): GgufTensorInfo[] {
  let offset = 0
  return tensors.map(({ name, type, shape }) => {
    const bytes = blockBytesOf(
      type,
      shape.reduce((n, d) => n * d, 1),
    )
    const info = { name, type, shape, offset, bytes }
    offset += aligned(bytes)
    return info
  })
}

/** Everything before the tensors' data: a multiple of the alignment. */
function encodeHeader(metadata: Metadata, tensors: readonly GgufTensorInfo[]): Uint8Array {
  const out = new ByteWriter()
  out.u32(magic)
  out.u32(version)
  out.u64(BigInt(tensors.length))
  out.u64(BigInt(metadata.size))
  for (const [key, value] of metadata) {
    out.string(key)
    out.u32(valueTypes[value.type])
    if (value.type !== 'array') {
      out.scalar(value.type, value.value)
      continue
    }
    out.u32(valueTypes[value.of])
    out.u64(BigInt(value.value.length))
    for (const element of value.value) out.scalar(value.of, element)
  }
  for (const { name, type, shape, offset } of tensors) {
    out.string(name)
    out.u32(shape.length)
    for (const size of shape.toReversed()) out.u64(BigInt(size))
    out.u32(blockTypes[type].id)
    out.u64(BigInt(offset))
  }
  return out.take(aligned(out.length))
}

/** Little-endian values after one another in a growing buffer. */
class ByteWriter {
  #bytes = new Uint8Array(65_536)
  #view = new DataView(this.#bytes.buffer)
  length = 0

  /** Room for `count` bytes more; where they begin. */
  #grow(count: number): number {
    const at = this.length
    this.length += count
    if (this.length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.length))
      larger.set(this.#bytes)
      this.#bytes = larger
      this.#view = new DataView(larger.buffer)
    }
    return at
  }

  u32(value: number): void {
    const at = this.#grow(4)
    this.#view.setUint32(at, value, true)
  }

  u64(value: bigint): void {
    const at = this.#grow(8)
    this.#view.setBigUint64(at, value, true)
  }

  string(value: string): void {
    const bytes = Buffer.from(value, 'utf8')
    this.u64(BigInt(bytes.length))
    const at = this.#grow(bytes.length)
    this.#bytes.set(bytes, at)
  }

  /** A value that {@link GgufValue} pairs with its type. */
  scalar(type: Exclude<GgufValue['type'], 'array'>, value: number | bigint | boolean | string): void {
    if (type === 'string') return this.string(value as string)
    const at = this.#grow(
      { u8: 1, i8: 1, bool: 1, u16: 2, i16: 2, u32: 4, i32: 4, f32: 4, u64: 8, i64: 8, f64: 8 }[type],
    )
    const view = this.#view
    if (type === 'u64') view.setBigUint64(at, value as bigint, true)
    else if (type === 'i64') view.setBigInt64(at, value as bigint, true)
    else if (type === 'f32') view.setFloat32(at, value as number, true)
    else if (type === 'f64') view.setFloat64(at, value as number, true)
    else if (type === 'u8' || type === 'i8' || type === 'bool') view.setUint8(at, Number(value))
    else if (type === 'u16' || type === 'i16') view.setUint16(at, value as number, true)
    else view.setUint32(at, value as number, true)
  }

  /** What was written, with zeros after it up to `length`. */
  take(length: number): Uint8Array {
    this.#grow(length - this.length)
    return this.#bytes.subarray(0, length)
  }
}

let writes = 0

/**
 * Writes a GGUF file to `<path>.tmp-<pid>-<n>`, flushes it to the disk and renames it over `path`, so that `path` is never
 * half written. On failure the temporary file is removed and the error passed on, an older `path` left as it was.
 * Returns the file's length in bytes.
 * @throws RangeError when a tensor's data is not what its shape and type call for; an error that says so where there is no room
 */
export async function writeGguf(
  path: string,
  metadata: Metadata,
  tensors: readonly GgufTensor[],
  onTensor?: () => void,
): Promise<number> {
  const infos = layOut(tensors)
  const temporary = `${path}.tmp-${process.pid}-${++writes}`
  let handle: FileHandle | undefined
  try {
    handle = await open(temporary, 'w')
    const head = encodeHeader(metadata, infos)
    let at = await writeAll(handle, head, 0)
    for (const [i, { name, data }] of tensors.entries()) {
      const end = at + infos[i]!.bytes
      for await (const bytes of data()) {
        if (at + bytes.length > end) throw new RangeError(`${path}: ${name} has more data than its shape calls for`)
        at = await writeAll(handle, bytes, at)
      }
      if (at !== end) throw new RangeError(`${path}: ${name} lacks ${end - at} of ${infos[i]!.bytes} bytes`)
      at = await writeAll(handle, new Uint8Array(aligned(at) - at), at)
      onTensor?.()
    }
    await handle.sync()
    await handle.close()
    handle = undefined
    await rename(temporary, path)
    await syncFolder(path)
    return at
  } catch (error) {
    await handle?.close().catch(() => {}) // the first error is the one to tell
    await rm(temporary, { force: true }).catch(() => {})
    throw explain(error, path, infos)
  }
}

/** Where the next byte goes. */
async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<number> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done)
    done += bytesWritten
  }
  return position + bytes.length
}

/** Makes the rename survive a power cut, where the system lets a folder be opened (Windows does not). */
async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(dirname(path), 'r')
    await folder.sync().finally(() => folder.close())
  } catch {
    // The file itself is already flushed.
  }
}

function explain(error: unknown, path: string, infos: readonly GgufTensorInfo[]): unknown {
  const last = infos.at(-1)
  const bytes = last ? last.offset + last.bytes : 0
  return explainNoRoom(error, path, `; the file takes about ${Math.ceil(bytes / 2 ** 20)} MiB`)
}
