// Reads a safetensors header and checks every rule of the format. No Node imports: pages use it too.

import { isSafetensorsDType, tensorBytes, type SafetensorsDType } from './dtypes'
import { SafetensorsError } from './error'
import { findHeaderFault } from './header-json'

/** One tensor of a file. `begin` and `end` are bytes from the start of the data section. */
export interface TensorInfo {
  readonly name: string
  readonly dtype: SafetensorsDType
  readonly shape: readonly number[]
  readonly begin: number
  readonly end: number
}

/** What a safetensors file holds: tensors by name, and its metadata. */
export interface SafetensorsHeader {
  /** By name, in the order of their data. */
  readonly tensors: ReadonlyMap<string, TensorInfo>
  readonly metadata: Readonly<Record<string, string>>
}

/** Bytes before the header: its length, a little-endian u64. */
export const prefixBytes = 8
/** The format's cap on the header, in bytes. */
export const maxHeaderBytes = 100_000_000

/** Length of the header in bytes, from the first 8 bytes of a file of `fileBytes`. Throws {@link SafetensorsError}. */
export function headerLength(prefix: Uint8Array, fileBytes: number, source: string): number {
  if (prefix.length < prefixBytes) {
    throw new SafetensorsError('HeaderTooSmall', source, `${fileBytes} bytes, expected at least ${prefixBytes}`)
  }
  // "version https://git-lfs.github.com/spec/v1": what a clone without Git LFS has in a large file's place.
  if (new TextDecoder('latin1').decode(prefix.subarray(0, prefixBytes)) === 'version ') {
    const what = 'is a Git LFS pointer, not the weights: fetch them with `git lfs pull`, or download the file itself'
    throw new SafetensorsError('InvalidHeaderLength', source, what)
  }
  const length = new DataView(prefix.buffer, prefix.byteOffset, prefixBytes).getBigUint64(0, true)
  if (length > BigInt(maxHeaderBytes)) {
    throw new SafetensorsError(
      'HeaderTooLarge',
      source,
      `header of ${length} bytes, expected at most ${maxHeaderBytes}`,
    )
  }
  const end = prefixBytes + Number(length)
  if (end > fileBytes) {
    const what = `header ends at byte ${end}, the file at ${fileBytes}: truncated, or not a safetensors file`
    throw new SafetensorsError('InvalidHeaderLength', source, what)
  }
  return Number(length)
}

/**
 * Parses and checks a header: `headerBytes` is the JSON text alone, `dataBytes` the size of the data section behind it,
 * `source` the file's name for messages. Throws {@link SafetensorsError} at the first broken rule. Sizes up to 2^53 − 1.
 */
export function parseHeader(headerBytes: Uint8Array, dataBytes: number, source: string): SafetensorsHeader {
  const root = parseJson(headerBytes, source)
  const metadata = parseMetadata(root['__metadata__'], source)
  const infos = Object.entries(root)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, value]) => parseTensor(name, value, source))
    // Older writers did not list tensors in the order of their data.
    .sort((a, b) => a.begin - b.begin || a.end - b.end)

  let expected = 0
  for (const info of infos) {
    checkLayout(info, expected, source)
    expected = info.end
  }
  if (expected !== dataBytes) {
    const what = `tensors end at byte ${expected} of the data, which has ${dataBytes} bytes`
    throw new SafetensorsError('MetadataIncompleteBuffer', source, what, infos.at(-1)?.name)
  }
  return { tensors: new Map(infos.map((info) => [info.name, info])), metadata }
}

function parseJson(bytes: Uint8Array, source: string): Record<string, unknown> {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new SafetensorsError('InvalidHeader', source, 'header is not valid UTF-8')
  }
  if (!text.startsWith('{')) {
    const found = text === '' ? 'nothing' : JSON.stringify(text[0])
    throw new SafetensorsError('InvalidHeaderStart', source, `header starts with ${found}, expected "{"`)
  }
  let root: Record<string, unknown>
  try {
    root = JSON.parse(text) as Record<string, unknown>
  } catch (error) {
    throw new SafetensorsError(
      'InvalidHeaderDeserialization',
      source,
      `header is not JSON: ${(error as Error).message}`,
    )
  }
  const fault = findHeaderFault(text)
  if (fault?.kind === 'duplicate') {
    const what = `key ${JSON.stringify(fault.key)} appears twice in the header`
    throw new SafetensorsError('DuplicateKey', source, what, fault.tensor === '__metadata__' ? undefined : fault.tensor)
  }
  if (fault?.kind === 'number') {
    const what = `${fault.key} holds ${fault.text}, expected non-negative integers`
    throw new SafetensorsError('TensorInvalidInfo', source, what, fault.tensor)
  }
  return root
}

