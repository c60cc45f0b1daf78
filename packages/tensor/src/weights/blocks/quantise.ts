// Floats quantised as they are loaded, as bitsandbytes does it: int8 by row (Dettmers et al. 2022), nf4 by blocks of 64
// whose scales are quantised too (Dettmers et al. 2023).
import { codebooks, type Layout } from '../../nn/quantised'
import { packNibbles, type Codes } from './layouts'

/** How weights in floats are quantised. */
export type Quantisation = 'int8' | 'nf4'

const { fround } = Math
const nf4Block = 64

/** The layout of rows of `columns` elements; undefined where they are no whole blocks. */
export function quantisedLayout(method: Quantisation, columns: number): Layout | undefined {
  if (method === 'int8') return { bits: 8, group: columns }
  return columns % nf4Block === 0 ? { bits: 4, group: nf4Block, codebook: 'nf4' } : undefined
}

/** Borders between neighbours of a sorted table: what lies on one is nearer to the lower, as bitsandbytes has it. */
const bordersOf = (table: readonly number[] | Float32Array): Float32Array =>
  Float32Array.from({ length: table.length - 1 }, (_, i) => fround(fround(table[i]!) + fround(table[i + 1]!)) / 2)

/** How many borders lie below `x`. */
function placeOf(x: number, borders: Float32Array): number {
  let [low, high] = [0, borders.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (borders[middle]! < x) low = middle + 1
    else high = middle
  }
  return low
}

function largestOf(values: Float32Array, from: number, to: number): number {
  let largest = 0
  for (let i = from; i < to; i++) largest = Math.max(largest, Math.abs(values[i]!))
  return largest
}

/** Doubles from here on are whole numbers, also after a small negative one is added. */
const whole = 1.5 * 2 ** 52
/** Rounds half to even, as torch does and sums do; `x` is small. */
const roundEven = (x: number): number => x + whole - whole

function int8Rows(values: Float32Array, columns: number): Codes {
  const codes = new Uint8Array(values.length)
  const scales = new Float32Array(values.length / columns)
  for (const row of scales.keys()) {
    const from = row * columns
    const largest = largestOf(values, from, from + columns)
    const factor = largest === 0 ? 0 : fround(127 / largest)
    scales[row] = largest / 127
    for (let i = from; i < from + columns; i++) codes[i] = roundEven(fround(values[i]! * factor)) + 128
  }
  return { codes, scales }
}

/** Neighbours that share a scale where products are computed in 8 bits. */
const byteBlock = 32

/** The layout that products are computed in 8 bits from, of rows of `columns` elements; undefined where they are no whole blocks. */
export const bytesLayout = (columns: number): Layout | undefined =>
  columns % byteBlock === 0 ? { bits: 8, group: byteBlock, int8: true } : undefined

/** Whole rows of finite values as codes of {@link bytesLayout}. */
export const bytesOfRows = (values: Float32Array): Codes => int8Rows(values, byteBlock)

const nf4Borders = bordersOf(codebooks.nf4)

function nf4Rows(values: Float32Array): Codes {
  const codes = new Uint8Array(values.length)
  const scales = new Float32Array(values.length / nf4Block)
  for (const block of scales.keys()) {
    const from = block * nf4Block
    const largest = largestOf(values, from, from + nf4Block)
    const inverse = fround(1 / Math.max(largest, fround(1e-38)))
    scales[block] = largest
    for (let i = from; i < from + nf4Block; i++) codes[i] = placeOf(fround(values[i]! * inverse), nf4Borders)
  }
  return { codes: packNibbles(codes, nf4Block), scales }
}

/** Whole rows of `columns` finite values as codes of {@link quantisedLayout}; the matrix's scales go to {@link settleScales}. */
export const quantiseRows = (values: Float32Array, columns: number, method: Quantisation): Codes =>
  method === 'int8' ? int8Rows(values, columns) : nf4Rows(values)

/**
 * The 256 numbers of bitsandbytes' dynamic type (Dettmers 2015): a sign, an exponent of base 10 told by leading zeros, and the
 * rest a fraction between 0.1 and 1.
 */
export function dynamicTable(): Float32Array {
  const table = [0, 1]
  for (let exponent = 0; exponent < 7; exponent++) {
    const borders = linspace(0.1, 1, 2 ** exponent + 1)
    const scale = fround(10 ** (exponent - 6))
    for (let i = 0; i + 1 < borders.length; i++) {
      const value = fround(scale * fround(fround(borders[i]! + borders[i + 1]!) / 2))
      table.push(value, -value)
    }
  }
  return Float32Array.from(table).sort()
}

/** `count` numbers from `start` to `end`, counted from the nearer end in f32, as torch does. */
function linspace(start: number, end: number, count: number): Float32Array {
  const [first, last] = [fround(start), fround(end)]
  const step = fround(fround(last - first) / (count - 1))
  return Float32Array.from({ length: count }, (_, i) =>
    i < count / 2 ? first + step * i : last - step * (count - 1 - i),
  )
}

/** Scales that share a scale. */
const scaleBlock = 256

/**
 * What is read back of the scales of a whole matrix: those of nf4 are kept in 8 bits, 256 together, as distances from their
 * mean.
 */
export function settleScales(scales: Float32Array, method: Quantisation): Float32Array {
  if (method === 'int8') return scales
  const table = dynamicTable()
  const borders = bordersOf(table)
  const mean = fround(scales.reduce((sum, x) => sum + x, 0) / scales.length)
  const distances = scales.map((x) => x - mean)
  const settled = new Float32Array(scales.length)
  for (let from = 0; from < scales.length; from += scaleBlock) {
    const to = Math.min(scales.length, from + scaleBlock)
    const largest = largestOf(distances, from, to)
    const inverse = largest === 0 ? 0 : fround(1 / largest)
    for (let i = from; i < to; i++) {
      const code = placeOf(fround(distances[i]! * inverse), borders)
      settled[i] = fround(table[code]! * largest) + mean
    }
  }
  return settled
}

/**
 * A matrix as it is read back once it is quantised, row-major.
 * @param columns whole blocks; see {@link quantisedLayout}
 * @param settles whether the scales are quantised too (default)
 */
export function quantisedValues(
  values: Float32Array,
  columns: number,
  method: Quantisation,
  settles = true,
): Float32Array {
  const { codes, scales } = quantiseRows(values, columns, method)
  const settled = settles ? settleScales(scales, method) : scales
  if (method === 'int8') return Float32Array.from(codes, (code, i) => (code - 128) * settled[Math.floor(i / columns)]!)
  const pair = nf4Block / 2
  return Float32Array.from(values, (_, i) => {
    const [block, within] = [Math.floor(i / nf4Block), i % nf4Block]
    const both = codes[block * pair + (within % pair)]!
    return codebooks.nf4[within < pair ? both & 15 : both >> 4]! * settled[block]!
  })
}
