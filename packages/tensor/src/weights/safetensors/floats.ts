// Float elements of weight files: to float32 and back, rounding to nearest even.

import type { SafetensorsDType } from './dtypes'

/** The element types of floats that convert to float32 exactly. */
export type FloatDType = Extract<SafetensorsDType, 'F32' | 'F16' | 'BF16'>

/** Bytes of one element. */
export const floatBytes: Readonly<Record<FloatDType, number>> = { F32: 4, F16: 2, BF16: 2 }

/** Whether a dtype of safetensors is one whose numbers are read as floats here. */
export const isFloatDType = (dtype: string): dtype is FloatDType => Object.hasOwn(floatBytes, dtype)

const word = new Float32Array(1)
const bits = new Uint32Array(word.buffer)

let halves: Float32Array | undefined

/** The value of every 16-bit pattern. */
function halfTable(): Float32Array {
  halves ??= Float32Array.from({ length: 65_536 }, (_, pattern) => {
    const [sign, exponent, fraction] = [pattern >> 15 ? -1 : 1, (pattern >> 10) & 31, pattern & 1023]
    if (exponent === 0) return sign * fraction * 2 ** -24
    if (exponent === 31) return fraction ? NaN : sign * Infinity
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
  })
  return halves
}

/** The value of a 16-bit pattern of an IEEE half: of the scales that blocks carry. */
export const halfValue = (pattern: number): number => halfTable()[pattern]!

function toHalf(value: number): number {
  word[0] = value
  const sign = (bits[0]! >>> 16) & 0x8000
  const magnitude = bits[0]! & 0x7fffffff
  if (magnitude >= 0x47800000) return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00)
  if (magnitude >= 0x38800000) return sign | ((magnitude + 0xfff + ((magnitude >>> 13) & 1) - 0x38000000) >>> 13)
  // Below 2⁻¹⁴ halves are multiples of 2⁻²⁴, the spacing of float32 from 0.5 on: adding 0.5 rounds to them.
  word[0] = Math.abs(value) + 0.5
  return sign | (bits[0]! - 0x3f000000)
}

/** The start of `into` where it has room, else a new array. */
const room = <T extends Float32Array | Uint16Array>(make: new (length: number) => T, count: number, into?: T): T =>
  into && into.length >= count ? (into.subarray(0, count) as T) : new make(count)

/**
 * Little-endian elements of `dtype` as float32, exact. Of F32 it is a view of `bytes` where their alignment allows; of others
 * it is at the start of `into` where that is given and has room, else a new array.
 */
export function decodeFloats(bytes: Uint8Array, dtype: FloatDType, into?: Float32Array): Float32Array {
  const aligned = bytes.byteOffset % floatBytes[dtype] === 0 ? bytes : bytes.slice()
  const count = aligned.byteLength / floatBytes[dtype]
  if (dtype === 'F32') return new Float32Array(aligned.buffer, aligned.byteOffset, count)
  const patterns = new Uint16Array(aligned.buffer, aligned.byteOffset, count)
  const values = room(Float32Array, count, into)
  if (dtype === 'F16') {
    const table = halfTable()
    for (let i = 0; i < count; i++) values[i] = table[patterns[i]!]!
  } else {
    const words = new Uint32Array(values.buffer, values.byteOffset, count)
    for (let i = 0; i < count; i++) words[i] = patterns[i]! << 16
  }
  return values
}

/**
 * float32 as elements of `dtype`, each rounded once, to nearest even. Of F32 they are a view of `values`; of others they are
 * at the start of `into` where that is given and has room, else a new array.
 * @throws RangeError for a finite value past the largest of `dtype`
 */
export function encodeFloats(values: Float32Array, dtype: FloatDType, into?: Uint16Array): Uint8Array {
  if (dtype === 'F32') return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
  const patterns = room(Uint16Array, values.length, into)
  const infinity = dtype === 'F16' ? 0x7c00 : 0x7f80
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length)
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (dtype === 'F16') patterns[i] = toHalf(value)
    else if (Number.isNaN(value)) patterns[i] = (words[i]! >>> 16) | 0x40
    else patterns[i] = (words[i]! + 0x7fff + ((words[i]! >>> 16) & 1)) >>> 16
    if ((patterns[i]! & 0x7fff) === infinity && Number.isFinite(value))
      throw new RangeError(`${value} is past the range of ${dtype}`)
  }
  return new Uint8Array(patterns.buffer, patterns.byteOffset, patterns.byteLength)
}
