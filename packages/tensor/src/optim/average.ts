// Averages of the parameters over the steps of a run.
import { add, mul, sub } from '../ops/elementwise'
import type { Tensor } from '../tensor'
import { treeMap, type Tree } from '../tree'

/**
 * The exponential moving average after a step: d·average + (1 − d)·params. With d 0 at the first step it begins as the
 * parameters after it, as torch's `AveragedModel` does.
 * @param decay d, f32 `[]`
 */
export const movingAverage = <T extends Tree>(average: T, params: T, decay: Tensor): T =>
  treeMap((old, p) => add(p, mul(sub(old, p), decay)), average, params)

/**
 * Each step's share of an average of all steps up to it, weighted by the square of the highest rate so far, as schedule-free
 * AdamW weighs them. A function of step and rates alone, so that a resumed run has the same shares.
 * @param rateAt the learning rate of step 1, 2, …
 */
export function averagingShares(rateAt: (step: number) => number): (step: number) => number {
  let [done, highest, sum] = [0, 0, 0]
  return (step) => {
    if (step <= done) [done, highest, sum] = [0, 0, 0]
    while (done < step) {
      highest = Math.max(highest, rateAt(++done))
      sum += highest ** 2
    }
    return sum === 0 ? 0 : highest ** 2 / sum
  }
}
