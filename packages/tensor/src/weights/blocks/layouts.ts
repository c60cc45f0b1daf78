// ggml's blocks as codes with scales, which devices compute from: every layout stands for a block's values exactly.
import type { Layout } from '../../nn/quantised'
import { allFinite } from '../finite'
import { scaleAndMin } from './k-quants'
import { half } from './simple-quants'
import { blockTypes, type BlockType } from './types'

type QuantType = Exclude<BlockType, 'f32' | 'f16' | 'bf16'>

/** Rows of a weight as codes of a layout: what a device's tensors are made from. */
export interface Codes {
  readonly codes: Uint8Array
  readonly scales: Float32Array
  /** The minimum of each group, for layouts that have them. */
  readonly mins?: Float32Array
}

/** Where a block's codes go: a byte each, and the scale and minimum of each group. */
interface Sink {
  readonly codes: Uint8Array
  readonly scales: Float32Array
  readonly mins: Float32Array
}

interface BlockCodes {
  readonly layout: Layout
  /** Whether groups have minima; else scale · (code − 2^(bits−1)), or a codebook's values. */
  readonly hasMins?: true
  /** The codes of the block at `bytes[at]`, from element `to` and group `group` of the sink on. */
  unpack(bytes: Uint8Array, at: number, sink: Sink, to: number, group: number): void
}

const four: Layout = { bits: 4, group: 32 }
const eight: Layout = { bits: 8, group: 32 }

/** 32 codes of 4 bits, a byte's low half first, then the high halves; `fifths`: where a fifth bit of each is. */
function nibbles(bytes: Uint8Array, from: number, out: Uint8Array, to: number, fifths?: number): void {
  const fifth = (i: number) => (fifths === undefined ? 0 : ((bytes[fifths + (i >> 3)]! >>> (i & 7)) & 1) << 4)
  for (let i = 0; i < 16; i++) {
    const both = bytes[from + i]!
    out[to + i] = (both & 15) | fifth(i)
    out[to + i + 16] = (both >>> 4) | fifth(i + 16)
  }
}

/** What is added to codes whose middle is not that of their bits. */
function shift(codes: Uint8Array, from: number, to: number, by: number): void {
  for (let i = from; i < to; i++) codes[i]! += by
}

/** Blocks of 256 with a scale and a minimum for each 32, codes of 4 bits and perhaps a fifth. */
const superBlock =
  (quants: number, fifths?: number): BlockCodes['unpack'] =>
  (bytes, at, { codes, scales, mins }, to, group) => {
    const [d, min] = [half(bytes, at), half(bytes, at + 2)]
    for (let block = 0; block < 8; block++) {
      const packed = scaleAndMin(bytes, at + 4, block)
      scales[group + block] = d * (packed & 63)
      mins[group + block] = -min * (packed >>> 6)
      const from = at + quants + (block >> 1) * 32
      for (let i = 0; i < 32; i++) {
        const fifth = fifths === undefined ? 0 : ((bytes[at + fifths + i]! >>> block) & 1) << 4
        codes[to + block * 32 + i] = ((bytes[from + i]! >>> ((block & 1) * 4)) & 15) | fifth
      }
    }
  }

