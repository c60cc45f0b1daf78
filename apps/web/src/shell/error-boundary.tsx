// What is shown when a page breaks, or cannot be loaded because the server has a newer one: never a blank window.
import { Component, type ReactNode } from 'react'
import { Notice } from '../ui/notice'

interface BoundaryState {
  readonly error: Error | undefined
}

export class ErrorBoundary extends Component<{ readonly children: ReactNode }, BoundaryState> {
  override state: BoundaryState = { error: undefined }

  static getDerivedStateFromError(error: Error): BoundaryState {
    return { error }
  }

  override render(): ReactNode {
    const { error } = this.state
    if (error === undefined) return this.props.children
    return (
      <Notice
        tone="bad"
        title="This page could not be shown"
        alert
        actions={
          <button type="button" className="button button-small" onClick={() => location.reload()}>
            Reload
          </button>
        }
      >
        <p>{error.message}</p>
        <p>Runs are not affected: they continue.</p>
      </Notice>
    )
  }
}
