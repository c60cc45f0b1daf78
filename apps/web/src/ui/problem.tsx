// A request that failed: the server's message, what to do, and another try.
import { ApiError } from '@jora/gui/client'
import { adviceFor } from '../api/advice'
import { Notice } from './notice'

interface ProblemProps {
  /** What was tried, e.g. "The models could not be listed". */
  readonly what: string
  readonly error: Error
  readonly again?: () => void
}

export function Problem({ what, error, again }: ProblemProps) {
  const advice = adviceFor(error)
  const issues = error instanceof ApiError ? error.issues : []
  return (
    <Notice
      tone="bad"
      title={what}
      alert
      actions={
        again && (
          <button type="button" className="button button-small" onClick={again}>
            Try again
          </button>
        )
      }
    >
      <p>{error.message}</p>
      {issues.length > 0 && (
        <ul>
          {issues.map(({ path, message }) => (
            <li key={`${path} ${message}`}>
              <code>{path}</code>: {message}
            </li>
          ))}
        </ul>
      )}
      {advice !== undefined && <p>{advice}</p>}
    </Notice>
  )
}
