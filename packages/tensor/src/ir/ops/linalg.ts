// Matrix products.
import { fail } from '../../errors'
import { broadcastShapes, showShape, type Shape } from '../../shape'
import { alike, float, input, type Aval, type OpRules } from '../rule'

export interface LinalgParams {
  dot: { readonly transposeA: boolean; readonly transposeB: boolean }
}

function dotShape(op: string, a: Aval, b: Aval, { transposeA, transposeB }: LinalgParams['dot']): Shape {
  if (a.shape.length < 2 || b.shape.length < 2)
    fail(op, `needs at least 2 dimensions, got ${showShape(a.shape)}·${showShape(b.shape)}`)
  const [aRows, aCols] = a.shape.slice(-2) as [number, number]
  const [bRows, bCols] = b.shape.slice(-2) as [number, number]
  const [m, k] = transposeA ? [aCols, aRows] : [aRows, aCols]
  const [k2, n] = transposeB ? [bCols, bRows] : [bRows, bCols]
  const turned = (shape: Shape, transposed: boolean) => showShape(shape) + (transposed ? 'ᵀ' : '')
  if (k !== k2) fail(op, `inner dims ${k} ≠ ${k2} for ${turned(a.shape, transposeA)}·${turned(b.shape, transposeB)}`)
  return [...broadcastShapes(op, a.shape.slice(0, -2), b.shape.slice(0, -2)), m, n]
}

export const linalgRules: OpRules<LinalgParams> = {
  dot: {
    inputs: [alike(float), alike(float)],
    reads: 'moved',
    shape: (inputs, params, op) => {
      const a = input(inputs, 0)
      return [{ shape: dotShape(op, a, input(inputs, 1), params), dtype: a.dtype }]
    },
  },
}
