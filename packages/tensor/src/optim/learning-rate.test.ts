// Learning rates against the formulas of transformers' optimization.py.
import { describe, expect, test } from 'vitest'
import { learningRateAt, type SchedulerName } from '../index'

const rates = (scheduler: SchedulerName, warmupSteps: number, totalSteps: number, steps: readonly number[]): number[] =>
  steps.map((step) => learningRateAt(step, { scheduler, learningRate: 2, warmupSteps, totalSteps }))

const near = (actual: readonly number[], expected: readonly number[]) =>
  expected.forEach((x, i) => expect(actual[i]).toBeCloseTo(x, 12))

describe('learning rate', () => {
  test('constant, with and without warm-up', () => {
    near(rates('constant', 0, 10, [0, 5, 9]), [2, 2, 2])
    near(rates('constant', 4, 10, [0, 1, 2, 3, 4, 5]), [0, 0.5, 1, 1.5, 2, 2])
  })

  // max(0, (total − step) / (total − warmup))
  test('linear', () => {
    near(rates('linear', 0, 10, [0, 1, 5, 9, 10, 11]), [2, 1.8, 1, 0.2, 0, 0])
    near(rates('linear', 2, 10, [0, 1, 2, 6, 9]), [0, 1, 2, 1, 0.25])
  })

  // max(0, ½ (1 + cos(π (step − warmup) / (total − warmup))))
  test('cosine', () => {
    near(rates('cosine', 0, 8, [0, 2, 4, 6, 8]), [2, 1 + Math.SQRT1_2, 1, 1 - Math.SQRT1_2, 0])
    near(rates('cosine', 4, 12, [0, 2, 4, 6, 8, 10]), [0, 1, 2, 1 + Math.SQRT1_2, 1, 1 - Math.SQRT1_2])
  })

  test('warm-up as long as the run never divides by zero', () => {
    near(rates('cosine', 4, 4, [0, 3, 4]), [0, 1.5, 2])
    near(rates('linear', 5, 3, [2, 4]), [0.8, 1.6])
  })
})
