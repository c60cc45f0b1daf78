// A job as one line: what, how far, what came of it; cancelling while it goes on.
import { useState, type ReactNode } from 'react'
import type { Job } from '@jora/gui/client'
import { api } from '../api/client'
import { learn } from '../api/store'
import { useAction } from '../api/use-request'
import { bytes } from '../format'
import { Icon } from './icon'

const words: Record<Job['state'], string> = {
  running: 'in progress',
  done: 'done',
  failed: 'failed',
  cancelled: 'cancelled',
}

interface JobLineProps {
  readonly job: Job
  /** What can be done with its result. */
  readonly children?: ReactNode
}

export function JobLine({ job, children }: JobLineProps) {
  const { busy, error, run } = useAction()
  const [stopping, setStopping] = useState(false)
  const { progress } = job
  const failure = error?.message ?? job.message
  return (
    <li className="job">
      <div className="row row-between">
        <span className="job-title">
          {job.state === 'done' ? <Icon name="check" /> : job.state === 'failed' ? <Icon name="cross" /> : null}
          {job.title} <span className="soft small">{words[job.state]}</span>
        </span>
        <span className="row">
          {job.state === 'done' && children}
          {job.state === 'running' && (
            <button
              type="button"
              className="button button-small"
              disabled={busy || stopping}
              onClick={() =>
                run(async () => {
                  learn({ job: await api.cancelJob(job.id) })
                  setStopping(true)
                })
              }
            >
              {stopping ? 'Stopping …' : 'Cancel'}
              <span className="visually-hidden"> {job.title}</span>
            </button>
          )}
        </span>
      </div>
      {job.state === 'running' && (
        <>
          <progress
            className="progress"
            aria-label={job.title}
            {...(progress?.total == null ? {} : { max: progress.total, value: progress.done })}
          />
          {progress && (
            <span className="small soft num">
              {progress.text}
              {job.kind === 'download' &&
                progress.total !== null &&
                ` · ${bytes(progress.done)} of ${bytes(progress.total)}`}
            </span>
          )}
        </>
      )}
      {job.state !== 'done' && failure !== null && <p className="field-error">{failure}</p>}
    </li>
  )
}
