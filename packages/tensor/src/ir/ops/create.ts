// Ops without inputs: constants and ranges.
import type { DType } from '../../dtype'
import { fail } from '../../errors'
import { showShape, sizeOf, type Shape } from '../../shape'
import type { OpRules } from '../rule'

export interface CreateParams {
  full: { readonly shape: Shape; readonly dtype: DType; readonly value: number }
  /** A small table written in the graph itself, row-major. */
  literal: { readonly shape: Shape; readonly dtype: DType; readonly values: readonly number[] }
  iota: { readonly shape: Shape; readonly dtype: DType; readonly axis: number }
}

export const createRules: OpRules<CreateParams> = {
  full: { inputs: [], reads: [], shape: (_inputs, { shape, dtype }) => [{ shape, dtype }] },
  literal: {
    inputs: [],
    reads: [],
    shape: (_inputs, { shape, dtype, values }, op) => {
      if (values.length !== sizeOf(shape)) fail(op, `${values.length} values do not fill ${showShape(shape)}`)
      return [{ shape, dtype }]
    },
  },
  iota: {
    inputs: [],
    reads: [],
    shape: (_inputs, { shape, dtype, axis }, op) => {
      if (axis < 0 || axis >= shape.length) fail(op, `axis ${axis} is outside ${showShape(shape)}`)
      return [{ shape, dtype }]
    },
  },
}
