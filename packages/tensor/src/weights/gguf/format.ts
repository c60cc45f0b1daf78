// The GGUF format, version 3: metadata values, tensors, alignment.
import type { BlockType } from '../blocks/types'

/** The first four bytes of a GGUF file, as a u32. */
export const magic = 0x46554747 // "GGUF", little-endian
/** The version of the format that is read and written. */
export const version = 3
/** Tensor data begins at multiples of this many bytes, unless `general.alignment` says otherwise. */
export const alignment = 32

/** A GGUF file that is malformed, holds what is not supported, or is not what it was checked against. */
export class GgufError extends Error {
  override readonly name = 'GgufError'
}

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

/** What a GGUF file says beside its tensors, by key. */
export type Metadata = ReadonlyMap<string, GgufValue>

/** A u32 as a value of the metadata. */
export const u32 = (value: number): GgufValue => ({ type: 'u32', value })
/** The value is what float32 makes of it. */
export const f32 = (value: number): GgufValue => ({ type: 'f32', value: Math.fround(value) })
/** A bool as a value of the metadata. */
export const bool = (value: boolean): GgufValue => ({ type: 'bool', value })
/** A string as a value of the metadata. */
export const string = (value: string): GgufValue => ({ type: 'string', value })
/** Strings as a value of the metadata. */
export const strings = (value: readonly string[]): GgufValue => ({ type: 'array', of: 'string', value })
/** Integers of 32 bits as a value of the metadata. */
export const i32s = (value: readonly number[]): GgufValue => ({ type: 'array', of: 'i32', value })
/** The values are what float32 makes of them. */
export const f32s = (value: readonly number[]): GgufValue => ({
  type: 'array',
  of: 'f32',
  value: value.map(Math.fround),
})

/** `bytes` and what is missing to the next multiple of `to`. */
export const aligned = (bytes: number, to: number = alignment): number => Math.ceil(bytes / to) * to

/** Where a tensor is in a file, and what it is. */
export interface GgufTensorInfo {
  readonly name: string
  readonly type: BlockType
  /** Outermost first, as everywhere in JORA; the file has it the other way round. */
  readonly shape: readonly number[]
  /** Bytes from the start of the data section, a multiple of the alignment. */
  readonly offset: number
  readonly bytes: number
}
