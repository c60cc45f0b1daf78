// The curves of the loss, on the data that is learned and on what is held out.
import { useMemo, useState } from 'react'
import { Chart } from '../../charts/chart'
import type { Line } from '../../charts/lines'
import { ScaleTools } from '../../charts/scale-tools'
import type { RunCurves } from './history'

export function LossChart({ curves }: { readonly curves: RunCurves }) {
  const [log, setLog] = useState(false)
  const [smoothing, setSmoothing] = useState(0.6)
  const { x, loss, heldOut } = curves
  const lines = useMemo<readonly Line[]>(
    () => [
      { label: 'loss', colour: 1, values: loss },
      ...(heldOut.some((value) => value !== null)
        ? [{ label: 'held-out loss', colour: 2, values: heldOut, sparse: true } as const]
        : []),
    ],
    [loss, heldOut],
  )
  return (
    <section className="panel" aria-labelledby="loss-title">
      <h2 id="loss-title">Loss</h2>
      <Chart
        title="Loss by step"
        x={x}
        lines={lines}
        log={log}
        smoothing={smoothing}
        height={300}
        tools={<ScaleTools log={log} onLog={setLog} smoothing={smoothing} onSmoothing={setSmoothing} />}
      />
      <p className="small soft">
        How surprised the model is by the right answer: lower is better. The held-out loss counts rows it never learns
        from. When that rises while the loss falls, the model is learning the rows by heart.
      </p>
    </section>
  )
}
