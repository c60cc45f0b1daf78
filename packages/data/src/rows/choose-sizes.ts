// Which sizes add up nearest to a number: how many groups of each size are held out.

/**
 * Chooses from `sizes` so that their sum is from 1 to `most` and as near to `wanted` as any is; of two as near, the smaller.
 * Sizes that come first are taken where they fit, and only where that misses is the whole table of sums gone through.
 *
 * @param sizes positive integers, in the order of preference
 * @returns how many of each size are chosen; none when no sum is in range
 */
export function chooseSizes(sizes: readonly number[], wanted: number, most: number): Map<number, number> {
  const greedy = new Map<number, number>()
  let sum = 0
  for (const size of sizes) {
    if (sum + size > wanted) continue
    sum += size
    greedy.set(size, (greedy.get(size) ?? 0) + 1)
  }
  if (sum === wanted) return greedy
  const smallest = sizes.reduce((a, b) => Math.min(a, b), Infinity)
  const limit = Math.min(most, Math.max(2 * wanted, smallest))
  const counts = new Map<number, number>()
  for (const size of sizes) counts.set(size, (counts.get(size) ?? 0) + 1)
  const distinct = [...counts].filter(([size]) => size <= limit)
  const last = lastSizes(distinct, limit)
  const reachable = (at: number) => at >= 1 && at <= limit && last[at]! > 0
  let best = 0
  for (let away = 0; best === 0 && away <= Math.max(wanted, limit); away++) {
    if (reachable(wanted - away)) best = wanted - away
    else if (reachable(wanted + away)) best = wanted + away
  }
  const chosen = new Map<number, number>()
  while (best > 0) {
    const size = distinct[last[best]! - 1]![0]
    chosen.set(size, (chosen.get(size) ?? 0) + 1)
    best -= size
  }
  return chosen
}

/** For each sum up to `limit`, 1 + the place of the last size of a way to it; 0 where there is none. */
function lastSizes(distinct: readonly (readonly [size: number, count: number])[], limit: number): Int32Array {
  const last = new Int32Array(limit + 1)
  // How many of the present size the way to a sum takes.
  const used = new Int32Array(limit + 1)
  distinct.forEach(([size, count], place) => {
    used.fill(0)
    for (let sum = size; sum <= limit; sum++) {
      const before = sum - size
      if (last[sum]! > 0 || (before > 0 && last[before] === 0) || used[before]! >= count) continue
      last[sum] = place + 1
      used[sum] = used[before]! + 1
    }
  })
  return last
}
