// The settings a run was started with, and what its record says of versions, model and data.
import type { RunDetail } from '@jora/gui/client'
import { show } from '../../settings/show'
import { labelOf } from '../../settings/fields'
import { Link } from '../../shell/link'
import { to } from '../../shell/router'

export function SettingsUsed({ detail }: { readonly detail: RunDetail }) {
  const { run, settings, record } = detail
  // What the run has made of the settings tells more than what was asked for.
  const used = Object.entries(asObject(record?.settings) ?? settings ?? {}).filter(([, value]) => show(value) !== '–')
  const facts = Object.entries(record ?? {}).filter(([key, value]) => key !== 'settings' && show(value) !== '–')
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
      {used.length === 0 && facts.length === 0 && <p className="soft">The run has not written them yet.</p>}
      <dl className="pairs pairs-columns">
        {used.map(([key, value]) => (
          <div key={key}>
            <dt>{labelOf(key)}</dt>
            <dd>{show(value)}</dd>
          </div>
        ))}
      </dl>
      {facts.length > 0 && (
        <details>
          <summary>Record of the run</summary>
          <dl className="pairs pairs-columns">
            {facts.map(([key, value]) => (
              <div key={key}>
                <dt>{labelOf(key)}</dt>
                <dd>{show(value)}</dd>
              </div>
            ))}
          </dl>
        </details>
      )}
      <p className="small soft wrap-anywhere">
        In <code>{run.folder}</code>
      </p>
    </section>
  )
}

const asObject = (value: unknown): Record<string, unknown> | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined
