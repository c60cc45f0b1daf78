// A step of a project: its number and title, how it stands, and what is done in it.
import type { ReactNode } from 'react'
import { Icon } from '../../ui/icon'

interface StepFrameProps {
  readonly id: string
  readonly number: number
  readonly title: string
  readonly ready: boolean
  /** What came of it, or what is missing. */
  readonly status: string
  readonly children: ReactNode
}

export const StepFrame = ({ id, number, title, ready, status, children }: StepFrameProps) => (
  <section id={id} className="panel section" aria-labelledby={`${id}-title`}>
    <div className="section-head">
      <span className={`section-number ${ready ? 'section-ready' : ''}`} aria-hidden="true">
        {number}
      </span>
      <h2 id={`${id}-title`}>{title}</h2>
      <span className={`section-status small ${ready ? 'section-status-ready' : 'soft'}`}>
        {ready && <Icon name="check" />}
        <span className="wrap-anywhere">{status}</span>
      </span>
    </div>
    <div className="stack">{children}</div>
  </section>
)