function parseMetadata(value: unknown, source: string): Record<string, string> {
  if (value === undefined || value === null) return {}
  const bad = (what: string) => new SafetensorsError('InvalidHeaderDeserialization', source, `__metadata__ ${what}`)
  if (typeof value !== 'object' || Array.isArray(value)) throw bad(`is ${kind(value)}, expected an object`)
  for (const [key, entry] of Object.entries(value)) {
    if (typeof entry !== 'string') throw bad(`${JSON.stringify(key)} is ${kind(entry)}, expected a string`)
  }
  return value as Record<string, string>
}

function parseTensor(name: string, value: unknown, source: string): TensorInfo {
  const fail = (what: string) => new SafetensorsError('TensorInvalidInfo', source, what, name)
  if (/\p{Surrogate}/u.test(name)) throw fail('name is not valid Unicode')
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw fail(`entry is ${kind(value)}, expected { dtype, shape, data_offsets }`)
  }
  const { dtype, shape, data_offsets: offsets } = value as Record<string, unknown>
  if (!isSafetensorsDType(dtype))
    throw fail(dtype === undefined ? 'dtype is missing' : `dtype ${JSON.stringify(dtype)} is not one of the format`)
  const dims = parseIntegers(shape, 'shape', name, source)
  const [begin, end, ...rest] = parseIntegers(offsets, 'data_offsets', name, source)
  if (begin === undefined || end === undefined || rest.length > 0) {
    throw fail(`data_offsets ${JSON.stringify(offsets)}, expected [begin, end]`)
  }
  return { name, dtype, shape: dims, begin, end }
}

function parseIntegers(value: unknown, field: string, tensor: string, source: string): number[] {
  if (!Array.isArray(value)) {
    const what = `${field} is ${kind(value)}, expected an array of non-negative integers`
    throw new SafetensorsError('TensorInvalidInfo', source, what, tensor)
  }
  for (const entry of value as unknown[]) {
    if (typeof entry !== 'number') {
      const what = `${field} holds ${kind(entry)}, expected non-negative integers`
      throw new SafetensorsError('TensorInvalidInfo', source, what, tensor)
    }
    if (!Number.isSafeInteger(entry)) {
      throw new SafetensorsError(
        'ValidationOverflow',
        source,
        `${field} holds ${entry}, expected at most 2^53 − 1`,
        tensor,
      )
    }
  }
  return value as number[]
}

function checkLayout(info: TensorInfo, expectedBegin: number, source: string): void {
  const { name, dtype, shape, begin, end } = info
  if (begin !== expectedBegin || end < begin) {
    const fault =
      begin > expectedBegin ? 'leaves a gap' : begin < expectedBegin ? 'overlaps another tensor' : 'is reversed'
    const what = `data_offsets [${begin}, ${end}] ${fault}, expected it to begin at ${expectedBegin}`
    throw new SafetensorsError('InvalidOffset', source, what, name)
  }
  const bytes = tensorBytes(dtype, shape)
  if (bytes === undefined) {
    throw new SafetensorsError('ValidationOverflow', source, `${dtype} [${shape}] is over 2^53 − 1 bytes`, name)
  }
  if (bytes !== end - begin) {
    const needs = Number.isNaN(bytes) ? 'does not fill whole bytes' : `needs ${bytes} bytes`
    const what = `${dtype} [${shape}] ${needs}, data_offsets [${begin}, ${end}] span ${end - begin}`
    throw new SafetensorsError('TensorInvalidInfo', source, what, name)
  }
}

function kind(value: unknown): string {
  if (value === undefined) return 'missing'
  if (value === null) return 'null'
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`
}
