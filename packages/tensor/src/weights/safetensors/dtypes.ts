// Element types of the safetensors format: their names, widths in bits, and which of them a Tensor can hold.

import type { DType } from '../../dtype'

/** Bits of one element, in the reference's order of rising alignment (which is also the order files are laid out by). */
export const safetensorsBits = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const

/** Name of an element type as a safetensors header spells it. */
export type SafetensorsDType = keyof typeof safetensorsBits

const byDType = { f32: 'F32', f16: 'F16', bf16: 'BF16', i32: 'I32', u32: 'U32', u8: 'U8', bool: 'BOOL' } as const
const bySafetensors = new Map<string, DType>(Object.entries(byDType).map(([ours, theirs]) => [theirs, ours as DType]))

/** The safetensors name of one of our dtypes. */
export function toSafetensorsDType(dtype: DType): SafetensorsDType {
  return byDType[dtype]
}

/** Our dtype for a safetensors name; `undefined` where a Tensor cannot hold it (F64, I64, F8_…). */
export function fromSafetensorsDType(dtype: SafetensorsDType): DType | undefined {
  return bySafetensors.get(dtype)
}

/** Whether `name` is an element type as safetensors files write it, `F32` and the like. */
export function isSafetensorsDType(name: unknown): name is SafetensorsDType {
  return typeof name === 'string' && Object.hasOwn(safetensorsBits, name)
}

/**
 * Bytes of a tensor of `shape`; `undefined` when that is past 2^53 − 1, `NaN` when a sub-byte type (F4, F6_…) does not
 * fill its last byte.
 */
export function tensorBytes(dtype: SafetensorsDType, shape: readonly number[]): number | undefined {
  let elements = 1
  for (const dim of shape) {
    elements *= dim
    if (!Number.isSafeInteger(elements)) return undefined
  }
  const bits = safetensorsBits[dtype]
  const bytes = bits < 8 ? (elements * bits) / 8 : elements * (bits / 8)
  // Below 8 bits the product can pass 2^53 and be rounded although the bytes do not.
  if (bytes > Number.MAX_SAFE_INTEGER || (bits < 8 && elements * bits > Number.MAX_SAFE_INTEGER)) return undefined
  return Number.isInteger(bytes) ? bytes : Number.NaN
}
