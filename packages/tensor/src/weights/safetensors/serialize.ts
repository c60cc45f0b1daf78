// The bytes of safetensors files, laid out as the reference does: header padded to 8 bytes, widest types first, then by
// name. No Node imports.

import { isSafetensorsDType, safetensorsBits, tensorBytes, type SafetensorsDType } from './dtypes'
import { SafetensorsError } from './error'
import { maxHeaderBytes, prefixBytes } from './header'

/** One tensor to be written. */
export interface SafetensorsEntry<Data> {
  name: string
  dtype: SafetensorsDType
  shape: readonly number[]
  /** Little-endian elements in row-major order. */
  data: Data
}

/** A file before its data. */
export interface Layout<Data> {
  /** The length prefix and the padded header. */
  head: Uint8Array
  /** In file order. */
  entries: (SafetensorsEntry<Data> & { begin: number; end: number })[]
  dataBytes: number
}

/** A safetensors file as bytes. Throws {@link SafetensorsError} when a size, name or shape is wrong. */
export function serializeSafetensors(
  tensors: Iterable<SafetensorsEntry<Uint8Array>>,
  metadata: Record<string, string> = {},
): Uint8Array {
  const { head, entries, dataBytes } = plan(tensors, metadata, 'bytes')
  for (const entry of entries) checkLength(entry, entry.data.byteLength, 'bytes')
  const bytes = new Uint8Array(head.length + dataBytes)
  bytes.set(head)
  for (const { data, begin } of entries) bytes.set(data, head.length + begin)
  return bytes
}

const dtypeRank = new Map(Object.keys(safetensorsBits).map((name, rank) => [name, rank]))

/** Where everything goes in `file`. Throws {@link SafetensorsError} when a size, name or shape is wrong. */
export function plan<Data>(
  tensors: Iterable<SafetensorsEntry<Data>>,
  metadata: Record<string, string>,
  file: string,
): Layout<Data> {
  const sorted = [...tensors].sort(
    (a, b) => (dtypeRank.get(b.dtype) ?? 0) - (dtypeRank.get(a.dtype) ?? 0) || compareCodePoints(a.name, b.name),
  )
  const header = new Map<string, unknown>()
  if (Object.keys(metadata).length > 0) header.set('__metadata__', checkMetadata(metadata, file))
  const entries: Layout<Data>['entries'] = []
  let begin = 0
  for (const entry of sorted) {
    const end = begin + checkedBytes(entry, file)
    if (!Number.isSafeInteger(end))
      throw new SafetensorsError('ValidationOverflow', file, 'over 2^53 − 1 bytes', entry.name)
    if (header.has(entry.name) || entry.name === '__metadata__') {
      throw new SafetensorsError('DuplicateKey', file, 'name is given twice, or reserved', entry.name)
    }
    header.set(entry.name, { dtype: entry.dtype, shape: entry.shape, data_offsets: [begin, end] })
    entries.push({ ...entry, begin, end })
    begin = end
  }
  return { head: encodeHead(header, file), entries, dataBytes: begin }
}

function encodeHead(header: Map<string, unknown>, file: string): Uint8Array {
  // Joined by hand: an object would move names like "0" to the front.
  const members = [...header].map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`)
  const json = new TextEncoder().encode(`{${members.join(',')}}`)
  const length = Math.ceil(json.length / 8) * 8
  if (length > maxHeaderBytes) {
    throw new SafetensorsError('HeaderTooLarge', file, `header of ${length} bytes, expected at most ${maxHeaderBytes}`)
  }
  const head = new Uint8Array(prefixBytes + length).fill(0x20, prefixBytes)
  new DataView(head.buffer).setBigUint64(0, BigInt(length), true)
  head.set(json, prefixBytes)
  return head
}

function checkMetadata(metadata: Record<string, string>, file: string): Record<string, string> {
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== 'string' || /\p{Surrogate}/u.test(key + value)) {
      const what = `metadata ${JSON.stringify(key)} is ${JSON.stringify(value)}, expected a string of valid Unicode`
      throw new SafetensorsError('InvalidHeaderDeserialization', file, what)
    }
  }
  return metadata
}

function checkedBytes({ name, dtype, shape }: SafetensorsEntry<unknown>, file: string): number {
  const fail = (what: string) => new SafetensorsError('TensorInvalidInfo', file, what, name)
  if (/\p{Surrogate}/u.test(name)) throw fail('name is not valid Unicode')
  if (!isSafetensorsDType(dtype)) throw fail(`dtype ${JSON.stringify(dtype)} is not one of the format`)
  if (!shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0)) {
    throw fail(`shape [${shape}], expected non-negative integers`)
  }
  const bytes = tensorBytes(dtype, shape)
  if (bytes === undefined)
    throw new SafetensorsError('ValidationOverflow', file, `${dtype} [${shape}] is over 2^53 − 1 bytes`, name)
  if (Number.isNaN(bytes)) throw fail(`${dtype} [${shape}] does not fill whole bytes`)
  return bytes
}

export function checkLength(entry: Layout<unknown>['entries'][number], given: number, file: string): void {
  const expected = entry.end - entry.begin
  if (given !== expected) {
    const what = `${given} bytes of data, ${entry.dtype} [${entry.shape}] needs ${expected}`
    throw new SafetensorsError('TensorInvalidInfo', file, what, entry.name)
  }
}

/** The order of the names' UTF-8 bytes, which is Rust's; JavaScript's own puts U+E000…U+FFFF after the astral planes. */
function compareCodePoints(a: string, b: string): number {
  const left = [...a]
  const right = [...b]
  for (let i = 0; i < left.length && i < right.length; i++) {
    const difference = left[i]!.codePointAt(0)! - right[i]!.codePointAt(0)!
    if (difference !== 0) return difference
  }
  return left.length - right.length
}
