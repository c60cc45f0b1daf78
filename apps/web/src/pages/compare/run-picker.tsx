// Which runs are compared: a list to tick.
import type { Run } from '@jora/gui/client'
import { moment, number } from '../../format'

/** As many as there are colours to tell them by. */
export const mostRuns = 6

interface RunPickerProps {
  readonly runs: readonly Run[]
  readonly chosen: readonly string[]
  readonly onChange: (ids: readonly string[]) => void
}

export function RunPicker({ runs, chosen, onChange }: RunPickerProps) {
  return (
    <fieldset className="panel panel-tight picker">
      <legend className="visually-hidden">Runs to compare</legend>
      {runs.length === 0 && <p className="soft small">There are no runs yet.</p>}
      <ul className="picker-list">
        {runs.map((run) => {
          const ticked = chosen.includes(run.id)
          return (
            <li key={run.id}>
              <label className="tick">
                <input
                  type="checkbox"
                  checked={ticked}
                  disabled={!ticked && chosen.length >= mostRuns}
                  onChange={() => onChange(ticked ? chosen.filter((id) => id !== run.id) : [...chosen, run.id])}
                />
                <span className="grow">
                  <span className="wrap-anywhere">{run.name}</span>
                  <span className="picker-about small soft num">
                    {run.state} · {moment(run.startedAt ?? run.createdAt)}
                    {run.loss !== null && ` · loss ${number(run.loss, 3)}`}
                  </span>
                </span>
              </label>
            </li>
          )
        })}
      </ul>
    </fieldset>
  )
}
