// Super-blocks of 256 values whose small blocks' scales are quantised themselves: q2_K to q6_K.
import { half } from './simple-quants'

// Scale times small integer is exact in float64, so storing the result rounds once, as ggml's float32 arithmetic does:
// an f16 times a 6-bit scale times a quant needs no more bits than a float32 has.

/** 16 blocks of 16: 4-bit scale and minimum each; two bits a value. */
export function q2k(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const [scales, quants] = [at, at + 16]
  const [d, min] = [half(bytes, at + 80), half(bytes, at + 82)]
  for (let block = 0; block < 16; block++) {
    const scale = bytes[scales + block]!
    const [dl, ml] = [d * (scale & 15), min * (scale >>> 4)]
    // 128 values take 32 bytes: blocks 2j and 2j + 1 of eight have bits 2j and 2j + 1 of the first and last 16.
    const from = quants + (block >> 3) * 32 + (block & 1) * 16
    const shift = ((block >> 1) & 3) * 2
    for (let i = 0; i < 16; i++) out[to + block * 16 + i] = dl * ((bytes[from + i]! >>> shift) & 3) - ml
  }
}

/** 16 blocks of 16: 6-bit scale each; two bits a value, the third apart. */
export function q3k(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const [high, quants, scales] = [at, at + 32, at + 96]
  const d = half(bytes, at + 108)
  for (let block = 0; block < 16; block++) {
    const low = block < 8 ? bytes[scales + block]! & 15 : bytes[scales + block - 8]! >>> 4
    const top = (bytes[scales + 8 + (block & 3)]! >>> (2 * (block >> 2))) & 3
    const dl = d * ((low | (top << 4)) - 32)
    const within = (block & 1) * 16
    const from = quants + (block >> 3) * 32 + within
    const shift = ((block >> 1) & 3) * 2
    const bit = block >> 1
    for (let i = 0; i < 16; i++) {
      const third = (bytes[high + within + i]! >>> bit) & 1
      out[to + block * 16 + i] = dl * (((bytes[from + i]! >>> shift) & 3) - (third ? 0 : 4))
    }
  }
}

/** 6-bit scale and minimum of block `j` of eight, packed in 12 bytes, as scale + 64 · minimum. */
export function scaleAndMin(bytes: Uint8Array, at: number, j: number): number {
  if (j < 4) return (bytes[at + j]! & 63) | ((bytes[at + j + 4]! & 63) << 6)
  const low = bytes[at + j + 4]!
  return (low & 15) | ((bytes[at + j - 4]! >>> 6) << 4) | (((low >>> 4) | ((bytes[at + j]! >>> 6) << 4)) << 6)
}

/** 8 blocks of 32: 6-bit scale and minimum each; four bits a value. */
export function q4k(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const [d, min] = [half(bytes, at), half(bytes, at + 2)]
  for (let block = 0; block < 8; block++) {
    const packed = scaleAndMin(bytes, at + 4, block)
    const [dl, ml] = [d * (packed & 63), min * (packed >>> 6)]
    const from = at + 16 + (block >> 1) * 32
    const shift = (block & 1) * 4
    for (let i = 0; i < 32; i++) out[to + block * 32 + i] = dl * ((bytes[from + i]! >>> shift) & 15) - ml
  }
}

/** As {@link q4k} with a fifth bit a value, apart. */
export function q5k(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const [d, min] = [half(bytes, at), half(bytes, at + 2)]
  const high = at + 16
  for (let block = 0; block < 8; block++) {
    const packed = scaleAndMin(bytes, at + 4, block)
    const [dl, ml] = [d * (packed & 63), min * (packed >>> 6)]
    const from = at + 48 + (block >> 1) * 32
    const shift = (block & 1) * 4
    for (let i = 0; i < 32; i++) {
      const quant = ((bytes[from + i]! >>> shift) & 15) | (((bytes[high + i]! >>> block) & 1) << 4)
      out[to + block * 32 + i] = dl * quant - ml
    }
  }
}

/** 16 blocks of 16: int8 scale each; four bits a value, two more apart. */
export function q6k(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = half(bytes, at + 208)
  for (let part = 0; part < 2; part++) {
    const [low, high, scales] = [at + part * 64, at + 128 + part * 32, at + 192 + part * 8]
    for (let quarter = 0; quarter < 4; quarter++) {
      const from = low + (quarter & 1) * 32
      const shift = (quarter >> 1) * 4
      for (let i = 0; i < 32; i++) {
        const scale = (bytes[scales + quarter * 2 + (i >> 4)]! << 24) >> 24
        const quant = ((bytes[from + i]! >>> shift) & 15) | (((bytes[high + i]! >>> (quarter * 2)) & 3) << 4)
        out[to + part * 128 + quarter * 32 + i] = d * scale * (quant - 32)
      }
    }
  }
}
