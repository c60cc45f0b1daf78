// Moving elements: reshape, transpose, broadcast, slice, pad, concat; and stopGradient.
import { fail } from '../errors'
import { normaliseAxis, sameShape, showShape, sizeOf, type Shape } from '../shape'
import type { Tensor } from '../tensor'
import { apply } from './apply'

/** The same elements in another shape; one dimension may be −1. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const known = shape.reduce((n, d) => (d === -1 ? n : n * d), 1)
  if (shape.filter((d) => d === -1).length > 1 || (shape.includes(-1) && x.size % known !== 0))
    fail('reshape', `cannot infer ${showShape(shape)} from ${showShape(x.shape)}`)
  const full = shape.map((d) => (d === -1 ? x.size / known : d))
  return sameShape(full, x.shape) ? x : apply('reshape', [x], { shape: full })
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

/** Joins tensors along `axis`. */
export function concat(parts: readonly Tensor[], axis = 0): Tensor {
  const first = parts[0] ?? fail('concat', 'needs at least one tensor')
  return parts.length === 1
    ? first
    : apply('concat', parts, { axis: normaliseAxis('concat', axis, first.shape.length) })
}

/** `size` elements of `axis` from `start` (i32 scalar, within bounds). */
export const dynamicSlice = (x: Tensor, start: Tensor, axis: number, size: number): Tensor =>
  apply('dynamicSlice', [x, start], { axis, size })

/** `x` with `update` written at `start` (i32 scalar, within bounds) of `axis`. */
export const dynamicUpdateSlice = (x: Tensor, update: Tensor, start: Tensor, axis: number): Tensor =>
  apply('dynamicUpdateSlice', [x, update, start], { axis })

/** x, through which no gradient flows. */
export const stopGradient = (x: Tensor): Tensor => apply('stopGradient', [x], {})

/** Adds up `x` over the axes in which `shape` was broadcast to x's: broadcastTo's transpose. */
export function sumToShape(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x
  const lead = x.shape.length - shape.length
  const axes = x.shape.flatMap((d, i) => (i < lead || (shape[i - lead] === 1 && d !== 1) ? [i] : []))
  const summed = axes.length === 0 ? x : apply('sum', [x], { axes, keepDims: false })
  return sizeOf(summed.shape) === sizeOf(shape)
    ? reshape(summed, shape)
    : fail('sumToShape', `${showShape(x.shape)} was not broadcast from ${showShape(shape)}`)
}
