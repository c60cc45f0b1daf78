// The largest singular values: vectors are orthonormal, belong to their values, and leave what the next ones say.
import { Random } from '@jora/data'
import { describe, expect, test } from 'vitest'
import { largestSingular, orthonormalise } from './singular'

const noise = (seed: number, count: number): Float32Array => {
  const random = new Random(seed)
  return Float32Array.from({ length: count }, () => random.below(2 ** 24) / 2 ** 23 - 1)
}

/** A matrix whose singular values are these: U S Vᵀ of two orthonormalised noises. */
function withValues(values: readonly number[], rows: number, columns: number): Float32Array {
  const basis = (seed: number, size: number): Float64Array[] => {
    const made: Float64Array[] = []
    for (const [k] of values.entries()) {
      const vector = Float64Array.from(noise(seed + k, size))
      orthonormalise(vector, made)
      made.push(vector)
    }
    return made
  }
  const [u, v] = [basis(1, rows), basis(1000, columns)]
  return Float32Array.from({ length: rows * columns }, (_, at) => {
    const [i, j] = [Math.floor(at / columns), at % columns]
    return values.reduce((sum, value, k) => sum + value * u[k]![i]! * v[k]![j]!, 0)
  })
}

const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, x, i) => sum + x * b[i]!, 0)

describe('largestSingular', () => {
  const decaying = Array.from({ length: 40 }, (_, i) => 10 * 0.8 ** i)
  test.each([
    ['a wide one', decaying, 48, 96],
    ['a tall one', decaying, 130, 40],
    ['equal ones in front', [5, 5, 5, 2, 1, 0.5, 0.1], 30, 50],
  ])('finds the values of %s', (_, values, rows, columns) => {
    const rank = 5
    const found = largestSingular(withValues(values, rows, columns), rows, columns, rank)
    for (const [k, { value }] of found.entries()) expect(Math.abs(value / values[k]! - 1)).toBeLessThan(1e-6)
    expect(found).toHaveLength(rank)
    for (const side of ['left', 'right'] as const)
      for (let i = 0; i < rank; i++)
        for (let j = 0; j <= i; j++)
          expect(Math.abs(dot(found[i]![side], found[j]![side]) - (i === j ? 1 : 0))).toBeLessThan(1e-9)
  })

  test('of a matrix without structure: W v = σ u, Wᵀ u = σ v, and none larger is left', () => {
    const [rows, columns, rank] = [70, 90, 6]
    const matrix = noise(7, rows * columns)
    const found = largestSingular(matrix, rows, columns, rank)
    const rest = Float32Array.from(matrix, (x, at) => {
      const [i, j] = [Math.floor(at / columns), at % columns]
      return found.reduce((sum, { value, left, right }) => sum - value * left[i]! * right[j]!, x)
    })
    for (const { value, left, right } of found)
      for (let i = 0; i < rows; i++) {
        const row = Float64Array.from(matrix.subarray(i * columns, (i + 1) * columns))
        expect(Math.abs(dot(row, right) - value * left[i]!)).toBeLessThan(2e-5)
      }
    const [next] = largestSingular(rest, rows, columns, 1)
    expect(next!.value).toBeLessThanOrEqual(found.at(-1)!.value)
    const all = largestSingular(matrix, rows, columns, rows)
    const squares = matrix.reduce((sum, x) => sum + x * x, 0)
    expect(all.reduce((sum, { value }) => sum + value * value, 0) / squares).toBeCloseTo(1, 9)
  })

  test('of a matrix of a lower rank there are fewer, and of zeros none', () => {
    expect(largestSingular(withValues([3, 2], 12, 20), 12, 20, 5)).toHaveLength(2)
    expect(largestSingular(new Float32Array(12 * 20), 12, 20, 5)).toHaveLength(0)
  })
})
