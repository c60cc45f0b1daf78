// Float32 rows as ggml's element types, each type as ggml's reference routine packs it.
import { encodeFloats } from '../safetensors/floats'
import { q4k, q5k, q6k } from './pack-k-quants'
import { blockBytesOf, blockTypes, type PackedType } from './types'

const { fround } = Math
const blockSize = 32

/** Scales as f16, which blocks carry. @throws RangeError for one past f16, and so for values that are not finite */
function encodeScales(scales: Float32Array, values: Float32Array): Uint16Array {
  const at = scales.findIndex((scale) => !Number.isFinite(scale))
  if (at >= 0) {
    const worst = values.subarray(at * blockSize, (at + 1) * blockSize).find((value) => !Number.isFinite(value))
    throw new RangeError(`${worst} cannot be quantised`)
  }
  const bytes = encodeFloats(scales, 'F16')
  return new Uint16Array(bytes.buffer, bytes.byteOffset, scales.length)
}

/** The largest magnitude of a block; NaN when one of its values is. */
function largest(values: Float32Array, from: number): number {
  let max = 0
  for (let i = from; i < from + blockSize; i++) {
    const magnitude = Math.abs(values[i]!)
    if (!(magnitude <= max)) max = magnitude
    if (Number.isNaN(max)) break
  }
  return max
}

/**
 * q8_0: 32 elements as an f16 scale d and 32 int8. d = max|x| / 127; q = x / d, rounded half away from zero. The
 * quantiser divides by the float32 d, the reader multiplies by the f16 one.
 */
function q8_0(values: Float32Array): Uint8Array {
  const blocks = values.length / blockSize
  const out = new Uint8Array(blockBytesOf('q8_0', values.length))
  const scales = new Float32Array(blocks)
  for (let block = 0; block < blocks; block++) scales[block] = largest(values, block * blockSize) / 127
  const patterns = encodeScales(scales, values)
  for (let block = 0; block < blocks; block++) {
    const at = block * blockTypes.q8_0.blockBytes
    const scale = scales[block]!
    const inverse = scale === 0 ? 0 : fround(1 / scale)
    out[at] = patterns[block]! & 255
    out[at + 1] = patterns[block]! >>> 8
    for (let i = 0; i < blockSize; i++) {
      const x = fround(values[block * blockSize + i]! * inverse)
      out[at + 2 + i] = x < 0 ? -Math.floor(0.5 - x) : Math.floor(x + 0.5)
    }
  }
  return out
}

/**
 * q4_0: 32 elements as an f16 scale d and 16 bytes. d = m / −8, where m is the value of largest magnitude, the first of
 * several, with its sign, so that it becomes 0 of 0…15; q = x / d + 8.5, cut to an integer, at most 15. A byte has
 * element i in its low half, element i + 16 in its high half.
 */
function q4_0(values: Float32Array): Uint8Array {
  const blocks = values.length / blockSize
  const out = new Uint8Array(blockBytesOf('q4_0', values.length))
  const scales = new Float32Array(blocks)
  for (let block = 0; block < blocks; block++) {
    const max = largest(values, block * blockSize)
    let signed = max
    // Of zeros only, ggml has +0 for it whatever their signs.
    for (let i = block * blockSize; max > 0 && i < (block + 1) * blockSize; i++) {
      if (Math.abs(values[i]!) !== max) continue
      signed = values[i]!
      break
    }
    scales[block] = signed / -8
  }
  const patterns = encodeScales(scales, values)
  for (let block = 0; block < blocks; block++) {
    const at = block * blockTypes.q4_0.blockBytes
    const scale = scales[block]!
    const inverse = scale === 0 ? 0 : fround(1 / scale)
    const level = (i: number) => {
      const x = fround(values[block * blockSize + i]! * inverse)
      return Math.min(15, Math.trunc(fround(x + 8.5)))
    }
    out[at] = patterns[block]! & 255
    out[at + 1] = patterns[block]! >>> 8
    for (let i = 0; i < 16; i++) out[at + 2 + i] = level(i) | (level(i + 16) << 4)
  }
  return out
}

