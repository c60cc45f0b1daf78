// Reductions over axes.
import type { Tensor } from '../tensor'
import { normaliseAxis } from '../shape'
import { apply } from './apply'
import { exp, log, mul, add, sub } from './elementwise'
import { stopGradient } from './movement'

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

export const sum = (x: Tensor, { axis, keepDims = false }: ReduceOptions = {}): Tensor =>
  apply('sum', [x], { axes: axesOf('sum', x, axis), keepDims })

/** Largest element; the gradient is shared equally among ties. */
export const max = (x: Tensor, { axis, keepDims = false }: ReduceOptions = {}): Tensor =>
  apply('max', [x], { axes: axesOf('max', x, axis), keepDims })

export function mean(x: Tensor, options: ReduceOptions = {}): Tensor {
  const count = axesOf('mean', x, options.axis).reduce((n, a) => n * x.shape[a]!, 1)
  return mul(sum(x, options), 1 / count)
}

/** Index (i32) of the first largest element along `axis`. */
export const argmax = (x: Tensor, axis = -1): Tensor =>
  apply('argmax', [x], { axis: normaliseAxis('argmax', axis, x.shape.length) })

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
