// Moving elements: reshape, transpose, broadcast, slice, pad, concat, what is made of them; and stopGradient.
import { fail } from '../errors'
import { normaliseAxis, sameShape, showShape, sizeOf, type Shape } from '../shape'
import type { Tensor } from '../tensor'
import { apply } from './apply'

/**
 * The same elements in another shape; one dimension may be −1, and is then inferred.
 * @throws TensorError when the sizes differ, or there is more than one −1
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const known = shape.reduce((n, d) => (d === -1 ? n : n * d), 1)
  if (shape.filter((d) => d === -1).length > 1 || (shape.includes(-1) && x.size % known !== 0))
    fail('reshape', `cannot infer ${showShape(shape)} from ${showShape(x.shape)}`)
  const full = shape.map((d) => (d === -1 ? x.size / known : d))
  return sameShape(full, x.shape) ? x : apply('reshape', [x], { shape: full })
}

/** A new axis of size 1 at `axis` of the result: x[i] is out[i, 0] for `axis` 1. */
export function expandDims(x: Tensor, axis: number): Tensor {
  const at = normaliseAxis('expandDims', axis, x.shape.length + 1)
  return reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)])
}

/**
 * x without axes of size 1.
 * @param axis those to leave out; all of size 1 when absent
 * @throws TensorError when one of them has another size
 */
export function squeeze(x: Tensor, axis?: number | readonly number[]): Tensor {
  const axes = axis === undefined ? undefined : typeof axis === 'number' ? [axis] : axis
  const gone = axes?.map((a) => normaliseAxis('squeeze', a, x.shape.length))
  for (const a of gone ?? [])
    if (x.shape[a] !== 1) fail('squeeze', `axis ${a} of ${showShape(x.shape)} has size ${x.shape[a]}, expected 1`)
  return reshape(
    x,
    x.shape.filter((d, i) => (gone ? !gone.includes(i) : d !== 1)),
  )
}

/** Output axis i is input axis `permutation[i]`; reversed when absent. */
export function transpose(
  x: Tensor,
  permutation: readonly number[] = x.shape.map((_, i) => x.shape.length - 1 - i),
): Tensor {
  return permutation.every((p, i) => p === i) && permutation.length === x.shape.length
    ? x
    : apply('transpose', [x], { permutation })
}

/** Repeats size-1 and missing leading dimensions until `shape`. */
export const broadcastTo = (x: Tensor, shape: Shape): Tensor =>
  sameShape(x.shape, shape) ? x : apply('broadcastTo', [x], { shape })

/** Elements `starts[i] ≤ index < limits[i]` of each dimension. */
export function slice(x: Tensor, starts: readonly number[], limits: readonly number[]): Tensor {
  return starts.every((s) => s === 0) && sameShape(limits, x.shape) ? x : apply('slice', [x], { starts, limits })
}

/** Elements `start..limit` of one axis. */
export function sliceAxis(x: Tensor, axis: number, start: number, limit: number): Tensor {
  const at = normaliseAxis('slice', axis, x.shape.length)
  return slice(
    x,
    x.shape.map((_, i) => (i === at ? start : 0)),
    x.shape.map((d, i) => (i === at ? limit : d)),
  )
}

/** Adds `low[i]` elements of `value` before and `high[i]` after dimension i. */
export const pad = (x: Tensor, low: readonly number[], high: readonly number[], value = 0): Tensor =>
  low.every((n) => n === 0) && high.every((n) => n === 0) ? x : apply('pad', [x], { low, high, value })

/**
 * Joins tensors of one dtype along `axis`; the other dimensions must be equal.
 * @throws TensorError when there are none, or dtypes or shapes do not fit
 */
export function concat(parts: readonly Tensor[], axis = 0): Tensor {
  const first = parts[0] ?? fail('concat', 'needs at least one tensor')
  return parts.length === 1
    ? first
    : apply('concat', parts, { axis: normaliseAxis('concat', axis, first.shape.length) })
}

/**
 * Joins tensors of one shape along a new axis at `axis` of the result.
 * @throws TensorError when there are none, or their shapes differ
 */
export function stack(parts: readonly Tensor[], axis = 0): Tensor {
  const first = parts[0] ?? fail('stack', 'needs at least one tensor')
  parts.forEach(({ shape }, i) => {
    if (!sameShape(shape, first.shape))
      fail('stack', `tensor ${i} has shape ${showShape(shape)}, expected ${showShape(first.shape)}, that of tensor 0`)
  })
  return concat(
    parts.map((x) => expandDims(x, axis)),
    normaliseAxis('stack', axis, first.shape.length + 1),
  )
}

/**
 * Cuts x along `axis`: into so many equal parts, or at these indices (`[2, 5]` gives 0..2, 2..5 and the rest), as numpy does.
 * @throws TensorError when the axis does not divide, or the indices do not grow within it
 */
export function split(x: Tensor, parts: number | readonly number[], axis = 0): Tensor[] {
  const at = normaliseAxis('split', axis, x.shape.length)
  const size = x.shape[at]!
  if (typeof parts === 'number' && !(Number.isInteger(parts) && parts > 0 && size % parts === 0))
    fail('split', `axis ${at} of ${showShape(x.shape)} does not divide into ${parts} parts`)
  const cuts = typeof parts === 'number' ? Array.from({ length: parts - 1 }, (_, i) => ((i + 1) * size) / parts) : parts
  const ends = [...cuts, size]
  return ends.map((end, i) => {
    const start = i === 0 ? 0 : ends[i - 1]!
    if (!Number.isInteger(end) || end < start)
      fail('split', `indices [${cuts.join(',')}] do not grow from 0 to ${size}, the size of axis ${at}`)
    return sliceAxis(x, at, start, end)
  })
}

/** `size` elements of `axis` from `start` (i32 scalar, within bounds). */
export const dynamicSlice = (x: Tensor, start: Tensor, axis: number, size: number): Tensor =>
  apply('dynamicSlice', [x, start], { axis, size })

/** `x` with `update` written at `start` (i32 scalar, within bounds) of `axis`. */
export const dynamicUpdateSlice = (x: Tensor, update: Tensor, start: Tensor, axis: number): Tensor =>
  apply('dynamicUpdateSlice', [x, update, start], { axis })

/** x, through which no gradient flows. */
export const stopGradient = (x: Tensor): Tensor => apply('stopGradient', [x], {})

/**
 * Sums `x` over the axes in which `shape` was broadcast to x's shape: the transpose of broadcastTo.
 * @returns a tensor of `shape`, in x's dtype
 * @throws TensorError when x's shape is not one that `shape` broadcasts to
 */
export function sumToShape(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x
  const lead = x.shape.length - shape.length
  const axes = x.shape.flatMap((d, i) => (i < lead || (shape[i - lead] === 1 && d !== 1) ? [i] : []))
  const summed = axes.length === 0 ? x : apply('sum', [x], { axes, keepDims: false })
  return sizeOf(summed.shape) === sizeOf(shape)
    ? reshape(summed, shape)
    : fail('sumToShape', `${showShape(x.shape)} was not broadcast from ${showShape(shape)}`)
}
