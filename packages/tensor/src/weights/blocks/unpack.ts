// Rows of ggml's element types as float32, each block as ggml's reference routine unpacks it.
import { decodeFloats } from '../safetensors/floats'
import { iq4nl, iq4xs } from './iq4'
import { q2k, q3k, q4k, q5k, q6k } from './k-quants'
import { q4_0, q4_1, q5_0, q5_1, q8_0 } from './simple-quants'
import { blockTypes, type BlockType } from './types'

/** Unpacks the block whose first byte is `bytes[at]` to `out` from `to` on. */
export type UnpackBlock = (bytes: Uint8Array, at: number, out: Float32Array, to: number) => void

type QuantType = Exclude<BlockType, 'f32' | 'f16' | 'bf16'>

const unpackers: Readonly<Record<QuantType, UnpackBlock>> = {
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q2_k: q2k,
  q3_k: q3k,
  q4_k: q4k,
  q5_k: q5k,
  q6_k: q6k,
  iq4_nl: iq4nl,
  iq4_xs: iq4xs,
}

/**
 * The float32 values of whole blocks of `type`, bit for bit those of ggml. Of f32 it is a view of `bytes` where their
 * alignment allows; of others they are at the start of `into` where that is given and has room, else in a new array.
 */
export function decodeRows(bytes: Uint8Array, type: BlockType, into?: Float32Array): Float32Array {
  if (type === 'f32') return decodeFloats(bytes, 'F32')
  if (type === 'f16') return decodeFloats(bytes, 'F16', into)
  if (type === 'bf16') return decodeFloats(bytes, 'BF16', into)
  const { blockBytes, blockElements } = blockTypes[type]
  const unpack = unpackers[type]
  const count = (bytes.length / blockBytes) * blockElements
  const out = into && into.length >= count ? into.subarray(0, count) : new Float32Array(count)
  for (let at = 0, to = 0; at < bytes.length; at += blockBytes, to += blockElements) unpack(bytes, at, out, to)
  return out
}
