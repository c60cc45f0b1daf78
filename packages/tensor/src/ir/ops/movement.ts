// Movement: the same elements in another shape, order or place.
import { fail } from '../../errors'
import { broadcastShapes, sameShape, showShape, sizeOf, type Shape } from '../../shape'
import { alike, any, expectShape, i32, input, likeFirst, named, repeated, type OpRules } from '../rule'

export interface MovementParams {
  reshape: { readonly shape: Shape }
  transpose: { readonly permutation: readonly number[] }
  broadcastTo: { readonly shape: Shape }
  slice: { readonly starts: readonly number[]; readonly limits: readonly number[] }
  pad: { readonly low: readonly number[]; readonly high: readonly number[]; readonly value: number }
  concat: { readonly axis: number }
  dynamicSlice: { readonly axis: number; readonly size: number }
  dynamicUpdateSlice: { readonly axis: number }
}

export const movementRules: OpRules<MovementParams> = {
  reshape: {
    inputs: [any],
    reads: 'same',
    shape: (inputs, { shape }, op) => {
      const from = input(inputs, 0)
      if (sizeOf(from.shape) !== sizeOf(shape))
        fail(
          op,
          `${showShape(from.shape)} has ${sizeOf(from.shape)} elements, ${showShape(shape)} has ${sizeOf(shape)}`,
        )
      return [{ shape, dtype: from.dtype }]
    },
  },
  transpose: {
    inputs: [any],
    reads: 'moved',
    shape: (inputs, { permutation }, op) => {
      const { shape, dtype } = input(inputs, 0)
      const isPermutation =
        permutation.length === shape.length &&
        new Set(permutation).size === shape.length &&
        permutation.every((p) => shape[p] !== undefined)
      if (!isPermutation) fail(op, `[${permutation.join(',')}] is not a permutation of rank ${shape.length}`)
      return [{ shape: permutation.map((p) => shape[p]!), dtype }]
    },
  },
  broadcastTo: {
    inputs: [any],
    reads: 'same',
    shape: (inputs, { shape }, op) => {
      const from = input(inputs, 0)
      if (!sameShape(broadcastShapes(op, from.shape, shape), shape))
        fail(op, `${showShape(from.shape)} does not broadcast to ${showShape(shape)}`)
      return [{ shape, dtype: from.dtype }]
    },
  },
  slice: {
    inputs: [any],
    reads: 'moved',
    shape: (inputs, { starts, limits }, op) => {
      const { shape, dtype } = input(inputs, 0)
      const sliced = shape.map((d, i) => {
        const [start = 0, limit = d] = [starts[i], limits[i]]
        if (start < 0 || limit > d || start > limit)
          fail(op, `${start}..${limit} is outside dimension ${i} of ${showShape(shape)}`)
        return limit - start
      })
      return [{ shape: sliced, dtype }]
    },
  },
  pad: {
    inputs: [any],
    reads: 'moved',
    shape: (inputs, { low, high }) => {
      const { shape, dtype } = input(inputs, 0)
      return [{ shape: shape.map((d, i) => d + (low[i] ?? 0) + (high[i] ?? 0)), dtype }]
    },
  },
  concat: {
    inputs: [repeated(alike(any))],
    reads: 'moved',
    shape: (inputs, { axis }, op) => {
      const { shape, dtype } = input(inputs, 0)
      for (const other of inputs)
        expectShape(
          op,
          'input',
          other,
          shape.map((d, i) => (i === axis ? (other.shape[i] ?? d) : d)),
        )
      const total = inputs.reduce((n, a) => n + (a.shape[axis] ?? 0), 0)
      return [{ shape: shape.map((d, i) => (i === axis ? total : d)), dtype }]
    },
  },
  dynamicSlice: {
    inputs: [any, named('start', i32)],
    reads: 'moved',
    shape: (inputs, { axis, size }, op) => {
      const { shape, dtype } = input(inputs, 0)
      expectShape(op, 'start', input(inputs, 1), [])
      if (size > (shape[axis] ?? 0)) fail(op, `size ${size} exceeds dimension ${axis} of ${showShape(shape)}`)
      return [{ shape: shape.map((d, i) => (i === axis ? size : d)), dtype }]
    },
  },
  dynamicUpdateSlice: {
    inputs: [alike(any), named('update', alike(any)), named('start', i32)],
    reads: ['same', 'moved', 'moved'],
    shape: (inputs, { axis }, op) => {
      const [x, update] = [input(inputs, 0), input(inputs, 1)]
      expectShape(op, 'start', input(inputs, 2), [])
      expectShape(
        op,
        'update',
        update,
        x.shape.map((d, i) => (i === axis ? Math.min(d, update.shape[i] ?? d) : d)),
      )
      return likeFirst(inputs)
    },
  },
}
