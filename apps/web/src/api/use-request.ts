// A request as a component sees it: what came last, whether more is on its way, what went wrong.
import { useCallback, useEffect, useState } from 'react'

export interface Requested<T> {
  /** The latest answer, kept while another is on its way. */
  readonly data: T | undefined
  readonly error: Error | undefined
  readonly busy: boolean
  readonly again: () => void
}

/**
 * Asks whenever `key` changes; an answer to an earlier key is dropped.
 * @param key undefined: nothing is asked, and nothing is known
 * @param waitMs how long `key` has to stay before it is asked
 */
export function useRequest<T>(
  key: string | undefined,
  ask: (signal: AbortSignal) => Promise<T>,
  waitMs = 0,
): Requested<T> {
  const [state, setState] = useState<{ data?: T; error?: Error; busy: boolean }>({ busy: key !== undefined })
  const [tries, setTries] = useState(0)
  useEffect(() => {
    if (key === undefined) return setState({ busy: false })
    const controller = new AbortController()
    setState((before) => ({ ...before, busy: true }))
    const timer = setTimeout(() => {
      ask(controller.signal).then(
        (data) => controller.signal.aborted || setState({ data, busy: false }),
        (error: unknown) => {
          if (!controller.signal.aborted) setState({ error: asError(error), busy: false })
        },
      )
    }, waitMs)
    return () => {
      clearTimeout(timer)
      controller.abort()
    }
    // `key` stands for everything that `ask` reads.
  }, [key, tries, waitMs])
  const again = useCallback(() => setTries((count) => count + 1), [])
  return { data: state.data, error: state.error, busy: state.busy, again }
}

/** Something a button starts: busy while it lasts, and what went wrong afterwards. */
export function useAction(): {
  readonly busy: boolean
  readonly error: Error | undefined
  readonly run: (action: () => Promise<void>) => void
  readonly clear: () => void
} {
  const [state, setState] = useState<{ busy: boolean; error?: Error }>({ busy: false })
  const run = useCallback((action: () => Promise<void>) => {
    setState({ busy: true })
    action().then(
      () => setState({ busy: false }),
      (error: unknown) => setState({ busy: false, error: asError(error) }),
    )
  }, [])
  const clear = useCallback(() => setState({ busy: false }), [])
  return { ...state, error: state.error, run, clear }
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))
