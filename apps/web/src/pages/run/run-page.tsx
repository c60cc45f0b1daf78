// One run: what it does now, its curves, its log, and what can be taken from it.
import { useDeferredValue } from 'react'
import { api } from '../../api/client'
import { useRun } from '../../api/store'
import { useRequest } from '../../api/use-request'
import { lastPart, moment } from '../../format'
import { Link } from '../../shell/link'
import { PageTitle } from '../../shell/page-title'
import { to } from '../../shell/router'
import { Notice } from '../../ui/notice'
import { Problem } from '../../ui/problem'
import { StateBadge } from '../../ui/state'
import { useForeignChange } from './foreign'
import { LogPanel } from './log-panel'
import { LossChart } from './loss-chart'
import { MoreCharts } from './more-charts'
import { FailedNotice, QuickstartResult } from './outcome'
import { RunActions } from './run-actions'
import { RunLabel } from './run-label'
import { RunProgress } from './run-progress'
import { SettingsUsed } from './settings-used'
import { TakeAway } from './take-away'
import { useWatch } from './watch'

export default function RunPage({ id }: { readonly id: string }) {
  const watched = useWatch(id)
  const known = useRun(id)
  // Asked for again when the state changes: the record and the results are written at such moments.
  const stateKey = `${id} ${known?.state ?? ''} ${known?.hasAdapter ?? ''} ${(known?.step ?? 0) > 0}`
  const detail = useRequest(stateKey, () => api.run(id))
  const run = known ?? watched.run ?? detail.data?.run
  const foreign = useForeignChange(run)
  const { curves, columns } = watched
  // The loss is drawn first; the other charts follow when there is time.
  const laterCurves = useDeferredValue(curves, undefined)

  if (run === undefined)
    return detail.error ? (
      <>
        <PageTitle title="This run does not exist here" />
        <Problem what="The run could not be opened" error={detail.error} again={detail.again} />
        <Link to={to.home}>All runs</Link>
      </>
    ) : (
      <PageTitle title="Run">Loading …</PageTitle>
    )

  const live = run.state === 'running' || run.state === 'starting' || run.state === 'queued'
  const about = [run.model, run.dataset].flatMap((path) => (path === null ? [] : [lastPart(path)]))
  return (
    <>
      <div className="page-head">
        <div className="stack stack-s">
          <div className="row">
            <PageTitle title={run.name} />
            <StateBadge run={run} />
          </div>
          <p className="soft small wrap-anywhere">
            {[
              ...about,
              run.device,
              `started ${moment(run.startedAt ?? run.createdAt)}`,
              run.source === 'terminal' ? 'from a terminal' : null,
            ]
              .filter((part) => part !== null)
              .join(' · ')}
          </p>
        </div>
        <RunActions run={run} />
      </div>
      <RunLabel run={run} />
      {foreign !== undefined && (
        <Notice
          tone="warn"
          title={`The run was ${foreign} from another window or a terminal.`}
          {...(run.actions.includes('resume') &&
            run.hasCheckpoint && { children: <p>It can continue from where it is.</p> })}
        />
      )}
      {watched.removed && <Notice tone="warn" title="This run was taken out of the queue, or deleted." alert />}
      {run.state === 'failed' && <FailedNotice run={run} />}
      {run.state !== 'failed' && run.message !== null && <Notice tone="info" title={run.message} />}
      {run.source === 'terminal' && run.state === 'running' && (
        <Notice
          tone="info"
          title="It was started in a terminal, and can only be stopped there: Ctrl-C ends it with a checkpoint."
        />
      )}
      {detail.data && <QuickstartResult detail={detail.data} />}
      <RunProgress run={run} columns={columns} />
      {watched.error && <Problem what="The curves could not be read" error={watched.error} again={watched.again} />}
      {curves !== undefined && curves.x.length > 0 ? (
        <>
          {!live && <TakeAway run={run} />}
          <LossChart curves={curves} />
          {laterCurves && <MoreCharts curves={laterCurves} live={live} />}
          {live && <TakeAway run={run} />}
        </>
      ) : (
        <>
          {live && (
            <p className="empty">The curves begin with the first step. Reading model and data takes a moment.</p>
          )}
          <TakeAway run={run} />
        </>
      )}
      <LogPanel id={id} live={live} fromTerminal={run.source === 'terminal'} />
      {detail.data && <SettingsUsed detail={detail.data} />}
    </>
  )
}
