// What the runs came to, and the settings in which they differ.
import type { Comparison } from '@jora/gui/client'
import { duration, integer, number } from '../../format'
import { labelOf } from '../../settings/fields'
import { show } from '../../settings/show'
import { Link } from '../../shell/link'
import { to } from '../../shell/router'
import { distinct } from './compared-curves'

export function Differences({ comparison }: { readonly comparison: Comparison }) {
  const { runs, differences } = comparison
  const names = distinct(runs.map(({ run }) => run.name))
  const results: readonly (readonly [string, readonly string[]])[] = [
    ['Last loss', runs.map(({ run }) => (run.loss === null ? '–' : number(run.loss)))],
    ['Last held-out loss', runs.map(({ run }) => (run.evalLoss === null ? '–' : number(run.evalLoss)))],
    ['Best held-out loss', runs.map(({ metrics }) => lowest(metrics.evals.loss))],
    ['Steps', runs.map(({ run }) => integer(run.step))],
    ['Time', runs.map(({ metrics }) => (metrics.done ? duration(metrics.done.seconds) : '–'))],
  ]
  return (
    <section className="panel" aria-labelledby="differences-title">
      <h2 id="differences-title">Results and settings that differ</h2>
      <div className="scroll-x" tabIndex={0} role="region" aria-label="Results and settings">
        <table className="table">
          <thead>
            <tr>
              <td />
              {runs.map(({ run }, i) => (
                <th key={run.id} scope="col" className="run-column">
                  <span className={`swatch fill-${(i % 6) + 1}`} aria-hidden="true" />{' '}
                  <Link to={to.run(run.id)}>{names[i]}</Link>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {results.map(([label, values]) => (
              <tr key={label}>
                <th scope="row">{label}</th>
                {values.map((value, i) => (
                  <td key={i} className="num">
                    {value}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
          <tbody>
            {differences.map(({ key, values }) => (
              <tr key={key}>
                <th scope="row">{labelOf(key)}</th>
                {values.map((value, i) => (
                  <td key={i} className="num run-column">
                    {show(value)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {differences.length === 0 && runs.length > 1 && <p className="soft">All settings are the same.</p>}
    </section>
  )
}

function lowest(values: readonly (number | null)[]): string {
  const known = values.filter((value) => value !== null)
  return known.length === 0 ? '–' : number(Math.min(...known))
}