/** The value of largest magnitude of a block, the first of several, with its sign; +0 of zeros only. */
function signedLargest(values: Float32Array, from: number): number {
  const most = largest(values, from)
  if (!(most > 0)) return most
  return values.subarray(from, from + blockSize).find((value) => Math.abs(value) === most)!
}

/**
 * q5_0: as q4_0 with levels 0…31, d = m / −16. The fifth bits are a word after the scale, bit i of element i.
 */
function q5_0(values: Float32Array): Uint8Array {
  const scales = Float32Array.from(
    { length: values.length / blockSize },
    (_, block) => signedLargest(values, block * blockSize) / -16,
  )
  const patterns = encodeScales(scales, values)
  return fiveBits('q5_0', values, (block) => {
    const inverse = scales[block] === 0 ? 0 : fround(1 / scales[block]!)
    return { head: [patterns[block]!], level: (x) => Math.min(31, Math.trunc(fround(fround(x * inverse) + 16.5))) }
  })
}

/** q5_1: levels 0…31 from the block's smallest value m in steps of d = (max − m) / 31, both f16. */
function q5_1(values: Float32Array): Uint8Array {
  const blocks = values.length / blockSize
  const [scales, lows] = [new Float32Array(blocks), new Float32Array(blocks)]
  for (let block = 0; block < blocks; block++) {
    let [low, high] = [Infinity, -Infinity]
    for (const value of values.subarray(block * blockSize, (block + 1) * blockSize)) {
      if (Number.isNaN(value)) low = NaN
      if (value < low) low = value
      if (value > high) high = value
    }
    lows[block] = low
    scales[block] = fround(high - low) / 31
  }
  const [steps, floors] = [encodeScales(scales, values), encodeScales(lows, values)]
  return fiveBits('q5_1', values, (block) => {
    const inverse = scales[block] === 0 ? 0 : fround(1 / scales[block]!)
    const low = lows[block]!
    return {
      head: [steps[block]!, floors[block]!],
      level: (x) => Math.trunc(fround(fround(fround(x - low) * inverse) + 0.5)),
    }
  })
}

/** Blocks of 32 with five bits an element: f16 numbers first, then a word of fifth bits, then halves of bytes as in q4_0. */
function fiveBits(
  type: 'q5_0' | 'q5_1',
  values: Float32Array,
  ofBlock: (block: number) => { readonly head: readonly number[]; readonly level: (x: number) => number },
): Uint8Array {
  const out = new Uint8Array(blockBytesOf(type, values.length))
  for (let block = 0; block * blockSize < values.length; block++) {
    const { head, level } = ofBlock(block)
    let at = block * blockTypes[type].blockBytes
    for (const pattern of head) {
      out[at++] = pattern & 255
      out[at++] = pattern >>> 8
    }
    for (let i = 0; i < blockSize; i++) {
      const q = level(values[block * blockSize + i]!)
      out[at + (i >> 3)]! |= (q >> 4) << (i & 7)
      out[at + 4 + (i & 15)]! |= (q & 15) << (i & 16 ? 4 : 0)
    }
  }
  return out
}

/** How whole blocks of values become bytes. */
const packers: Readonly<Record<PackedType, (values: Float32Array) => Uint8Array>> = {
  f32: (values) => encodeFloats(values, 'F32'),
  f16: (values) => encodeFloats(values, 'F16'),
  bf16: (values) => encodeFloats(values, 'BF16'),
  q8_0,
  q4_0,
  q5_0,
  q5_1,
  q4_k: q4k,
  q5_k: q5k,
  q6_k: q6k,
}

/**
 * Whole rows as elements of `type`; a row is a whole number of its blocks.
 * @throws RangeError for a value that `type` cannot hold
 */
export const encodeRows = (values: Float32Array, type: PackedType): Uint8Array => packers[type](values)
