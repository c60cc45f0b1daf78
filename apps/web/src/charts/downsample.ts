// Fewer points that look the same: of every bucket its lowest and highest.

/** Ascending indices of at most `2 · buckets` points; all when there are no more. The first and last point stay. */
export function extremes(values: readonly number[], buckets: number): number[] {
  const count = values.length
  if (count <= 2 * buckets) return values.map((_, i) => i)
  const kept = new Set<number>([0, count - 1])
  for (let bucket = 0; bucket < buckets; bucket++) {
    const from = Math.floor((bucket * count) / buckets)
    const to = Math.floor(((bucket + 1) * count) / buckets)
    let [low, high] = [from, from]
    for (let i = from; i < to; i++) {
      if (values[i]! < values[low]!) low = i
      if (values[i]! > values[high]!) high = i
    }
    // One point of the first and the last bucket gives way to the end that is kept anyway.
    if (bucket === 0) kept.add(low === 0 ? high : low)
    else if (bucket === buckets - 1) kept.add(low === count - 1 ? high : low)
    else kept.add(low).add(high)
  }
  return [...kept].sort((a, b) => a - b)
}

/** About `count` indices from first to last, evenly: the rows of a table that stands for a chart. */
export function evenly(length: number, count: number): number[] {
  if (length <= count) return Array.from({ length }, (_, i) => i)
  return Array.from({ length: count }, (_, i) => Math.round((i * (length - 1)) / (count - 1)))
}
