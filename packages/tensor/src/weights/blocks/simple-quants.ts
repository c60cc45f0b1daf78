// Blocks of 32 values with one scale: q4_0, q4_1, q5_0, q5_1, q8_0.
import { halfValue } from '../safetensors/floats'

/** The f16 at `bytes[at]`. */
export const half = (bytes: Uint8Array, at: number): number => halfValue(bytes[at]! | (bytes[at + 1]! << 8))

/** d · (q − 8); a byte has value i in its low half, value i + 16 in its high half. */
export function q4_0(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = half(bytes, at)
  for (let i = 0; i < 16; i++) {
    const both = bytes[at + 2 + i]!
    out[to + i] = ((both & 15) - 8) * d
    out[to + i + 16] = ((both >>> 4) - 8) * d
  }
}

/** d · q + m. */
export function q4_1(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const [d, m] = [half(bytes, at), half(bytes, at + 2)]
  for (let i = 0; i < 16; i++) {
    const both = bytes[at + 4 + i]!
    out[to + i] = (both & 15) * d + m
    out[to + i + 16] = (both >>> 4) * d + m
  }
}

/** The fifth bit of value `i`, as 0 or 16: bit i of the 32 at `bytes[at]`. */
const fifth = (bytes: Uint8Array, at: number, i: number): number => ((bytes[at + (i >> 3)]! >>> (i & 7)) & 1) << 4

/** d · (q − 16), the fifth bits apart. */
export function q5_0(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = half(bytes, at)
  for (let i = 0; i < 16; i++) {
    const both = bytes[at + 6 + i]!
    out[to + i] = ((both & 15) + fifth(bytes, at + 2, i) - 16) * d
    out[to + i + 16] = ((both >>> 4) + fifth(bytes, at + 2, i + 16) - 16) * d
  }
}

/** d · q + m, the fifth bits apart. */
export function q5_1(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const [d, m] = [half(bytes, at), half(bytes, at + 2)]
  for (let i = 0; i < 16; i++) {
    const both = bytes[at + 8 + i]!
    out[to + i] = ((both & 15) + fifth(bytes, at + 4, i)) * d + m
    out[to + i + 16] = ((both >>> 4) + fifth(bytes, at + 4, i + 16)) * d + m
  }
}

/** d · q, q an int8. */
export function q8_0(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = half(bytes, at)
  for (let i = 0; i < 32; i++) out[to + i] = ((bytes[at + 2 + i]! << 24) >> 24) * d
}
