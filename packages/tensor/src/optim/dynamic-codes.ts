// Numbers in 8 bits, as bitsandbytes has the state of its optimisers (Dettmers et al. 2022): a scale for each block, and codes of
// a map that is the finer the nearer a number is to zero. Four codes are a word: every device computes with i32, and no kernel
// can write single bytes.
import { abs, add, cast, div, lt, maximum, minimum, mul, neg, sub, where } from '../ops/elementwise'
import { concat, sliceAxis } from '../ops/movement'
import { max } from '../ops/reduce'
import type { Tensor } from '../tensor'

/** Elements that share a scale. */
export const blockSize = 256
/** Codes of a word. */
const perWord = 4
const words = blockSize / perWord

/** Blocks of numbers in 8 bits. */
export type Packed = {
  /** i32 `[blocks, 64]`: word j of a block has the codes of its elements j, j + 64, j + 128 and j + 192, the first in the lowest bits. */
  readonly codes: Tensor
  /** The largest magnitude of each block, f32 `[blocks, 1]`. */
  readonly scales: Tensor
}

/**
 * A dynamic map of the numbers from 0 to 1, without its sign. There are seven decades, 10⁻⁷ to 1; the lowest is cut into
 * 2^`first` equal cells, each further one into twice as many. With 2ⁱ cells in decade 10ᵉ⁻¹…10ᵉ, cell k has the index
 * a = 2ⁱ + k and the value of its middle, 10ᵉ·(0.9·(a + ½)/2ⁱ − 0.8). Below all indices is 0, above them 1.
 */
export interface DynamicMap {
  readonly first: number
  readonly signed: boolean
}
/** Of first moments. Codes 0 to 126 are negative, the largest magnitude first; 127 is 0. */
export const signedMap: DynamicMap = { first: 0, signed: true }
/** Of second moments. Code 0 is 0. */
export const unsignedMap: DynamicMap = { first: 1, signed: false }

const decades = 7
/** A straight line: what is multiplied by its slope, and added. */
interface Line {
  readonly slope: number
  readonly at0: number
}
const valueOn = (x: Tensor, { slope, at0 }: Line): Tensor => add(mul(x, slope), at0)
/** The line with `slope` through (x, y). */
const through = (x: number, y: number, slope: number): Line => ({ slope, at0: y - x * slope })

/** Cells and upper end of each decade, the lowest first. */
const decadesOf = ({ first }: DynamicMap) =>
  Array.from({ length: decades }, (_, d) => ({ cells: 2 ** (first + d), end: 10 ** (d + 1 - decades) }))

/** From index to value: the map is convex, and so the largest of one line a decade. */
const valueLines = (map: DynamicMap): Line[] =>
  decadesOf(map).map(({ cells, end }) => ({ slope: (0.9 * end) / cells, at0: end * (0.45 / cells - 0.8) }))

/**
 * From value to nearest index, rounded down: the least of these lines. A line a decade turns at the edges of its cells. Between
 * two decades the nearest changes in the middle of their outermost values, and not at the power of ten: a line less steep than
 * the lower decade's and steeper than the higher's goes through that point. Likewise between 0 and the lowest value.
 */
function indexLines(map: DynamicMap): Line[] {
  const all = decadesOf(map)
  const [{ cells: lowest, end: unit }] = all as [{ cells: number; end: number }]
  const within = all.map(({ cells, end }) => ({ slope: cells / (0.9 * end), at0: (0.8 * cells) / 0.9 }))
  const between = all
    .slice(0, -1)
    .map(({ cells, end }) => through(end * (1 + 0.9 / cells), 2 * cells, cells / (2.7 * end)))
  const aboveZero = through(unit * (0.05 + 0.225 / lowest), lowest, 1 / (unit * (0.05 + 0.45 / lowest)))
  return [...within, ...between, aboveZero]
}

/** Above the highest cell's middle, the nearest becomes 1 halfway to it: the index is no less than on this line. */
function topLine(map: DynamicMap): Line {
  const { cells } = decadesOf(map).at(-1)!
  return through(1 - 0.225 / cells, 2 * cells, cells / 0.45)
}

/** The codes of `x`, f32 from −1 to 1: of the nearest value of the map each, i32. */
function codesOf(x: Tensor, map: DynamicMap): Tensor {
  const size = map.signed ? abs(x) : x
  const least = indexLines(map)
    .map((line) => valueOn(size, line))
    .reduce((a, b) => minimum(a, b))
  const index = cast(maximum(least, valueOn(size, topLine(map))), 'i32')
  if (!map.signed) return sub(index, 1)
  // There is no −1: the lowest code is that of the lowest cell.
  return maximum(where(lt(x, 0), sub(127, index), add(index, 127)), 0)
}

/** The values of codes, i32: f32 from −1 to 1. */
function valuesOfCodes(codes: Tensor, map: DynamicMap): Tensor {
  const places = cast(map.signed ? sub(codes, 127) : add(codes, 1), 'f32')
  const index = map.signed ? abs(places) : places
  const largest = valueLines(map)
    .map((line) => valueOn(index, line))
    .reduce((a, b) => maximum(a, b))
  const size = minimum(maximum(largest, 0), 1)
  return map.signed ? where(lt(places, 0), neg(size), size) : size
}

/** Four parts of `[blocks, 64]` each, as words; the highest byte is kept as a signed number. */
const toWords = ([a, b, c, d]: readonly Tensor[]): Tensor =>
  add(add(a!, mul(b!, 2 ** 8)), add(mul(c!, 2 ** 16), mul(sub(d!, 128), 2 ** 24)))

/** The parts of {@link toWords}. Division rounds towards zero: words below it are turned around −½ first, and back. */
function fromWords(packed: Tensor): Tensor[] {
  const below = lt(packed, 0)
  const turned = (x: Tensor) => where(below, sub(-1, x), x)
  const high = turned(div(turned(packed), 2 ** 24))
  const rest = sub(packed, mul(high, 2 ** 24))
  const [third, second] = [div(rest, 2 ** 16), div(rest, 2 ** 8)]
  return [sub(rest, mul(second, 2 ** 8)), sub(second, mul(third, 2 ** 8)), third, add(high, 128)]
}

/** `x`, f32 `[blocks, 256]`, in 8 bits; of the unsigned map none is negative. */
export function pack(x: Tensor, map: DynamicMap): Packed {
  const scales = max(abs(x), { axis: 1, keepDims: true })
  // A block of zeros is divided by something.
  const codes = codesOf(div(x, maximum(scales, 1e-37)), map)
  const parts = Array.from({ length: perWord }, (_, i) => sliceAxis(codes, 1, i * words, (i + 1) * words))
  return { codes: toWords(parts), scales }
}

/** What {@link pack} was given, nearly: f32 `[blocks, 256]`. */
export const unpack = ({ codes, scales }: Packed, map: DynamicMap): Tensor =>
  mul(valuesOfCodes(concat(fromWords(codes), 1), map), scales)
