// Reading and adding rows by index.
import { fail } from '../../errors'
import { showShape } from '../../shape'
import { any, expectShape, i32, input, named, number, type OpRules } from '../rule'

export interface IndexingParams {
  /** With `batchDims` 1, dimension 0 of both inputs is a batch: each element of it is read, or added to, by itself. */
  gather: { readonly axis: number; readonly batchDims: 0 | 1 }
  scatterAdd: { readonly size: number; readonly batchDims: 0 | 1 }
}

const indices = named('indices', i32)

export const indexingRules: OpRules<IndexingParams> = {
  gather: {
    inputs: [any, indices],
    reads: 'moved',
    shape: (inputs, { axis, batchDims }, op) => {
      const [x, at] = [input(inputs, 0), input(inputs, 1)]
      if (batchDims === 1) {
        if (axis !== 1) fail(op, `gathers along axis 1 in a batch, got axis ${axis}`)
        if (at.shape.length === 0 || at.shape[0] !== x.shape[0])
          fail(op, `indices ${showShape(at.shape)} and ${showShape(x.shape)} are not of one batch`)
      }
      const found = at.shape.slice(batchDims)
      return [{ shape: [...x.shape.slice(0, axis), ...found, ...x.shape.slice(axis + 1)], dtype: x.dtype }]
    },
  },
  scatterAdd: {
    inputs: [indices, named('updates', number)],
    reads: 'moved',
    shape: (inputs, { size, batchDims }, op) => {
      const [at, updates] = [input(inputs, 0), input(inputs, 1)]
      const rank = at.shape.length
      expectShape(op, 'indices', at, updates.shape.slice(0, rank))
      if (batchDims > rank) fail(op, 'indices of a batch need at least 1 dimension, got none')
      return [
        {
          shape: [...at.shape.slice(0, batchDims), size, ...updates.shape.slice(rank)],
          dtype: updates.dtype,
        },
      ]
    },
  },
}
