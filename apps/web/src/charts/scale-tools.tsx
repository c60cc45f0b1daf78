// What can be chosen for a chart: the scale and the smoothing.
import { useId } from 'react'
import { Segments } from '../ui/segments'

interface ScaleToolsProps {
  readonly log: boolean
  readonly onLog: (log: boolean) => void
  readonly smoothing: number
  readonly onSmoothing: (smoothing: number) => void
}

export function ScaleTools({ log, onLog, smoothing, onSmoothing }: ScaleToolsProps) {
  const id = useId()
  return (
    <>
      <Segments
        label="Scale"
        value={log ? 'log' : 'linear'}
        options={[
          { value: 'linear', label: 'Linear' },
          { value: 'log', label: 'Log' },
        ]}
        onChange={(value) => onLog(value === 'log')}
      />
      <span className="row">
        <label htmlFor={id}>Smoothing</label>
        <input
          id={id}
          type="range"
          min={0}
          max={0.98}
          step={0.02}
          value={smoothing}
          onChange={(event) => onSmoothing(Number(event.target.value))}
          aria-valuetext={smoothing === 0 ? 'off' : smoothing.toFixed(2)}
        />
        <span className="num soft readout-narrow" aria-hidden="true">
          {smoothing === 0 ? 'off' : smoothing.toFixed(2)}
        </span>
      </span>
    </>
  )
}
