// Float32 rows as ggml's super-blocks of 256, q4_K to q6_K: scales are searched for, then quantised themselves.
import { encodeFloats } from '../safetensors/floats'
import { half } from './simple-quants'
import { blockBytesOf, blockTypes } from './types'

// ggml computes in float32, each operation rounded by itself; so is all arithmetic here, for the same bytes.
const { fround, min, max, abs } = Math

const superBlock = 256

/** The nearest integer, of two the even one, as adding and taking away 1.5 · 2²³ rounds. */
const nearest = (x: number): number => fround(fround(x + 12_582_912) - 12_582_912)

const clamp = (x: number, low: number, high: number): number => max(low, min(high, x))

/** How a search for a block's scale goes: `steps + 1` tries, `step` apart in levels, from `from` beyond the plain scale. */
interface Search {
  readonly size: number
  readonly levels: number
  readonly from: number
  readonly step: number
  readonly steps: number
}

/** A scale, and what is taken from every value of a block: x ≈ scale · level − minimum. */
interface Affine {
  readonly scale: number
  readonly minimum: number
}

/**
 * The scale and minimum that lose least, by weights that grow with magnitudes. For each try the levels are chosen by a
 * scale that is a little off, then the best scale and minimum for those levels follow by least squares.
 * @param kept takes the levels, which remain where the scale is too small for f16
 */
function fitAffine(x: Float32Array, at: number, { size, levels, from, step, steps }: Search, kept: Uint8Array): Affine {
  let squares = 0
  for (let i = 0; i < size; i++) squares = fround(squares + fround(x[at + i]! * x[at + i]!))
  const typical = fround(Math.sqrt(fround(squares / size)))
  const weight = new Float32Array(size)
  let [low, high, sumW, sumX] = [x[at]!, x[at]!, 0, 0]
  for (let i = 0; i < size; i++) {
    const value = x[at + i]!
    const w = (weight[i] = fround(typical + abs(value)))
    low = min(low, value)
    high = max(high, value)
    sumW = i === 0 ? w : fround(sumW + w)
    sumX = i === 0 ? fround(w * value) : fround(sumX + fround(w * value))
  }
  if (low > 0) low = 0
  kept.fill(0)
  if (high === low) return { scale: 0, minimum: -low }
  const level = new Float32Array(size)
  const choose = (inverse: number) => {
    for (let i = 0; i < size; i++) level[i] = clamp(nearest(fround(inverse * fround(x[at + i]! - low))), 0, levels)
  }
  const error = (scale: number, minimum: number): number => {
    let total = 0
    for (let i = 0; i < size; i++) {
      const off = fround(fround(fround(scale * level[i]!) + minimum) - x[at + i]!)
      total = fround(total + fround(weight[i]! * fround(off * off)))
    }
    return total
  }
  const plain = fround(levels / fround(high - low))
  choose(plain)
  kept.set(level)
  let scale = fround(1 / plain)
  let best = error(scale, low)
  for (let n = 0; n <= steps; n++) {
    choose(fround(fround(fround(from + fround(step * n)) + levels) / fround(high - low)))
    let [sumL, sumL2, sumXL] = [0, 0, 0]
    for (let i = 0; i < size; i++) {
      const wl = fround(weight[i]! * level[i]!)
      sumL = fround(sumL + wl)
      sumL2 = fround(sumL2 + fround(wl * level[i]!))
      sumXL = fround(sumXL + fround(wl * x[at + i]!))
    }
    const determinant = fround(fround(sumW * sumL2) - fround(sumL * sumL))
    if (!(determinant > 0)) continue
    let tried = fround(fround(fround(sumW * sumXL) - fround(sumX * sumL)) / determinant)
    let minimum = fround(fround(fround(sumL2 * sumX) - fround(sumL * sumXL)) / determinant)
    if (minimum > 0) {
      minimum = 0
      tried = fround(sumXL / sumL2)
    }
    const loss = error(tried, minimum)
    if (loss < best) {
      best = loss
      kept.set(level)
      scale = tried
      low = minimum
    }
  }
  return { scale, minimum: -low }
}

