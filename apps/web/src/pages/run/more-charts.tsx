// The other curves: how big the steps are, and the memory of each device.
import { useMemo, useState } from 'react'
import { Chart } from '../../charts/chart'
import type { Colour, Line } from '../../charts/lines'
import { bytes } from '../../format'
import type { RunCurves } from './history'

interface MoreChartsProps {
  readonly curves: RunCurves
  /** Whether the run uses its devices now. */
  readonly live: boolean
}

export function MoreCharts({ curves, live }: MoreChartsProps) {
  const { x, learningRate, gradNorm, deviceBytes } = curves
  const [open, setOpen] = useState(false)
  const rate = useMemo<readonly Line[]>(
    () => [{ label: 'learning rate', colour: 4, values: learningRate }],
    [learningRate],
  )
  const norm = useMemo<readonly Line[]>(() => [{ label: 'gradient norm', colour: 3, values: gradNorm }], [gradNorm])
  const memory = useMemo<readonly Line[]>(
    () =>
      deviceBytes.slice(0, 6).map((values, device) => ({
        label: deviceBytes.length === 1 ? 'memory' : `device ${device}`,
        colour: (device + 1) as Colour,
        values,
        format: bytes,
      })),
    [deviceBytes],
  )
  return (
    <div className="columns columns-wide">
      <section className="panel" aria-labelledby="rate-title">
        <h2 id="rate-title">Learning rate</h2>
        <Chart title="Learning rate by step" x={x} lines={rate} height={180} />
      </section>
      <section className="panel" aria-labelledby="norm-title">
        <h2 id="norm-title">Gradient norm</h2>
        <Chart title="Gradient norm by step" x={x} lines={norm} height={180} smoothing={0.6} />
      </section>
      {memory.length > 0 && (
        <section className="panel" aria-labelledby="memory-title">
          <h2 id="memory-title">Memory by device</h2>
          <DeviceBars deviceBytes={deviceBytes} live={live} />
          <details onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
            <summary>As a curve</summary>
            {open && <Chart title="Memory by step" x={x} lines={memory} height={180} />}
          </details>
        </section>
      )}
    </div>
  )
}

function DeviceBars({ deviceBytes, live }: Pick<RunCurves, 'deviceBytes'> & Pick<MoreChartsProps, 'live'>) {
  const devices = deviceBytes.map((values) => ({
    now: values.findLast((value) => value !== null) ?? 0,
    peak: values.reduce<number>((most, value) => Math.max(most, value ?? 0), 0),
  }))
  const most = Math.max(1, ...devices.map(({ peak }) => peak))
  return (
    <ul className="stack device-bars">
      {devices.map(({ now, peak }, device) => (
        <li key={device} className="stack stack-s">
          <span className="row row-between small num">
            <span>Device {device}</span>
            <span>
              {live && (
                <>
                  <strong>{bytes(now)}</strong> <span className="soft">now, </span>
                </>
              )}
              <span className={live ? 'soft' : ''}>{bytes(peak)} at most</span>
            </span>
          </span>
          <meter
            className="meter"
            min={0}
            max={most}
            value={live ? now : peak}
            aria-label={`Memory of device ${device}`}
          />
        </li>
      ))}
    </ul>
  )
}
