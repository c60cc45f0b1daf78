// Starts the quickstart run, and goes to it.
import { api } from '../../api/client'
import { learn } from '../../api/store'
import { useAction } from '../../api/use-request'
import { navigate, to } from '../../shell/router'
import { Icon } from '../../ui/icon'
import { Problem } from '../../ui/problem'

export function QuickstartButton() {
  const { busy, error, run, clear } = useAction()
  const start = () =>
    run(async () => {
      const created = await api.createRun({ kind: 'quickstart' })
      learn({ run: created })
      navigate(to.run(created.id))
    })
  return (
    <>
      <button type="button" className="button button-large" onClick={start} disabled={busy}>
        <Icon name="play" />
        {busy ? 'Starting …' : 'Start the quickstart'}
      </button>
      {error && <Problem what="The quickstart could not be started" error={error} again={clear} />}
    </>
  )
}
