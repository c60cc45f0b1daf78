// The settings a run was started with, and what its record says of versions, model and data.
import type { RunDetail } from '@jora/gui/client'
import { inOrder, labelOf } from '../../settings/fields'
import { flatten, show } from '../../settings/show'
import { Link } from '../../shell/link'
import { to } from '../../shell/router'
import { RunFiles } from './run-files'

export function SettingsUsed({ detail }: { readonly detail: RunDetail }) {
  const { run, settings, record } = detail
  // What the run has made of the settings tells more than what was asked for.
  const { settings: resolved, ...facts } = record ?? {}
  const used = Object.entries(isObject(resolved) ? resolved : (settings ?? {})).filter(
    ([, value]) => show(value) !== '–',
  )
  return (
    <section className="panel stack" aria-labelledby="settings-title">
      <div className="row row-between">
        <h2 id="settings-title">Settings used</h2>
        {settings !== null && run.kind === 'train' && (
          <Link to={to.newRun(run.id)} className="button button-small">
            New run with these
          </Link>
        )}
      </div>
      {used.length === 0 && <p className="soft">The run has not written them yet.</p>}
      <Pairs pairs={inOrder(used).map(([key, value]) => [labelOf(key), show(value)])} />
      {record !== null && (
        <details>
          <summary>Record of the run</summary>
          <Pairs
            pairs={flatten(facts).map(([keys, value]) => [keys.map((key) => labelOf(key)).join(', '), show(value)])}
          />
        </details>
      )}
      <RunFiles id={run.id} />
      <p className="small soft wrap-anywhere">
        In <code>{run.folder}</code>
      </p>
    </section>
  )
}

const Pairs = ({ pairs }: { readonly pairs: readonly (readonly [string, string])[] }) => (
  <dl className="pairs pairs-columns">
    {pairs.map(([label, text]) => (
      <div key={label}>
        <dt>{label}</dt>
        <dd>{text}</dd>
      </div>
    ))}
  </dl>
)

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
