// A curve the size of a word.
import { number } from '../format'
import { extremes } from './downsample'

const [width, height, points] = [128, 32, 60]

/** The path of values over their index, fitted to the box. */
export function sparkPath(values: readonly number[]): string {
  const kept = extremes(values, points)
  const [low, high] = kept.reduce(
    ([min, max], i) => [Math.min(min, values[i]!), Math.max(max, values[i]!)],
    [Infinity, -Infinity],
  )
  const spread = high - low || 1
  const last = Math.max(1, values.length - 1)
  return kept
    .map((i, n) => {
      const [px, py] = [(i / last) * width, height - ((values[i]! - low) / spread) * height]
      return `${n === 0 ? 'M' : 'L'}${px.toFixed(1)} ${py.toFixed(1)}`
    })
    .join('')
}

export function Sparkline({ values, label }: { readonly values: readonly number[]; readonly label: string }) {
  const finite = values.filter(Number.isFinite)
  if (finite.length < 2) return <span className="soft small">no curve yet</span>
  return (
    <svg
      className="spark"
      viewBox={`0 -2 ${width} ${height + 4}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={`${label}: from ${number(finite[0]!)} to ${number(finite.at(-1)!)}`}
    >
      <path d={sparkPath(finite)} />
    </svg>
  )
}
