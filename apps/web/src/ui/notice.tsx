// A message with what to do about it: never colour alone, always a word and a picture.
import type { ReactNode } from 'react'
import { Icon, type IconName } from './icon'

export type Tone = 'info' | 'good' | 'warn' | 'bad'

const icons: Record<Tone, IconName> = { info: 'info', good: 'check', warn: 'warn', bad: 'cross' }

interface NoticeProps {
  readonly tone: Tone
  readonly title: string
  readonly children?: ReactNode
  readonly actions?: ReactNode
  /** Spoken when it appears. */
  readonly alert?: boolean
}

export const Notice = ({ tone, title, children, actions, alert = false }: NoticeProps) => (
  <div className={`notice notice-${tone}`} role={alert ? 'alert' : undefined}>
    <Icon name={icons[tone]} />
    <div className="notice-body">
      <p className="notice-title">{title}</p>
      {children !== undefined && <div className="notice-text">{children}</div>}
      {actions !== undefined && <div className="row">{actions}</div>}
    </div>
  </div>
)
