// The loss curves of several runs in one chart.
import { useMemo, useState } from 'react'
import type { Comparison } from '@jora/gui/client'
import { Chart } from '../../charts/chart'
import { align, type Colour, type Line } from '../../charts/lines'
import { ScaleTools } from '../../charts/scale-tools'
import { Segments } from '../../ui/segments'

type Shown = 'loss' | 'heldOut'

export function ComparedCurves({ comparison }: { readonly comparison: Comparison }) {
  const [shown, setShown] = useState<Shown>('loss')
  const [log, setLog] = useState(false)
  const [smoothing, setSmoothing] = useState(0.9)
  const { x, lines } = useMemo(() => {
    const curves = comparison.runs.map(({ metrics: { steps, evals } }) => {
      const from = shown === 'loss' ? steps : evals
      return { x: from.step.map((step) => step ?? 0), y: from.loss }
    })
    const aligned = align(curves)
    const names = distinct(comparison.runs.map(({ run }) => run.name))
    const lines = names.map((label, i): Line => ({
      label,
      colour: ((i % 6) + 1) as Colour,
      values: aligned.ys[i]!,
      ...(shown === 'heldOut' && { sparse: true }),
    }))
    return { x: aligned.x, lines }
  }, [comparison, shown])
  return (
    <section className="panel" aria-labelledby="curves-title">
      <h2 id="curves-title">{shown === 'loss' ? 'Loss' : 'Held-out loss'}</h2>
      {x.length === 0 && <p className="soft">None of these runs has measured it yet.</p>}
      <Chart
        title={shown === 'loss' ? 'Loss by step' : 'Held-out loss by step'}
        x={x}
        lines={lines}
        log={log}
        smoothing={shown === 'loss' ? smoothing : 0}
        height={340}
        tools={
          <>
            <Segments
              label="Which loss"
              value={shown}
              options={[
                { value: 'loss', label: 'Loss' },
                { value: 'heldOut', label: 'Held-out loss' },
              ]}
              onChange={setShown}
            />
            <ScaleTools log={log} onLog={setLog} smoothing={smoothing} onSmoothing={setSmoothing} />
          </>
        }
      />
    </section>
  )
}

/** Names that are not told apart get a number. */
export function distinct(names: readonly string[]): string[] {
  const seen = new Map<string, number>()
  return names.map((name) => {
    const count = (seen.get(name) ?? 0) + 1
    seen.set(name, count)
    return count === 1 ? name : `${name} (${count})`
  })
}
