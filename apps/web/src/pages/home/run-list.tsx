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
  const [search, setSearch] = useState('')
  if (runs.length === 0)
    return (
      <p className="empty">
        No runs yet. The quickstart above makes the first one; runs started with <code>jora train</code> in one of the
        folders appear here too.
      </p>
    )
  const words = search.toLowerCase().split(/\s+/).filter(Boolean)
  const found = words.length === 0 ? runs : runs.filter((run) => words.every((word) => textOf(run).includes(word)))
  const shown = all ? found : found.slice(0, firstShown)
  return (
    <>
      {runs.length > 3 && (
        <div className="row">
          <input
            className="input input-search"
            type="search"
            placeholder="Search"
            aria-label="Search runs"
            value={search}
            onChange={(event) => setSearch(event.target.value)}
          />
          {words.length > 0 && (
            <span className="soft small num" role="status">
              {integer(found.length)} of {integer(runs.length)} runs
            </span>
          )}
        </div>
      )}
      <ul className="runs">
        {shown.map((run) => (
          <RunRow key={run.id} run={run} />
        ))}
      </ul>
      {shown.length < found.length && (
        <button type="button" className="button" onClick={() => setAll(true)}>
          Show all {integer(found.length)} runs
        </button>
      )}
    </>
  )
}

/** What a run is searched by. */
const textOf = ({ name, note, model, dataset, state, folder }: Run): string =>
  [name, note, model, dataset, state, folder].join(' ').toLowerCase()

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
        {run.note !== null && <p className="small run-note-line">{run.note}</p>}
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
