// Whether stored floats are finite: a test of their exponents, about as fast as memory is read.
import type { FloatDType } from './safetensors/floats'

/** Of each type, its exponent bits in a 32-bit word of its elements, and what carries into the sign when all are set. */
const exponents: Readonly<
  Record<FloatDType, { readonly mask: number; readonly carry: number; readonly sign: number }>
> = {
  F32: { mask: 0x7f800000, carry: 0x00800000, sign: 0x80000000 },
  F16: { mask: 0x7c007c00, carry: 0x04000400, sign: 0x80008000 },
  BF16: { mask: 0x7f807f80, carry: 0x00800080, sign: 0x80008000 },
}

/** Whether every element in `bytes`, little-endian floats of `dtype`, is finite: neither NaN nor infinite. */
export function allFinite(bytes: Uint8Array, dtype: FloatDType): boolean {
  const { mask, carry, sign } = exponents[dtype]
  const rest = bytes.byteLength % 4
  if (rest !== 0) {
    // A last element of two bytes.
    const last = new Uint8Array(4)
    last.set(bytes.subarray(bytes.byteLength - rest))
    if (!allFinite(last, dtype)) return false
  }
  const count = (bytes.byteLength - rest) / 4
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice()
  const words = new Uint32Array(aligned.buffer, aligned.byteOffset, count)
  let seen = 0
  for (let i = 0; i < count; i++) seen |= (words[i]! & mask) + carry
  return (seen & sign) === 0
}
