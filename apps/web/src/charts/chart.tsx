// A chart: lines, a cursor that mouse and arrow keys move, what is under it in words, and the same as a table.
import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent, type ReactNode } from 'react'
import type uPlot from 'uplot'
import { integer, number } from '../format'
import { useShade } from '../shell/theme'
import { ChartTable } from './chart-table'
import { lastOf, valueAt, type Line } from './lines'
import { createPlot, plotData } from './plot'

interface ChartProps {
  /** What it is, for those who do not see it. */
  readonly title: string
  readonly x: readonly number[]
  readonly lines: readonly Line[]
  readonly height?: number
  readonly log?: boolean
  readonly smoothing?: number
  /** Controls that are above it. */
  readonly tools?: ReactNode
}

export function Chart({ title, x, lines, height = 280, log = false, smoothing = 0, tools }: ChartProps) {
  const host = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)
  const [cursor, setCursor] = useState<number>()
  const [zoomed, setZoomed] = useState(false)
  const [asTable, setAsTable] = useState(false)
  const shade = useShade()
  const shape = lines.map(({ label, colour, sparse }) => `${label} ${colour} ${sparse ?? false}`).join('|')
  const data = useRef({ x, lines })
  data.current = { x, lines }
  const started = useRef(0)
  const drawn = useRef<readonly Line[]>(undefined)

  const onDrawn = () => {
    if (started.current === 0) return
    performance.measure('jora-chart', { start: started.current, detail: data.current.x.length })
    started.current = 0
  }

  useLayoutEffect(() => {
    const element = host.current
    if (asTable || element === null) return
    element.style.setProperty('--chart-height', `${height}px`)
    started.current = performance.now()
    drawn.current = data.current.lines
    const made = createPlot(element, data.current.x, data.current.lines, {
      log,
      smoothing,
      height,
      onCursor: setCursor,
      onZoom: setZoomed,
      onDrawn,
    })
    plot.current = made
    const resize = new ResizeObserver(() => made.setSize({ width: Math.max(200, element.clientWidth), height }))
    resize.observe(element)
    return () => {
      resize.disconnect()
      made.destroy()
      plot.current = undefined
    }
    // `shape` says when the lines are others; their values go in below.
  }, [asTable, log, smoothing, height, shade, shape])

  useEffect(() => {
    const made = plot.current
    // What it was made with need not be drawn again.
    if (made === undefined || drawn.current === lines) return
    drawn.current = lines
    started.current = performance.now()
    made.setData(plotData(x, lines, smoothing), !zoomed)
    // The zoom alone changes no data.
  }, [x, lines, smoothing])

  const at = cursor ?? x.length - 1
  const readout = useMemo(
    () =>
      lines.map((line) => {
        const value = cursor === undefined ? lastOf(line) : valueAt(line, at)
        return { line, text: value === null ? '–' : (line.format ?? number)(value) }
      }),
    [lines, at, cursor],
  )
  const spoken = `step ${x[at] ?? 0}: ${readout.map(({ line, text }) => `${line.label} ${text}`).join(', ')}`

  const move = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.round(x.length / 20))
    const target = {
      ArrowLeft: at - 1,
      ArrowRight: at + 1,
      PageDown: at - page,
      PageUp: at + page,
      Home: 0,
      End: x.length - 1,
    }[event.key]
    const made = plot.current
    if (target === undefined || made === undefined || x.length === 0) return
    event.preventDefault()
    const index = Math.min(x.length - 1, Math.max(0, target))
    made.setCursor({ left: made.valToPos(x[index]!, 'x'), top: 0 })
  }

  const hint = useId()
  return (
    <figure className="chart">
      <div className="chart-tools">
        {tools}
        <label className="tick">
          <input type="checkbox" checked={asTable} onChange={() => setAsTable(!asTable)} />
          <span>Show as table</span>
        </label>
        {zoomed && !asTable && (
          <button
            type="button"
            className="button button-small"
            onClick={() => plot.current?.setData(plotData(x, lines, smoothing))}
          >
            Show all steps
          </button>
        )}
      </div>
      {asTable ? (
        <ChartTable title={title} x={x} lines={lines} />
      ) : (
        <>
          <div
            ref={host}
            className="chart-canvas"
            role="slider"
            tabIndex={0}
            aria-label={title}
            aria-describedby={hint}
            aria-valuemin={x[0] ?? 0}
            aria-valuemax={x.at(-1) ?? 0}
            aria-valuenow={x[at] ?? 0}
            aria-valuetext={spoken}
            onKeyDown={move}
          />
          <span id={hint} className="visually-hidden">
            Arrow keys move from step to step. The same numbers stand in the table.
          </span>
          <figcaption className="chart-readout">
            <span className="soft">
              {cursor === undefined ? 'latest, ' : ''}step {x.length === 0 ? '–' : integer(x[at] ?? 0)}
            </span>
            {readout.map(({ line, text }) => (
              <span key={line.label}>
                <span className={`line-swatch fill-${line.colour}`} aria-hidden="true" />
                {line.label} <strong>{text}</strong>
              </span>
            ))}
          </figcaption>
        </>
      )}
    </figure>
  )
}
