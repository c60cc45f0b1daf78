// All runs, newest first: state, how far, the loss and its curve. Runs of a terminal are among them.
import { useState } from 'react'
import type { Run } from '@jora/gui/client'
import { duration, integer, lastPart, moment, number } from '../../format'
import { Link } from '../../shell/link'
import { to } from '../../shell/router'
import { StateBadge } from '../../ui/state'
import { LossSparkline } from './loss-sparkline'

const firstShown = 20

export function RunList({ runs }: { readonly runs: readonly Run[] }) {
  const [all, setAll] = useState(false)
  if (runs.length === 0)
    return (
      <p className="empty">
        No runs yet. The quickstart above makes the first one; runs started with <code>jora train</code> in one of the
        folders appear here too.
      </p>
    )
  const shown = all ? runs : runs.slice(0, firstShown)
  return (
    <>
      <ul className="runs">
        {shown.map((run) => (
          <RunRow key={run.id} run={run} />
        ))}
      </ul>
      {shown.length < runs.length && (
        <button type="button" className="button" onClick={() => setAll(true)}>
          Show all {integer(runs.length)} runs
        </button>
      )}
    </>
  )
}

function RunRow({ run }: { readonly run: Run }) {
  const active = run.state === 'starting' || run.state === 'running' || run.state === 'paused'
  return (
    <li className="run-row">
      <div className="run-row-name">
        <Link to={to.run(run.id)} className="run-link">
          {run.name}
        </Link>
        <p className="soft small wrap-anywhere">
          {[run.model, run.dataset].flatMap((path) => (path === null ? [] : [lastPart(path)])).join(' · ') ||
            (run.kind === 'quickstart' ? 'quickstart' : 'no model yet')}
          {run.source === 'terminal' && ' · from a terminal'}
        </p>
      </div>
      <div className="run-row-state">
        <StateBadge run={run} />
        <p className="soft small num">{moment(run.startedAt ?? run.createdAt)}</p>
      </div>
      <div className="run-row-progress small num">
        <span>
          {integer(run.step)}
          {run.totalSteps !== null && ` of ${integer(run.totalSteps)}`} steps
          {active && run.etaSeconds !== null && <span className="soft"> · {duration(run.etaSeconds)} left</span>}
        </span>
        {active && run.totalSteps !== null && (
          <progress className="progress" max={run.totalSteps} value={run.step} aria-label={`Progress of ${run.name}`} />
        )}
      </div>
      <div className="run-row-loss">
        <LossSparkline run={run} />
        <span className="small num run-row-value">
          <span className="soft">loss</span> {run.loss === null ? '–' : number(run.loss)}
        </span>
      </div>
    </li>
  )
}