/** f16 bytes of a number. @throws RangeError for one past f16 */
function putHalf(out: Uint8Array, at: number, value: number): number {
  out.set(encodeFloats(Float32Array.of(value), 'F16'), at)
  return half(out, at)
}

/** Scales and minima of 8 blocks of 32, quantised to six bits into 12 bytes after d and dmin, and the 256 levels. */
function affineBlocks(
  x: Float32Array,
  from: number,
  out: Uint8Array,
  at: number,
  search: Search,
  levels: Uint8Array,
): void {
  const blocks = Array.from({ length: 8 }, (_, j) =>
    fitAffine(x, from + 32 * j, search, levels.subarray(32 * j, 32 * (j + 1))),
  )
  const most = (pick: (block: Affine) => number) => blocks.reduce((m, block) => max(m, pick(block)), 0)
  const [maxScale, maxMin] = [most(({ scale }) => scale), most(({ minimum }) => minimum)]
  const d = putHalf(out, at, fround(maxScale / 63))
  const dmin = putHalf(out, at + 2, fround(maxMin / 63))
  const [toScale, toMin] = [maxScale, maxMin].map((m) => (m > 0 ? fround(63 / m) : 0)) as [number, number]
  const packed = at + 4
  for (const [j, { scale, minimum }] of blocks.entries()) {
    const s = min(63, nearest(fround(toScale * scale)))
    const m = min(63, nearest(fround(toMin * minimum)))
    if (j < 4) {
      out[packed + j] = s
      out[packed + j + 4] = m
    } else {
      out[packed + j + 4] = (s & 15) | ((m & 15) << 4)
      out[packed + j - 4]! |= (s >> 4) << 6
      out[packed + j]! |= (m >> 4) << 6
    }
    const [step, offset] = [fround(d * s), fround(dmin * m)]
    for (let i = 32 * j; step !== 0 && i < 32 * (j + 1); i++)
      levels[i] = clamp(nearest(fround(fround(x[from + i]! + offset) / step)), 0, search.levels)
  }
}

/** Applies `pack` to each super-block. */
function superBlocks(
  type: 'q4_k' | 'q5_k' | 'q6_k',
  values: Float32Array,
  pack: (from: number, out: Uint8Array, at: number, levels: Uint8Array) => void,
): Uint8Array {
  const out = new Uint8Array(blockBytesOf(type, values.length))
  const levels = new Uint8Array(superBlock)
  for (let block = 0; block * superBlock < values.length; block++) {
    const from = block * superBlock
    const wrong = values.subarray(from, from + superBlock).find((value) => !Number.isFinite(value))
    if (wrong !== undefined) throw new RangeError(`${wrong} cannot be quantised`)
    pack(from, out, block * blockTypes[type].blockBytes, levels)
  }
  return out
}

/** q4_K: eight blocks of 32 with 4-bit levels; layout as {@link file://./k-quants.ts} reads it. */
export const q4k = (values: Float32Array): Uint8Array =>
  superBlocks('q4_k', values, (from, out, at, levels) => {
    affineBlocks(values, from, out, at, { size: 32, levels: 15, from: -1, step: fround(0.1), steps: 20 }, levels)
    for (let i = 0; i < 128; i++) {
      const low = (i >> 5) * 64 + (i & 31)
      out[at + 16 + i] = levels[low]! | (levels[low + 32]! << 4)
    }
  })

