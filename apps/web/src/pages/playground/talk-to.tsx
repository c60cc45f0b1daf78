// Who is talked to: a run's model, or a model without an adapter.
import type { Run } from '@jora/gui/client'
import { api } from '../../api/client'
import { useRequest } from '../../api/use-request'
import { lastPart } from '../../format'
import { Link } from '../../shell/link'
import { to } from '../../shell/router'
import { Field } from '../../ui/field'
import { Notice } from '../../ui/notice'

interface TalkToProps {
  /** Those that have trained something, to their end or to a checkpoint. */
  readonly runs: readonly Run[]
  readonly run: Run | undefined
  readonly model: string | undefined
  /** Whether all runs are known. */
  readonly complete: boolean
  readonly onRun: (id: string) => void
  readonly onModel: (ref: string) => void
}

export function TalkTo({ runs, run, model, complete, onRun, onModel }: TalkToProps) {
  const models = useRequest('models', () => api.models()).data?.filter(({ problem }) => problem === null) ?? []
  const value = model !== undefined ? `model ${model}` : run !== undefined ? `run ${run.id}` : ''
  return (
    <>
      <Field label="Model">
        {(control) => (
          <select
            {...control}
            className="input"
            value={value}
            onChange={({ target }) => {
              const chosen = target.value.slice(target.value.indexOf(' ') + 1)
              if (target.value.startsWith('run ')) onRun(chosen)
              else onModel(chosen)
            }}
          >
            {value === '' && <option value="">Choose …</option>}
            {runs.length > 0 && (
              <optgroup label="Tuned here">
                {runs.map(({ id, name, model: base, hasAdapter, step }) => (
                  <option key={id} value={`run ${id}`}>
                    {name}
                    {base !== null && ` (${lastPart(base)})`}
                    {!hasAdapter && `, as of step ${step} or before`}
                  </option>
                ))}
              </optgroup>
            )}
            <optgroup label="As they are">
              {models.map(({ ref, name }) => (
                <option key={ref} value={`model ${ref}`}>
                  {name}
                </option>
              ))}
            </optgroup>
          </select>
        )}
      </Field>
      {complete && runs.length === 0 && model === undefined && (
        <Notice tone="info" title="No run has trained anything yet">
          <p>
            <Link to={to.home}>Start the quickstart</Link> or <Link to={to.newRun()}>a run of your own</Link>; or choose
            a model above and talk to it as it is.
          </p>
        </Notice>
      )}
    </>
  )
}
