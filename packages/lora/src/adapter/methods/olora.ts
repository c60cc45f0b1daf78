// OLoRA (Büyükakyüz 2024): B begins as the first r orthonormal columns of the base's QR decomposition, A as the rows of R.
import { orthonormalise } from '../singular'
import { fromBase } from './from-base'

/** B = Q and A = QᵀW; the scale is not divided out, as in PEFT. */
export const olora = fromBase((base, { rows, columns, r }) => {
  const basis: Float64Array[] = []
  for (let k = 0; k < r; k++) {
    const column = Float64Array.from({ length: rows }, (_, i) => (k < columns ? base[i * columns + k]! : 0))
    orthonormalise(column, basis)
    basis.push(column)
  }
  const sums = basis.map(() => new Float64Array(columns))
  for (let i = 0; i < rows; i++)
    for (const [k, column] of basis.entries())
      for (let j = 0, q = column[i]!, sum = sums[k]!; j < columns; j++) sum[j]! += q * base[i * columns + j]!
  const loraA = new Float32Array(r * columns)
  for (const [k, sum] of sums.entries()) loraA.set(sum, k * columns)
  return { loraA, loraB: Float32Array.from({ length: rows * r }, (_, i) => basis[i % r]![Math.floor(i / r)]!) }
})
