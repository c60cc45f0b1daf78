// uPlot's options for our lines: colours from the style sheet, thin axes, dashes beside colours.
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import type { Line } from './lines'
import { smooth } from './smooth'

export interface PlotOptions {
  readonly log: boolean
  /** In [0, 1): see `smooth`. */
  readonly smoothing: number
  readonly height: number
  readonly onCursor: (index: number | undefined) => void
  readonly onZoom: (zoomed: boolean) => void
  readonly onDrawn: () => void
}

const dashes: readonly (readonly number[])[] = [[], [7, 4], [2, 3], [10, 3, 2, 3], [5, 2], [1, 4]]

/** Steps are whole: 1, 2, 5, 10, 20, 25, 50, … */
const stepIncrements = [
  1,
  2,
  5,
  ...Array.from({ length: 32 }, (_, i) => [10, 20, 25, 50][i % 4]! * 10 ** Math.floor(i / 4)),
]

/** Series for uPlot: each line that is smoothed has its raw values, faint, under it. */
export function plotData(x: readonly number[], lines: readonly Line[], smoothing: number): uPlot.AlignedData {
  const columns = lines.flatMap((line) =>
    isSmoothed(line, smoothing) ? [line.values, smooth(line.values, smoothing)] : [line.values],
  )
  return [x, ...columns] as unknown as uPlot.AlignedData
}

const isSmoothed = (line: Line, smoothing: number): boolean => smoothing > 0 && line.sparse !== true

export function createPlot(
  host: HTMLElement,
  x: readonly number[],
  lines: readonly Line[],
  { log, smoothing, height, onCursor, onZoom, onDrawn }: PlotOptions,
): uPlot {
  const colour = colourReader(host)
  const [soft, grid] = [colour('--ink-soft'), colour('--line')]
  const told = lines[0]?.format ?? axisText
  const axis = {
    stroke: soft,
    font: `12px ${getComputedStyle(host).fontFamily}`,
    grid: { stroke: grid, width: 1 },
    ticks: { stroke: grid, width: 1, size: 4 },
  }
  const series = lines.flatMap((line): uPlot.Series[] => {
    const stroke = colour(`--curve-${line.colour}`)
    const drawn: uPlot.Series = {
      label: line.label,
      stroke,
      width: 2,
      spanGaps: line.sparse === true,
      dash: [...(dashes[line.sparse === true ? 1 : line.colour === 2 ? 0 : line.colour - 1] ?? [])],
      points:
        line.sparse === true ? { show: true, size: 7, fill: stroke } : { show: (plot) => plot.data[0].length === 1 },
    }
    const raw: uPlot.Series = { ...drawn, width: 1, alpha: 0.28, dash: [], points: { show: false } }
    return isSmoothed(line, smoothing) ? [raw, drawn] : [drawn]
  })
  return new uPlot(
    {
      width: Math.max(200, host.clientWidth),
      height,
      legend: { show: false },
      cursor: { y: false, points: { size: 7 }, drag: { x: true, y: false } },
      scales: { x: { time: false }, y: log ? { distr: 3, log: 10 } : {} },
      axes: [
        { ...axis, space: 55, size: 34, incrs: [...stepIncrements] },
        {
          ...axis,
          size: told === axisText ? 50 : 68,
          values: (_plot, ticks) => ticks.map((tick) => (tick === null ? '' : told(tick))),
        },
      ],
      series: [{ label: 'step' }, ...series],
      hooks: {
        setCursor: [(plot) => onCursor(plot.cursor.idx ?? undefined)],
        setScale: [
          (plot, key) => {
            const xs = plot.data[0]
            const { min, max } = plot.scales.x!
            if (key === 'x' && min != null && max != null && xs.length > 0)
              onZoom(min > xs[0]! || max < xs[xs.length - 1]!)
          },
        ],
        draw: [onDrawn],
      },
    },
    plotData(x, lines, smoothing),
    host,
  )
}

/** 0.05, 2.5, 1e-5: as short as it can be told. */
const axisText = (value: number): string =>
  value !== 0 && Math.abs(value) < 1e-3
    ? value.toExponential(1).replace('.0', '')
    : String(Number(value.toPrecision(4)))

/** Reads a custom property as the colour it comes to in the present theme. */
function colourReader(host: HTMLElement): (property: string) => string {
  return (property) => {
    const probe = document.createElement('span')
    probe.style.color = `var(${property})`
    host.append(probe)
    const { color } = getComputedStyle(probe)
    probe.remove()
    return color
  }
}
