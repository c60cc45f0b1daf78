// Reductions over axes.
import type { Tensor } from '../tensor'
import { normaliseAxis } from '../shape'
import { apply } from './apply'
import { add, exp, log, mul, neg, sub } from './elementwise'
import { pad, sliceAxis, stopGradient } from './movement'

/** What a reduction reduces. */
export interface ReduceOptions {
  /** Axes to reduce, counted from the end when negative; all when absent. */
  readonly axis?: number | readonly number[]
  /** Keep reduced axes with size 1. */
  readonly keepDims?: boolean
}

function axesOf(op: string, x: Tensor, axis: ReduceOptions['axis']): number[] {
  const axes = axis === undefined ? x.shape.map((_, i) => i) : typeof axis === 'number' ? [axis] : axis
  return axes.map((a) => normaliseAxis(op, a, x.shape.length)).sort((a, b) => a - b)
}

/** Sum of the elements, in x's dtype. */
export const sum = (x: Tensor, { axis, keepDims = false }: ReduceOptions = {}): Tensor =>
  apply('sum', [x], { axes: axesOf('sum', x, axis), keepDims })

/** Largest element; the gradient is shared equally among ties. */
export const max = (x: Tensor, { axis, keepDims = false }: ReduceOptions = {}): Tensor =>
  apply('max', [x], { axes: axesOf('max', x, axis), keepDims })

/** Smallest element, of f32, f16 or i32; the gradient is shared equally among ties. */
export const min = (x: Tensor, options: ReduceOptions = {}): Tensor => neg(max(neg(x), options))

/** Mean of the elements, of a float tensor. */
export function mean(x: Tensor, options: ReduceOptions = {}): Tensor {
  const count = axesOf('mean', x, options.axis).reduce((n, a) => n * x.shape[a]!, 1)
  return mul(sum(x, options), 1 / count)
}

/** Index (i32) of the first largest element along `axis`. */
export const argmax = (x: Tensor, axis = -1): Tensor =>
  apply('argmax', [x], { axis: normaliseAxis('argmax', axis, x.shape.length) })

/** Index (i32) of the first smallest element along `axis`, of f32, f16 or i32. */
export const argmin = (x: Tensor, axis = -1): Tensor => argmax(neg(x), axis)

/** Running sums along `axis`: element i is the sum of those up to i. Takes ⌈log₂ n⌉ passes over x. */
export function cumsum(x: Tensor, axis = -1): Tensor {
  const at = normaliseAxis('cumsum', axis, x.shape.length)
  const size = x.shape[at]!
  const none = x.shape.map(() => 0)
  let sums = x
  for (let step = 1; step < size; step *= 2) {
    const low = none.map((_, i) => (i === at ? step : 0))
    sums = add(sums, pad(sliceAxis(sums, at, 0, size - step), low, none))
  }
  return sums
}

/** exp(x)/Σexp(x) along the last axis. Rows of only −∞ give NaN. */
export const softmax = (x: Tensor): Tensor => apply('softmax', [x], {})

/** log Σ exp(x), stable. */
export function logSumExp(
  x: Tensor,
  { axis = -1, keepDims = false }: { axis?: number; keepDims?: boolean } = {},
): Tensor {
  const shift = stopGradient(max(x, { axis, keepDims: true }))
  const summed = log(sum(exp(sub(x, shift)), { axis, keepDims }))
  return add(summed, keepDims ? shift : sum(shift, { axis }))
}
