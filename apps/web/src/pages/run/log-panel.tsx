// The end of the run's log, read on while the run goes on.
import { useEffect, useRef, useState } from 'react'
import { api } from '../../api/client'
import { Problem } from '../../ui/problem'

const readEveryMs = 2000
const longest = 100_000

interface LogPanelProps {
  readonly id: string
  /** Whether more may come. */
  readonly live: boolean
  readonly fromTerminal: boolean
}

/** What is shown where there is no log. */
function emptyText({ live, fromTerminal }: Omit<LogPanelProps, 'id'>): string {
  if (fromTerminal) return 'This run was started in a terminal: its output is there.'
  return live ? 'There is no output yet.' : 'This run has no output.'
}

export function LogPanel({ id, live, fromTerminal }: LogPanelProps) {
  const [text, setText] = useState('')
  const [error, setError] = useState<Error>()
  const [tries, setTries] = useState(0)
  const next = useRef<number>(undefined)
  const box = useRef<HTMLPreElement>(null)
  const atEnd = useRef(true)

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    let closed = false
    const read = async () => {
      try {
        const piece = await api.log(id, next.current)
        if (closed) return
        // A log that became shorter began anew.
        const anew = next.current === undefined || piece.from < next.current
        next.current = piece.next
        if (piece.text !== '' || anew) setText((before) => (anew ? piece.text : before + piece.text).slice(-longest))
        setError(undefined)
      } catch (reason) {
        if (!closed) setError(reason as Error)
      }
      if (!closed && live) timer = setTimeout(read, readEveryMs)
    }
    void read()
    return () => {
      closed = true
      clearTimeout(timer)
    }
  }, [id, live, tries])

  useEffect(() => {
    const element = box.current
    if (element !== null && atEnd.current) element.scrollTop = element.scrollHeight
  }, [text])

  return (
    <section className="panel" aria-labelledby="log-title">
      <h2 id="log-title">Log</h2>
      {error && text === '' && (
        <Problem what="The log could not be read" error={error} again={() => setTries((count) => count + 1)} />
      )}
      {!(error && text === '') && (
        <pre
          ref={box}
          className="log"
          tabIndex={0}
          role="region"
          aria-label="End of the log"
          onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
            atEnd.current = scrollHeight - scrollTop - clientHeight < 24
          }}
        >
          {text === '' ? emptyText({ live, fromTerminal }) : text}
        </pre>
      )}
    </section>
  )
}
