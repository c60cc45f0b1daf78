// The GGUF format, version 3: element types, metadata values, alignment.

export const magic = 0x46554747 // "GGUF", little-endian
export const version = 3
/** Tensor data begins at multiples of this many bytes. */
export const alignment = 32

/** A GGUF file that is malformed, or not what it was checked against. */
export class GgufError extends Error {
  override readonly name = 'GgufError'
}

/** Element types of tensors: the number ggml has for each, and how many bytes hold how many elements of a row. */
export const tensorTypes = {
  f32: { id: 0, blockElements: 1, blockBytes: 4 },
  f16: { id: 1, blockElements: 1, blockBytes: 2 },
  q4_0: { id: 2, blockElements: 32, blockBytes: 18 },
  q8_0: { id: 8, blockElements: 32, blockBytes: 34 },
  bf16: { id: 30, blockElements: 1, blockBytes: 2 },
} as const

export type GgufTensorType = keyof typeof tensorTypes

/** Bytes of `count` elements, whole blocks of them. */
export const tensorBytes = (type: GgufTensorType, count: number): number =>
  (count / tensorTypes[type].blockElements) * tensorTypes[type].blockBytes

/** What the metadata calls a whole file by: llama.cpp's `llama_ftype`, which names the type of most tensors. */
export const fileTypes: Readonly<Record<GgufTensorType, number>> = { f32: 0, f16: 1, q4_0: 2, q8_0: 7, bf16: 32 }

/** Types of metadata values, with GGUF's number for each. */
export const valueTypes = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  array: 9,
  u64: 10,
  i64: 11,
  f64: 12,
} as const

type NumberType = 'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32' | 'f32' | 'f64'

/** A metadata value. */
export type GgufValue =
  | { readonly type: NumberType; readonly value: number }
  | { readonly type: 'u64' | 'i64'; readonly value: bigint }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'string'; readonly value: string }
  | GgufArray

/** An array of values of one type; arrays of arrays, which nothing writes, are left out. */
export interface GgufArray {
  readonly type: 'array'
  readonly of: Exclude<keyof typeof valueTypes, 'array'>
  readonly value: readonly (number | bigint | boolean | string)[]
}

export type Metadata = ReadonlyMap<string, GgufValue>

export const u32 = (value: number): GgufValue => ({ type: 'u32', value })
/** The value is what float32 makes of it. */
export const f32 = (value: number): GgufValue => ({ type: 'f32', value: Math.fround(value) })
export const bool = (value: boolean): GgufValue => ({ type: 'bool', value })
export const string = (value: string): GgufValue => ({ type: 'string', value })
export const strings = (value: readonly string[]): GgufValue => ({ type: 'array', of: 'string', value })
export const i32s = (value: readonly number[]): GgufValue => ({ type: 'array', of: 'i32', value })
/** The values are what float32 makes of them. */
export const f32s = (value: readonly number[]): GgufValue => ({
  type: 'array',
  of: 'f32',
  value: value.map(Math.fround),
})

/** `bytes` and what is missing to the next multiple of the alignment. */
export const aligned = (bytes: number): number => Math.ceil(bytes / alignment) * alignment

/** Where a tensor stands in a file, and what it is. */
export interface GgufTensorInfo {
  readonly name: string
  readonly type: GgufTensorType
  /** Outermost first, as everywhere in JORA; the file has it the other way round. */
  readonly shape: readonly number[]
  /** Bytes from the start of the data section, a multiple of the alignment. */
  readonly offset: number
  readonly bytes: number
}
