// Smoothing of a curve: an exponential moving average without the pull of its start.

/**
 * m ← β m + (1 − β) x, divided by 1 − βⁿ, so that the first points are not drawn to zero (as Adam's first moment).
 * @param values holes (null, NaN) stay holes and change nothing
 * @param strength β in [0, 1); 0 gives the values themselves
 */
export function smooth(values: readonly (number | null)[], strength: number): (number | null)[] {
  if (strength <= 0) return [...values]
  let mean = 0
  let weight = 0
  return values.map((value) => {
    if (value === null || !Number.isFinite(value)) return null
    mean = strength * mean + (1 - strength) * value
    weight = strength * weight + (1 - strength)
    return mean / weight
  })
}
