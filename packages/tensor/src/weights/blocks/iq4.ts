// Four-bit codes into a table of unequal steps: iq4_nl (one scale for 32 values), iq4_xs (super-blocks of 256).
import { half } from './simple-quants'

const steps = Int8Array.of(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)

function unpack32(bytes: Uint8Array, from: number, scale: number, out: Float32Array, to: number): void {
  for (let i = 0; i < 16; i++) {
    const both = bytes[from + i]!
    out[to + i] = scale * steps[both & 15]!
    out[to + i + 16] = scale * steps[both >>> 4]!
  }
}

/** d · step[q]. */
export function iq4nl(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  unpack32(bytes, at + 2, half(bytes, at), out, to)
}

/** d · (6-bit scale − 32) · step[q], eight blocks of 32. */
export function iq4xs(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = half(bytes, at)
  const high = bytes[at + 2]! | (bytes[at + 3]! << 8)
  for (let block = 0; block < 8; block++) {
    const low = (bytes[at + 4 + (block >> 1)]! >>> (4 * (block & 1))) & 15
    const scale = low | (((high >>> (2 * block)) & 3) << 4)
    unpack32(bytes, at + 8 + block * 16, d * (scale - 32), out, to + block * 32)
  }
}
