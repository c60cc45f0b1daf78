// Order along the last axis: sort, argsort and topK, made of comparisons, gathers and maxima that every device has.
import { fail } from '../errors'
import { showShape, type Shape } from '../shape'
import type { Tensor } from '../tensor'
import { arange, full, iota } from './create'
import { cast, eq, logicalAnd, logicalOr, lt, maximum, where } from './elementwise'
import { gather, scatterAdd } from './indexing'
import { expandDims, reshape, stack } from './movement'
import { argmax, sum } from './reduce'

/** Which way to sort. */
export interface SortOptions {
  /** The largest first. */
  readonly descending?: boolean
}

/** x as rows `[rows, n]`, and the shape of what has `length` elements a row. */
function rowsOf(op: string, x: Tensor): { rows: Tensor; n: number; shapeOf: (length: number) => Shape } {
  const n = x.shape.at(-1) ?? fail(op, `needs at least 1 dimension, got ${showShape(x.shape)}`)
  return { rows: reshape(x, [-1, n]), n, shapeOf: (length) => [...x.shape.slice(0, -1), length] }
}

/**
 * Indices (i32) that put the last axis in order, as x is shaped; equal elements keep theirs. Compares all pairs: for rows of
 * some thousands at most. For the few largest of a long row, use `topK`.
 * @param x f32, f16, i32 or u32, without NaN; rows shorter than 2²⁴
 */
export function argsort(x: Tensor, { descending = false }: SortOptions = {}): Tensor {
  const { rows, n } = rowsOf('argsort', x)
  // A row's place is the number of elements that go before it.
  const [mine, other] = [expandDims(rows, 2), expandDims(rows, 1)]
  const earlier = lt(iota([1, n, n], 2), iota([1, n, n], 1))
  const before = descending ? lt(mine, other) : lt(other, mine)
  const goesBefore = logicalOr(before, logicalAnd(eq(mine, other), earlier))
  const places = cast(sum(cast(goesBefore, 'f32'), { axis: 2 }), 'i32')
  const numbers = scatterAdd(places, cast(iota(rows.shape, 1), 'f32'), n, { batchDims: 1 })
  return reshape(cast(numbers, 'i32'), x.shape)
}

/** x with its last axis in order, the smallest first; see `argsort`. */
export function sort(x: Tensor, options: SortOptions = {}): Tensor {
  const { rows, n } = rowsOf('sort', x)
  const order = reshape(argsort(x, options), [-1, n])
  return reshape(gather(rows, order, 1, { batchDims: 1 }), x.shape)
}

/** What nothing is below, and what stands for less than that. */
const lowest = {
  f32: [-3.4028234663852886e38, -Infinity],
  f16: [-65504, -Infinity],
  i32: [-(2 ** 31) + 2, -(2 ** 31) + 1],
}

/**
 * The `k` largest elements of the last axis, the largest first, and their indices (i32), both `[…, k]`; of equal elements
 * the first. Takes k passes over x: for small k. The gradient goes to the elements that were taken.
 * @param x f32, f16 or i32, without NaN; −∞ counts as the lowest finite number
 * @throws TensorError when `k` is no number of elements that the axis has
 */
export function topK(x: Tensor, k: number): { values: Tensor; indices: Tensor } {
  const { rows, n, shapeOf } = rowsOf('topK', x)
  if (!Number.isInteger(k) || k < 1 || k > n) fail('topK', `k is ${k}, expected 1 to ${n}, the size of the last axis`)
  if (!(x.dtype in lowest)) fail('topK', `the dtype of x is ${x.dtype}, expected f32, f16 or i32`)
  const [least, taken] = lowest[x.dtype as keyof typeof lowest] as [number, number]
  let left = maximum(rows, least)
  const indices: Tensor[] = []
  for (let i = 0; i < k; i++) {
    const found = argmax(left)
    indices.push(found)
    left = where(eq(expandDims(arange(n), 0), expandDims(found, 1)), full([], taken, x.dtype), left)
  }
  const chosen = stack(indices, 1)
  return {
    values: reshape(gather(rows, chosen, 1, { batchDims: 1 }), shapeOf(k)),
    indices: reshape(chosen, shapeOf(k)),
  }
}
