// How long the samples are: a small bar for each range of lengths.
import type { Preview } from '@jora/gui/client'
import { integer } from '../../format'

export function LengthBars({ lengths }: { readonly lengths: Preview['lengths'] }) {
  const { histogram, shortest, longest, median } = lengths
  const most = Math.max(1, ...histogram)
  const width = 100 / Math.max(1, histogram.length)
  return (
    <div>
      <dt>Lengths</dt>
      <dd>
        <svg
          className="length-bars"
          viewBox="0 0 100 24"
          preserveAspectRatio="none"
          role="img"
          aria-label={`From ${integer(shortest)} to ${integer(longest)} tokens, half of them up to ${integer(median)}`}
        >
          {histogram.map((count, i) => {
            const height = count === 0 ? 0 : Math.max(1.5, (count / most) * 24)
            return <rect key={i} x={i * width} y={24 - height} width={width * 0.85} height={height} />
          })}
        </svg>
      </dd>
    </div>
  )
}
