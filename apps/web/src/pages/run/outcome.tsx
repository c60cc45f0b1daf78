// What became of a run, in words: why it failed and what to do; who stopped it; how much better the quickstart's model is.
import type { RunDetail, Run } from '@jora/gui/client'
import { adviceForRun } from '../../api/advice'
import { percent } from '../../format'
import { Link } from '../../shell/link'
import { to } from '../../shell/router'
import { Notice } from '../../ui/notice'

export function FailedNotice({ run }: { readonly run: Run }) {
  return (
    <Notice
      tone="bad"
      title="The run has failed"
      actions={
        run.source === 'gui' &&
        run.kind === 'train' && (
          <Link to={to.newRun(run.id)} className="button button-small">
            Change the settings and start anew
          </Link>
        )
      }
    >
      {run.message !== null && <p className="mono">{run.message}</p>}
      <ul>
        {adviceForRun(run.message).map((sentence) => (
          <li key={sentence}>{sentence}</li>
        ))}
        {run.hasCheckpoint && (
          <li>What was learned up to the last checkpoint is kept; the run can continue from there.</li>
        )}
      </ul>
    </Notice>
  )
}

/** quickstart.json's figure, where it has one. */
function exactMatch(quickstart: RunDetail['quickstart']): { base: number; tuned: number } | undefined {
  const figure = quickstart?.exactMatch
  if (typeof figure !== 'object' || figure === null) return undefined
  const { base, tuned } = figure as { base?: unknown; tuned?: unknown }
  return typeof base === 'number' && typeof tuned === 'number' ? { base, tuned } : undefined
}

export function QuickstartResult({ detail }: { readonly detail: RunDetail }) {
  const figure = exactMatch(detail.quickstart)
  if (figure === undefined) return null
  const rows = detail.quickstart?.heldOutRows
  return (
    <section className="panel result" aria-labelledby="result-title">
      <h2 id="result-title">Answered exactly right, word for word</h2>
      <dl className="result-pair">
        {(['base', 'tuned'] as const).map((side) => (
          <div key={side} className={`result-${side}`}>
            <dt>{side === 'base' ? 'Before' : 'After'}</dt>
            <dd>{percent(figure[side])}</dd>
            <dd>
              <meter className="meter" min={0} max={1} value={figure[side]} aria-label={percent(figure[side])} />
            </dd>
          </div>
        ))}
      </dl>
      <p className="small soft">
        {typeof rows === 'number' ? `${rows} questions` : 'Questions'} on documents that training never saw.
      </p>
    </section>
  )
}
