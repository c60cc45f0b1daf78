// PiSSA (Meng et al. 2024): A and B begin as the largest singular values and vectors of the base weight.
import { largestSingular } from '../singular'
import { fromBase } from './from-base'

/** A = √(S/s)·Vᵀ and B = U·√(S/s), so that s·B A is the best approximation of the weight of that rank. */
export const pissa = fromBase((base, { rows, columns, r }, scale) => {
  const triplets = largestSingular(base, rows, columns, r)
  const loraA = new Float32Array(r * columns)
  const loraB = new Float32Array(rows * r)
  for (const [k, { value, left, right }] of triplets.entries()) {
    const factor = Math.sqrt(value / scale)
    for (let i = 0; i < columns; i++) loraA[k * columns + i] = factor * right[i]!
    for (let i = 0; i < rows; i++) loraB[i * r + k] = factor * left[i]!
  }
  return { loraA, loraB }
})
