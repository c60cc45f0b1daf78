// Step 4: the model learns, with the few settings that matter; its curves are on the run's own page.
import { useState } from 'react'
import { useRun } from '../../api/store'
import { duration, number as shownNumber, plural } from '../../format'
import { Link } from '../../shell/link'
import { to } from '../../shell/router'
import { NumberField } from '../../ui/number-field'
import { TextField } from '../../ui/text-field'
import { StepFrame } from './step'
import type { StepProps } from './stages'

export function TrainStep({ project, job, onStart }: StepProps) {
  const { contexts, train } = project.figures
  const { settings, runId } = project
  const run = useRun(runId ?? '')
  const [epochs, setEpochs] = useState(settings.numEpochs ?? 3)
  const [rate, setRate] = useState(String(settings.learningRate ?? 0.0002))
  const [longest, setLongest] = useState(settings.maxSeqLength ?? 2000)
  const status =
    job !== undefined && run?.state === 'running'
      ? `step ${run.step} of ${run.totalSteps ?? '…'}`
      : train !== undefined
        ? `${plural(train.steps, 'step')} in ${duration(train.seconds)}${train.heldOutLoss === null ? '' : `, held-out loss ${shownNumber(train.heldOutLoss)}`}`
        : contexts === undefined
          ? 'build contexts first'
          : 'ready to begin'
  const start = () =>
    onStart({
      until: 'train',
      numEpochs: Math.max(1, Math.round(epochs) || 1),
      maxSeqLength: Math.max(16, Math.round(longest) || 2000),
      ...(Number(rate) > 0 && { learningRate: Number(rate) }),
    })
  return (
    <StepFrame id="train" number={4} title="Training" ready={train !== undefined} status={status}>
      <p className="soft">
        A small adapter is trained beside the model; the model’s own files stay as they are. It can be stopped and goes
        on from where it was.
      </p>
      <div className="columns">
        <NumberField label="Times through all contexts" min={1} max={1000} value={epochs} onChange={setEpochs} />
        <TextField
          label="Learning rate"
          hint="0.0001 is careful, 0.001 quick."
          short
          inputMode="decimal"
          value={rate}
          onChange={setRate}
        />
        <NumberField
          label="Longest sample"
          hint="In tokens: a whole context must fit."
          min={16}
          value={longest}
          onChange={setLongest}
        />
      </div>
      <div className="row">
        <button
          type="button"
          className={`button ${train === undefined && contexts !== undefined ? 'button-primary' : ''}`}
          disabled={contexts === undefined || job !== undefined}
          onClick={start}
        >
          {train === undefined ? (runId === null ? 'Train' : 'Train, or go on') : 'Train again'}
        </button>
        {runId !== null && run !== undefined && (
          <>
            <Link to={to.run(runId)} className="button">
              Curves and files
            </Link>
            {train !== undefined && (
              <Link to={to.playground(runId)} className="button">
                Ask it
              </Link>
            )}
          </>
        )}
      </div>
    </StepFrame>
  )
}
