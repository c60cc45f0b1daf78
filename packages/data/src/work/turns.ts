// Long work that leaves others their turn: signals are heard, and a page goes on.

/** Work between two looks at what else is to be done, in milliseconds. */
const turnMs = 50

/**
 * Waits, where the last wait was some time ago, until others had their turn.
 *
 * @returns a function to call after each piece of work
 * @throws the signal's reason once it is aborted
 */
export function turns(signal?: AbortSignal): () => Promise<void> {
  let since = performance.now()
  return async () => {
    if (performance.now() - since > turnMs) {
      await new Promise((resolve) => setTimeout(resolve))
      since = performance.now()
    }
    signal?.throwIfAborted()
  }
}