const blockCodes: Readonly<Record<QuantType, BlockCodes>> = {
  q4_0: {
    layout: four,
    unpack: (bytes, at, { codes, scales }, to, group) => {
      scales[group] = half(bytes, at)
      nibbles(bytes, at + 2, codes, to)
    },
  },
  q4_1: {
    layout: four,
    hasMins: true,
    unpack: (bytes, at, { codes, scales, mins }, to, group) => {
      scales[group] = half(bytes, at)
      mins[group] = half(bytes, at + 2)
      nibbles(bytes, at + 4, codes, to)
    },
  },
  q5_0: {
    layout: eight,
    unpack: (bytes, at, { codes, scales }, to, group) => {
      scales[group] = half(bytes, at)
      nibbles(bytes, at + 6, codes, to, at + 2)
      shift(codes, to, to + 32, 128 - 16)
    },
  },
  q5_1: {
    layout: eight,
    hasMins: true,
    unpack: (bytes, at, { codes, scales, mins }, to, group) => {
      scales[group] = half(bytes, at)
      mins[group] = half(bytes, at + 2)
      nibbles(bytes, at + 8, codes, to, at + 4)
    },
  },
  q8_0: {
    layout: eight,
    unpack: (bytes, at, { codes, scales }, to, group) => {
      scales[group] = half(bytes, at)
      for (let i = 0; i < 32; i++) codes[to + i] = bytes[at + 2 + i]! ^ 128
    },
  },
  q2_k: {
    layout: { bits: 4, group: 16 },
    hasMins: true,
    unpack: (bytes, at, { codes, scales, mins }, to, group) => {
      const [d, min] = [half(bytes, at + 80), half(bytes, at + 82)]
      for (let block = 0; block < 16; block++) {
        const scale = bytes[at + block]!
        scales[group + block] = d * (scale & 15)
        mins[group + block] = -min * (scale >>> 4)
        const from = at + 16 + (block >> 3) * 32 + (block & 1) * 16
        const up = ((block >> 1) & 3) * 2
        for (let i = 0; i < 16; i++) codes[to + block * 16 + i] = (bytes[from + i]! >>> up) & 3
      }
    },
  },
  q3_k: {
    layout: { bits: 4, group: 16 },
    unpack: (bytes, at, { codes, scales }, to, group) => {
      const at96 = at + 96
      const d = half(bytes, at + 108)
      for (let block = 0; block < 16; block++) {
        const low = block < 8 ? bytes[at96 + block]! & 15 : bytes[at96 + block - 8]! >>> 4
        const top = (bytes[at96 + 8 + (block & 3)]! >>> (2 * (block >> 2))) & 3
        scales[group + block] = d * ((low | (top << 4)) - 32)
        const within = (block & 1) * 16
        const from = at + 32 + (block >> 3) * 32 + within
        for (let i = 0; i < 16; i++) {
          const third = (bytes[at + within + i]! >>> (block >> 1)) & 1
          codes[to + block * 16 + i] = ((bytes[from + i]! >>> (((block >> 1) & 3) * 2)) & 3) + (third ? 8 : 4)
        }
      }
    },
  },
  q4_k: { layout: four, hasMins: true, unpack: superBlock(16) },
  q5_k: { layout: eight, hasMins: true, unpack: superBlock(48, 16) },
  q6_k: {
    layout: { bits: 8, group: 16 },
    unpack: (bytes, at, { codes, scales }, to, group) => {
      const d = half(bytes, at + 208)
      for (let block = 0; block < 16; block++) scales[group + block] = d * ((bytes[at + 192 + block]! << 24) >> 24)
      for (let part = 0; part < 2; part++)
        for (let quarter = 0; quarter < 4; quarter++) {
          const [low, high] = [at + part * 64 + (quarter & 1) * 32, at + 128 + part * 32]
          for (let i = 0; i < 32; i++)
            codes[to + part * 128 + quarter * 32 + i] =
              (((bytes[low + i]! >>> ((quarter >> 1) * 4)) & 15) | (((bytes[high + i]! >>> (quarter * 2)) & 3) << 4)) +
              128 -
              32
        }
    },
  },
  iq4_nl: {
    layout: { ...four, codebook: 'iq4' },
    unpack: (bytes, at, { codes, scales }, to, group) => {
      scales[group] = half(bytes, at)
      nibbles(bytes, at + 2, codes, to)
    },
  },
  iq4_xs: {
    layout: { ...four, codebook: 'iq4' },
    unpack: (bytes, at, { codes, scales }, to, group) => {
      const d = half(bytes, at)
      const high = bytes[at + 2]! | (bytes[at + 3]! << 8)
      for (let block = 0; block < 8; block++) {
        const low = (bytes[at + 4 + (block >> 1)]! >>> (4 * (block & 1))) & 15
        scales[group + block] = d * ((low | (((high >>> (2 * block)) & 3) << 4)) - 32)
        nibbles(bytes, at + 8 + block * 16, codes, to + block * 32)
      }
    },
  },
}

/** The layout that rows of `type` are computed from. */
export const layoutOf = (type: QuantType): Layout => blockCodes[type].layout

/** Whether groups of `type` have minima. */
export const hasMinima = (type: QuantType): boolean => blockCodes[type].hasMins === true

/** A byte a code → codes of 4 bits, two a byte: of each group the first half low, the second high. */
export function packNibbles(codes: Uint8Array, group: number): Uint8Array {
  const out = new Uint8Array(codes.length / 2)
  const pair = group / 2
  for (let from = 0, to = 0; from < codes.length; from += group, to += pair)
    for (let i = 0; i < pair; i++) out[to + i] = codes[from + i]! | (codes[from + pair + i]! << 4)
  return out
}

/**
 * Whole blocks of `type` as codes of its layout.
 * @throws RangeError when a scale or minimum is not finite
 */
export function codesOfRows(bytes: Uint8Array, type: QuantType): Codes {
  const { layout, hasMins, unpack } = blockCodes[type]
  const { blockBytes, blockElements } = blockTypes[type]
  const size = (bytes.length / blockBytes) * blockElements
  const groups = size / layout.group
  const sink = {
    codes: new Uint8Array(size),
    scales: new Float32Array(groups),
    mins: new Float32Array(hasMins ? groups : 0),
  }
  for (let at = 0, to = 0; at < bytes.length; at += blockBytes, to += blockElements)
    unpack(bytes, at, sink, to, to / layout.group)
  const { scales, mins } = sink
  // min alone: devices may divide by scales, to have min / scale as the code of zero.
  if (hasMins)
    scales.forEach((scale, group) => {
      if (scale !== 0) return
      scales[group] = 1
      sink.codes.fill(0, group * layout.group, (group + 1) * layout.group)
    })
  for (const numbers of [scales, mins])
    if (!allFinite(new Uint8Array(numbers.buffer), 'F32'))
      throw new RangeError('a block has a scale that is not finite')
  const codes = layout.bits === 4 ? packNibbles(sink.codes, layout.group) : sink.codes
  return { codes, scales, ...(hasMins ? { mins } : {}) }
}
