// Several runs side by side: their curves over each other, and the settings in which they differ.
import { useEffect } from 'react'
import { api } from '../../api/client'
import { useKnown } from '../../api/store'
import { useRequest } from '../../api/use-request'
import { PageTitle } from '../../shell/page-title'
import { navigate, to } from '../../shell/router'
import { Problem } from '../../ui/problem'
import { ComparedCurves } from './compared-curves'
import { Differences } from './differences'
import { RunPicker, mostRuns } from './run-picker'

/** How often curves that still grow are read. */
const readEveryMs = 5000

export default function ComparePage({ ids }: { readonly ids: readonly string[] }) {
  const { runs } = useKnown()
  const chosen = [...new Set(ids)].slice(0, mostRuns)
  const { data, error, busy, again } = useRequest(chosen.length === 0 ? undefined : chosen.join(' '), () =>
    api.compare(chosen),
  )
  const moving = runs.some(({ id, state }) => (state === 'running' || state === 'starting') && chosen.includes(id))
  useEffect(() => {
    if (!moving) return
    const timer = setInterval(again, readEveryMs)
    return () => clearInterval(timer)
  }, [moving, again])
  const shown = data !== undefined && chosen.length > 0 ? data : undefined
  return (
    <>
      <div className="stack stack-s">
        <PageTitle title="Compare runs" />
        <p className="soft">Choose up to {mostRuns} runs. The address of this page keeps the choice.</p>
      </div>
      <div className="compare">
        <RunPicker runs={runs} chosen={chosen} onChange={(next) => navigate(to.compare(next), { replace: true })} />
        <div className="stack stack-l grow" aria-busy={busy}>
          {error && <Problem what="The runs could not be compared" error={error} again={again} />}
          {chosen.length === 0 && <p className="empty">No run is chosen yet.</p>}
          {shown && (
            <>
              <ComparedCurves comparison={shown} />
              <Differences comparison={shown} />
            </>
          )}
        </div>
      </div>
    </>
  )
}
