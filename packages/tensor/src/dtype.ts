// Element types: what a graph computes in (f32, f16, i32, u32, bool) and what weights may also be stored in.

/** Element type of a tensor. Storage only are `bf16`, which is cast before computing, and `u8`, the codes of quantised weights. */
export type DType = 'f32' | 'f16' | 'bf16' | 'i32' | 'u32' | 'u8' | 'bool'

/** Arrays that hold a tensor's elements on the host. f16 and bf16 are raw 16-bit patterns; bool is one byte each. */
export type HostArray = Float32Array | Int32Array | Uint32Array | Uint16Array | Uint8Array

/** Bytes of one element. */
export const dtypeBytes: Record<DType, number> = { f32: 4, f16: 2, bf16: 2, i32: 4, u32: 4, u8: 1, bool: 1 }

const hostArrays = {
  f32: Float32Array,
  f16: Uint16Array,
  bf16: Uint16Array,
  i32: Int32Array,
  u32: Uint32Array,
  u8: Uint8Array,
  bool: Uint8Array,
} as const

/** A new zeroed host array of `size` elements of `dtype`. */
export function hostArray(dtype: DType, size: number): HostArray {
  return new hostArrays[dtype](size)
}

/** View of `bytes` (no copy when aligned) as elements of `dtype`. */
export function viewAs(dtype: DType, bytes: Uint8Array): HostArray {
  const width = dtypeBytes[dtype]
  const aligned = bytes.byteOffset % width === 0 ? bytes : bytes.slice()
  return new hostArrays[dtype](aligned.buffer as ArrayBuffer, aligned.byteOffset, aligned.byteLength / width)
}

/** Whether `dtype` is f32, f16 or bf16. */
export const isFloat = (dtype: DType): boolean => dtype === 'f32' || dtype === 'f16' || dtype === 'bf16'
