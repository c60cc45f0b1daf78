// Curves in characters: braille dots, two by four of them in each.

/** A value at a place. */
interface Point {
  readonly step: number
  readonly value: number
}

const dots = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
] as const

const shown = (value: number): string => (Math.abs(value) >= 1000 ? value.toExponential(1) : value.toFixed(3))

/**
 * A curve in `width` columns and `height` lines, axis included: each column of dots the mean of the points that fall into
 * it, joined by lines. Values that are not finite must be left out before.
 */
export function plot(points: readonly Point[], { width, height }: { width: number; height: number }): string[] {
  if (points.length === 0) return ['nothing to plot']
  const low = points.reduce((least, { value }) => Math.min(least, value), Infinity)
  const high = points.reduce((most, { value }) => Math.max(most, value), -Infinity)
  const labels = [shown(high), shown(low)]
  const margin = Math.max(...labels.map((label) => label.length)) + 1
  const [columns, lines] = [2 * Math.max(4, width - margin - 1), 4 * Math.max(2, height - 1)]
  const first = points[0]!.step
  const span = Math.max(1, points.at(-1)!.step - first)
  const sums = new Map<number, [sum: number, count: number]>()
  for (const { step, value } of points) {
    const column = Math.round(((step - first) / span) * (columns - 1))
    const [sum, count] = sums.get(column) ?? [0, 0]
    sums.set(column, [sum + value, count + 1])
  }
  const cells = Array.from({ length: lines / 4 }, () => new Uint8Array(columns / 2))
  const set = (x: number, y: number) => (cells[Math.floor(y / 4)]![Math.floor(x / 2)]! |= dots[y % 4]![x % 2]!)
  const lineOf = (value: number) => Math.round((high === low ? 0.5 : (high - value) / (high - low)) * (lines - 1))
  let before: readonly [x: number, y: number] | undefined
  for (const [x, [sum, count]] of [...sums.entries()].sort(([a], [b]) => a - b)) {
    const y = lineOf(sum / count)
    const [fromX, fromY] = before ?? [x, y]
    const steps = Math.max(1, x - fromX, Math.abs(y - fromY))
    for (let i = 0; i <= steps; i++)
      set(Math.round(fromX + ((x - fromX) * i) / steps), Math.round(fromY + ((y - fromY) * i) / steps))
    before = [x, y]
  }
  const label = (i: number) => (i === 0 ? labels[0]! : i === cells.length - 1 ? labels[1]! : '').padStart(margin - 1)
  const drawn = cells.map(
    (row, i) => `${label(i)} │${[...row].map((bits) => String.fromCharCode(0x2800 + bits)).join('')}`,
  )
  const [from, to] = [`step ${first}`, String(points.at(-1)!.step)]
  return [...drawn, `${' '.repeat(margin)}${from}${to.padStart(Math.max(to.length + 1, width - margin - from.length))}`]
}
