// Random draws: pure functions of a key, a stream and an element's place.
import { fail } from '../../errors'
import { sameShape, showShape, type Shape } from '../../shape'
import { input, named, u32, type Aval, type OpRules } from '../rule'

/** A part of a larger array: what is drawn depends on where its elements are in that one. */
export interface Window {
  /** Of the larger array, of the same rank. */
  readonly shape: Shape
  /** Where the part begins, for each dimension. */
  readonly starts: readonly number[]
}

export interface RandomParams {
  /** `stream` separates draws made with one key (a layer's number). */
  randomUniform: { readonly shape: Shape; readonly stream: number; readonly window?: Window }
}

export const drawKey = named('key', u32)

/** A key `[2]`, or one for each row of what is drawn. */
export function checkDraw(op: string, key: Aval, shape: Shape, window: Window | undefined): void {
  const [rows] = shape
  const rowKeys = rows !== undefined && sameShape(key.shape, [rows, 2])
  if (!(rowKeys || sameShape(key.shape, [2]))) {
    const perRow = rows === undefined ? '' : ` or u32[${rows},2]`
    fail(op, `key is ${key.dtype}${showShape(key.shape)}, expected u32[2]${perRow}`)
  }
  if (!window) return
  const { shape: whole, starts } = window
  const fits = (d: number, i: number) => (rowKeys && i === 0) || (starts[i]! >= 0 && starts[i]! + d <= whole[i]!)
  if (whole.length !== shape.length || starts.length !== shape.length || !shape.every(fits))
    fail(op, `a window of ${showShape(shape)} at ${showShape(starts)} is not inside ${showShape(whole)}`)
}

export const randomRules: OpRules<RandomParams> = {
  randomUniform: {
    inputs: [drawKey],
    reads: 'moved',
    shape: (inputs, { shape, window }, op) => {
      checkDraw(op, input(inputs, 0), shape, window)
      return [{ shape, dtype: 'f32' }]
    },
  },
}
