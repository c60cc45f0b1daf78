// The state of a run as a word and a sign.
import type { Run } from '@jora/gui/client'
import { Icon, type IconName } from './icon'

type Look = readonly [tone: 'info' | 'busy' | 'good' | 'warn' | 'bad', text: string, icon?: IconName]

function lookOf({ state, pending, queuePosition }: Pick<Run, 'state' | 'pending' | 'queuePosition'>): Look {
  if (pending !== null) return ['busy', pending === 'pause' ? 'pausing' : 'stopping']
  switch (state) {
    case 'queued':
      return ['info', queuePosition === null ? 'queued' : `queued, no. ${queuePosition}`, 'queue']
    case 'starting':
      return ['busy', 'starting']
    case 'running':
      return ['busy', 'running']
    case 'paused':
      return ['warn', 'paused', 'pause']
    case 'stopped':
      return ['info', 'stopped', 'stop']
    case 'failed':
      return ['bad', 'failed', 'cross']
    case 'done':
      return ['good', 'done', 'check']
  }
}

export function StateBadge({ run }: { readonly run: Pick<Run, 'state' | 'pending' | 'queuePosition'> }) {
  const [tone, text, icon] = lookOf(run)
  return (
    <span className={`state state-${tone}`}>
      {icon === undefined ? <span className="dot" aria-hidden="true" /> : <Icon name={icon} />}
      {text}
    </span>
  )
}
