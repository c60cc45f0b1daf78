// Writes GGUF files: header, then tensors one block after another; whole or not at all.
import { writeStreamAtomic, type FileSink } from '@jora/tensor/files'
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

/**
 * Writes a GGUF file as {@link writeStreamAtomic} does: `path` is never half written, and an older one stays as it was when
 * something fails. Returns the file's length in bytes.
 * @throws RangeError when a tensor's data is not what its shape and type call for; an error that says so where there is no room
 */
export async function writeGguf(
  path: string,
  metadata: Metadata,
  tensors: readonly GgufTensor[],
  onTensor?: () => void,
): Promise<number> {
  const infos = layOut(tensors)
  const head = encodeHeader(metadata, infos)
  const last = infos.at(-1)
  const expectedBytes = head.length + (last ? last.offset + aligned(last.bytes) : 0)
  const fill = async (sink: FileSink) => {
    await sink.write(head)
    for (const [i, { name, data }] of tensors.entries()) {
      const end = sink.length + infos[i]!.bytes
      for await (const bytes of data()) {
        if (sink.length + bytes.length > end)
          throw new RangeError(`${path}: ${name} has more data than its shape calls for`)
        await sink.write(bytes)
      }
      if (sink.length !== end)
        throw new RangeError(`${path}: ${name} lacks ${end - sink.length} of ${infos[i]!.bytes} bytes`)
      await sink.write(new Uint8Array(aligned(end) - end))
      onTensor?.()
    }
    return sink.length
  }
  return writeStreamAtomic(path, fill, { expectedBytes })
}
