// How numbers are spread, and how they go, in one line of text.

const blocks = '▁▂▃▄▅▆▇█'

/** Counts of numbers in bins of equal width, and a bar for each. */
export function histogram(
  numbers: readonly number[],
  most = 16,
): { bins: { from: number; to: number; count: number }[]; text: string } {
  let [low, high] = [Infinity, -Infinity]
  for (const n of numbers) [low, high] = [Math.min(low, n), Math.max(high, n)]
  const width = Math.max(1, Math.ceil((high - low + 1) / most))
  const bins = Array.from({ length: Math.ceil((high - low + 1) / width) }, (_, i) => ({
    from: low + i * width,
    to: Math.min(high, low + (i + 1) * width - 1),
    count: 0,
  }))
  for (const n of numbers) bins[Math.floor((n - low) / width)]!.count++
  const largest = bins.reduce((most, { count }) => Math.max(most, count), 0)
  const bar = (count: number) => (count === 0 ? ' ' : blocks[Math.ceil((count / largest) * blocks.length) - 1])
  return { bins, text: bins.map(({ count }) => bar(count)).join('') }
}

/** How numbers go from the first to the last, in at most `width` characters: each the mean of its share of them. */
export function sparkline(numbers: readonly number[], width: number): string {
  const known = numbers.filter(Number.isFinite)
  const count = Math.min(width, known.length)
  const means = Array.from({ length: count }, (_, i) => {
    const share = known.slice(Math.floor((i * known.length) / count), Math.floor(((i + 1) * known.length) / count))
    return share.reduce((sum, n) => sum + n, 0) / share.length
  })
  const [low, high] = [Math.min(...means), Math.max(...means)]
  const level = (n: number) => (high === low ? 0 : Math.round(((n - low) / (high - low)) * (blocks.length - 1)))
  return means.map((n) => blocks[level(n)]).join('')
}
