// What is told to people who hear the page: one polite region, filled by whoever has something to say.
import { useSyncExternalStore } from 'react'

let said = ''
const listeners = new Set<() => void>()

/** Says something once; the same words again are said again. */
export function announce(text: string): void {
  // A trailing no-break space makes a repetition a change.
  said = said === text ? `${text} ` : text
  listeners.forEach((listener) => listener())
}

export function Announcer() {
  const text = useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => said,
  )
  return (
    <div className="visually-hidden" role="status" aria-live="polite">
      {text}
    </div>
  )
}
