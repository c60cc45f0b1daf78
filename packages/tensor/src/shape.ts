// Shapes: sizes, axes and numpy broadcasting.
import { fail } from './errors'

/** Sizes of the dimensions, the slowest first; [] is a scalar. */
export type Shape = readonly number[]

/** Number of elements of `shape`. */
export const sizeOf = (shape: Shape): number => shape.reduce((n, d) => n * d, 1)

export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((d, i) => d === b[i])

export const showShape = (shape: Shape): string => `[${shape.join(',')}]`

/** Axis in `0..rank-1` from one that may count from the end. */
export function normaliseAxis(operation: string, axis: number, rank: number): number {
  const positive = axis < 0 ? axis + rank : axis
  if (!Number.isInteger(axis) || positive < 0 || positive >= rank)
    fail(operation, `axis ${axis} is outside rank ${rank}`)
  return positive
}

/** The common shape of `a` and `b` by numpy's rule: aligned from the right, equal or 1. */
export function broadcastShapes(operation: string, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, i) => {
    const x = a[i - (rank - a.length)] ?? 1
    const y = b[i - (rank - b.length)] ?? 1
    if (x !== y && x !== 1 && y !== 1) fail(operation, `shapes ${showShape(a)} and ${showShape(b)} do not broadcast`)
    return x === 1 ? y : x
  })
}

/** Row-major strides, in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = Array.from({ length: shape.length }, () => 1)
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = strides[i + 1]! * shape[i + 1]!
  return strides
}
