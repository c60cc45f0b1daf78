// One of the four parts of a new run: its number, its title, and whether it is ready.
import type { ReactNode } from 'react'
import { Icon } from '../../ui/icon'

export type SectionId = 'model' | 'data' | 'settings' | 'check'

export interface SectionStatus {
  readonly ready: boolean
  /** What is chosen, or what is missing. */
  readonly text: string
}

interface SectionProps {
  readonly id: SectionId
  readonly number: number
  readonly title: string
  readonly status: SectionStatus
  readonly children: ReactNode
}

export const Section = ({ id, number, title, status, children }: SectionProps) => (
  <section id={id} className="panel section" aria-labelledby={`${id}-title`} tabIndex={-1}>
    <div className="section-head">
      <span className={`section-number ${status.ready ? 'section-ready' : ''}`} aria-hidden="true">
        {number}
      </span>
      <h2 id={`${id}-title`}>{title}</h2>
      <span className={`section-status small ${status.ready ? 'section-status-ready' : 'soft'}`}>
        {status.ready && <Icon name="check" />}
        <span className="wrap-anywhere">{status.text}</span>
      </span>
    </div>
    <div className="stack">{children}</div>
  </section>
)
