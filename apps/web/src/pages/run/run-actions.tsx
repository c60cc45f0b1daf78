// Pause, go on, stop, take out of the queue: what can be done now, and a question where something ends.
import { useState } from 'react'
import type { Run, RunAction } from '@jora/gui/client'
import { api } from '../../api/client'
import { learn } from '../../api/store'
import { useAction } from '../../api/use-request'
import { plural } from '../../format'
import { navigate, to } from '../../shell/router'
import { ConfirmDialog } from '../../ui/dialog'
import { Icon, type IconName } from '../../ui/icon'
import { Problem } from '../../ui/problem'
import { markOwn } from './foreign'

const looks: Record<RunAction, readonly [text: string, icon: IconName]> = {
  pause: ['Pause', 'pause'],
  resume: ['Go on', 'play'],
  stop: ['Stop', 'stop'],
  remove: ['Take out of the queue', 'cross'],
}

/** Without a checkpoint there is nothing to go on from. */
const resumeText = ({ state, hasCheckpoint }: Run): string => {
  if (!hasCheckpoint) return 'Start again'
  return state === 'paused' ? 'Go on' : 'Continue from the last checkpoint'
}

export function RunActions({ run }: { readonly run: Run }) {
  const { busy, error, run: act, clear } = useAction()
  const [asking, setAsking] = useState<'stop' | 'remove' | 'delete'>()
  const perform = (action: RunAction) => {
    setAsking(undefined)
    markOwn(run.id)
    act(async () => {
      const after = await api[action](run.id)
      if (action === 'remove') return navigate(to.home)
      learn({ run: after })
    })
  }
  return (
    <div className="stack">
      <div className="row">
        {run.actions.map((action) => {
          const [text, icon] = looks[action]
          const asks = action === 'stop' || action === 'remove'
          return (
            <button
              key={action}
              type="button"
              className={`button ${action === 'resume' ? 'button-primary' : ''}`}
              disabled={busy || run.pending === action}
              onClick={() => (asks ? setAsking(action) : perform(action))}
            >
              <Icon name={icon} />
              {action === 'resume' ? resumeText(run) : text}
            </button>
          )
        })}
        {run.canDelete && (
          <button type="button" className="button" disabled={busy} onClick={() => setAsking('delete')}>
            <Icon name="cross" />
            Delete
          </button>
        )}
      </div>
      {asking === 'delete' && (
        <ConfirmDialog
          title={`Delete ${run.name}?`}
          confirm="Delete it with its files"
          danger
          onConfirm={() => {
            setAsking(undefined)
            act(async () => {
              await api.deleteRun(run.id)
              navigate(to.home)
            })
          }}
          onClose={() => setAsking(undefined)}
        >
          <p>This folder and all that is in it goes, for good: adapter, checkpoints, exports, evaluations, log.</p>
          <p>
            <code className="wrap-anywhere">{run.folder}</code>
          </p>
        </ConfirmDialog>
      )}
      {error && <Problem what="That did not work" error={error} again={clear} />}
      {asking === 'stop' && (
        <ConfirmDialog
          title={`Stop ${run.name}?`}
          confirm="Stop the run"
          danger
          onConfirm={() => perform('stop')}
          onClose={() => setAsking(undefined)}
        >
          <p>
            It ends after the step it is in{run.step > 0 && ` (${plural(run.step, 'step')} done so far)`} and keeps what
            it has learned in a checkpoint. Everyone who watches this run sees it stop.
          </p>
          <p className="soft">To use the machine for something else for a while, pause it instead.</p>
        </ConfirmDialog>
      )}
      {asking === 'remove' && (
        <ConfirmDialog
          title={`Take ${run.name} out of the queue?`}
          confirm="Take it out"
          danger
          onConfirm={() => perform('remove')}
          onClose={() => setAsking(undefined)}
        >
          <p>It has not started, so no training is lost. Its settings are.</p>
        </ConfirmDialog>
      )}
    </div>
  )
}
