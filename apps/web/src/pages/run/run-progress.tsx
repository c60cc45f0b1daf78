// How far a run is: a bar, and the figures of the moment. Spoken at every tenth of the way, not at every step.
import { useEffect, useRef } from 'react'
import type { MetricsColumns, Run } from '@jora/gui/client'
import { compact, duration, integer, number } from '../../format'
import { announce } from '../../shell/announce'

interface RunProgressProps {
  readonly run: Run
  readonly columns: MetricsColumns | undefined
}

export function RunProgress({ run, columns }: RunProgressProps) {
  const { totalSteps, step } = run
  const tenth = totalSteps === null || totalSteps === 0 ? 0 : Math.floor((10 * step) / totalSteps)
  const said = useRef(tenth)
  useEffect(() => {
    if (tenth > said.current && tenth < 10 && run.state === 'running')
      announce(`${tenth * 10} percent of the steps done`)
    said.current = tenth
  }, [tenth, run.state])

  const active = run.state === 'starting' || run.state === 'running' || run.state === 'paused'
  const checkpoint = columns?.checkpoints.at(-1)
  const seconds = columns?.done?.seconds ?? sum(columns?.steps.stepMs) / 1000
  return (
    <section className="panel stack" aria-label="Progress">
      {(active || run.state === 'queued') && (
        <progress
          className="progress"
          aria-label="Steps done"
          max={totalSteps ?? 1}
          {...(totalSteps === null && run.state !== 'queued' ? {} : { value: step })}
        />
      )}
      <dl className="facts facts-large">
        <div>
          <dt>Steps</dt>
          <dd>
            {integer(step)}
            {totalSteps !== null && <span className="soft"> / {integer(totalSteps)}</span>}
          </dd>
        </div>
        {run.epoch !== null && (
          <div>
            <dt>Passes over the data</dt>
            <dd>{number(run.epoch, 2)}</dd>
          </div>
        )}
        <div>
          <dt>Loss</dt>
          <dd>{run.loss === null ? '–' : number(run.loss)}</dd>
        </div>
        <div>
          <dt>Held-out loss</dt>
          <dd>{run.evalLoss === null ? '–' : number(run.evalLoss)}</dd>
        </div>
        {active ? (
          <>
            <div>
              <dt>Tokens a second</dt>
              <dd>{run.tokensPerSecond === null ? '–' : compact(run.tokensPerSecond)}</dd>
            </div>
            <div>
              <dt>Time left</dt>
              <dd>{run.etaSeconds === null ? '–' : duration(run.etaSeconds)}</dd>
            </div>
            <div>
              <dt>Last checkpoint</dt>
              <dd>{checkpoint === undefined ? 'none yet' : `step ${integer(checkpoint.step)}`}</dd>
            </div>
          </>
        ) : (
          seconds > 0 && (
            <div>
              <dt>Time taken</dt>
              <dd>{duration(seconds)}</dd>
            </div>
          )
        )}
      </dl>
    </section>
  )
}

const sum = (values: readonly (number | null)[] = []): number => values.reduce<number>((a, b) => a + (b ?? 0), 0)
