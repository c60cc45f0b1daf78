// How sure a mean is: the bootstrap.

import { Random } from '../random'

/** A mean with the interval that it is in. */
export interface Estimate {
  readonly mean: number
  /** Bounds of 95 %. */
  readonly low: number
  readonly high: number
  /** Values it is the mean of. */
  readonly count: number
}

const resamples = 1000

/**
 * The mean of some values and its 95 % interval, by the percentiles of 1,000 samples drawn with replacement (Efron 1979).
 * The same values and seed give the same interval.
 */
export function bootstrap(values: readonly number[], seed = 420): Estimate {
  const count = values.length
  const mean = values.reduce((sum, value) => sum + value, 0) / Math.max(1, count)
  if (count < 2) return { mean, low: mean, high: mean, count }
  const random = new Random(seed)
  const means = Array.from({ length: resamples }, () => {
    let sum = 0
    for (let i = 0; i < count; i++) sum += values[random.below(count)]!
    return sum / count
  }).sort((a, b) => a - b)
  return { mean, low: means[Math.floor(0.025 * resamples)]!, high: means[Math.ceil(0.975 * resamples) - 1]!, count }
}
