// Ctrl-C: the first asks the command to stop in order, the second ends the process.
import type { Io } from './io'

export interface Interruptible {
  /** Aborted by the first Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal
  release(): void
}

export function interruptible(io: Io, onFirst: () => void = () => {}): Interruptible {
  const stop = new AbortController()
  const release = io.onInterrupt(() => {
    if (stop.signal.aborted) return io.endNow()
    stop.abort()
    onFirst()
  })
  return { signal: stop.signal, release }
}