/** q5_K: as q4_K with a fifth bit, apart. */
export const q5k = (values: Float32Array): Uint8Array =>
  superBlocks('q5_k', values, (from, out, at, levels) => {
    affineBlocks(values, from, out, at, { size: 32, levels: 31, from: -0.5, step: fround(0.1), steps: 15 }, levels)
    for (let i = 0; i < 128; i++) {
      const [part, column] = [i >> 5, i & 31]
      const [low, high] = [levels[part * 64 + column]!, levels[part * 64 + column + 32]!]
      out[at + 48 + i] = (low & 15) | ((high & 15) << 4)
      out[at + 16 + column]! |= ((low >> 4) << (2 * part)) | ((high >> 4) << (2 * part + 1))
    }
  })

/** What counts as zeros alone. */
const nothing = fround(1e-15)

/**
 * The scale of 16 values, levels −32 to 31, that loses least where large values count most: 19 are tried.
 * @param kept takes the levels + 32, which remain where the scale is too small for f16
 */
function fitSymmetric(x: Float32Array, at: number, kept: Uint8Array): number {
  let [largest, signed] = [0, 0]
  for (let i = 0; i < 16; i++) {
    const magnitude = abs(x[at + i]!)
    if (magnitude > largest) [largest, signed] = [magnitude, x[at + i]!]
  }
  kept.fill(0)
  if (largest < nothing) return 0
  const level = new Int8Array(16)
  const sums = (inverse: number): readonly [number, number] => {
    let [xl, l2] = [0, 0]
    for (let i = 0; i < 16; i++) {
      const value = x[at + i]!
      const q = (level[i] = clamp(nearest(fround(inverse * value)), -32, 31))
      const w = fround(value * value)
      xl = fround(xl + fround(fround(w * value) * q))
      l2 = fround(l2 + fround(fround(w * q) * q))
    }
    return [xl, l2]
  }
  const [xl, l2] = sums(fround(-32 / signed))
  let scale = l2 === 0 ? 0 : fround(xl / l2)
  let best = fround(scale * xl)
  const keep = () => level.forEach((q, i) => (kept[i] = q + 32))
  keep()
  for (let n = -9; n <= 9; n++) {
    if (n === 0) continue
    const [tried, squares] = sums(fround(-fround(32 + fround(fround(0.1) * n)) / signed))
    if (squares > 0 && fround(tried * tried) > fround(best * squares)) {
      scale = fround(tried / squares)
      best = fround(scale * tried)
      keep()
    }
  }
  return scale
}

/** q6_K: sixteen blocks of 16 with 6-bit levels and int8 scales. */
export const q6k = (values: Float32Array): Uint8Array =>
  superBlocks('q6_k', values, (from, out, at, levels) => {
    const scales = Array.from({ length: 16 }, (_, j) =>
      fitSymmetric(values, from + 16 * j, levels.subarray(16 * j, 16 * (j + 1))),
    )
    const signed = scales.reduce((most, scale) => (abs(scale) > abs(most) ? scale : most), 0)
    if (abs(signed) < nothing) return
    const inverse = fround(-128 / signed)
    const d = putHalf(out, at + 208, fround(1 / inverse))
    for (const [j, scale] of scales.entries()) {
      const quantised = min(127, nearest(fround(inverse * scale)))
      out[at + 192 + j] = quantised
      const step = fround(d * quantised)
      for (let i = 16 * j; step !== 0 && i < 16 * (j + 1); i++)
        levels[i] = clamp(nearest(fround(values[from + i]! / step)), -32, 31) + 32
    }
    for (let i = 0; i < 64; i++) {
      const [part, column] = [i >> 5, i & 31]
      const [a, b, c, e] = [0, 32, 64, 96].map((offset) => levels[part * 128 + column + offset]!) as [
        number,
        number,
        number,
        number,
      ]
      out[at + part * 64 + column] = (a & 15) | ((c & 15) << 4)
      out[at + part * 64 + column + 32] = (b & 15) | ((e & 15) << 4)
      out[at + 128 + i] = (a >> 4) | ((b >> 4) << 2) | ((c >> 4) << 4) | ((e >> 4) << 6)
    }
  })
