// One run, followed: its metrics in bulk, then each event; told to the page a few times a second at most.
import { useEffect, useState } from 'react'
import type { MetricsColumns, Run, Stream } from '@jora/gui/client'
import { api } from '../../api/client'
import { addMetric, curvesOf, type RunCurves } from './history'

/** A curve that is drawn more often than this is not seen better. */
const tellEveryMs = 250

export interface Watched {
  readonly run: Run | undefined
  readonly columns: MetricsColumns | undefined
  readonly curves: RunCurves | undefined
  readonly error: Error | undefined
  readonly removed: boolean
}

const nothing: Watched = { run: undefined, columns: undefined, curves: undefined, error: undefined, removed: false }

export function useWatch(id: string): Watched & { readonly again: () => void } {
  const [watched, setWatched] = useState<Watched>(nothing)
  const [tries, setTries] = useState(0)
  useEffect(() => watch(id, setWatched), [id, tries])
  return { ...watched, again: () => setTries((count) => count + 1) }
}

/** Follows until the function it returns is called. */
function watch(id: string, tell: (watched: Watched) => void): () => void {
  let closed = false
  let stream: Stream | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let state: Watched = nothing
  let columns: MetricsColumns | undefined
  let grown = false

  const tellNow = () => {
    timer = undefined
    if (closed) return
    if (grown && columns !== undefined) state = { ...state, columns: { ...columns }, curves: curvesOf(columns) }
    grown = false
    tell(state)
  }
  const tellSoon = () => (timer ??= setTimeout(tellNow, tellEveryMs))

  const start = async () => {
    stream?.close()
    stream = undefined
    try {
      columns = await api.metrics(id)
    } catch (error) {
      state = { ...state, error: error as Error }
      return tellNow()
    }
    if (closed) return
    grown = true
    state = { ...state, error: undefined }
    tellNow()
    const followed = api.followRun(id, {
      from: columns.next,
      onEvent(event) {
        if (closed || stream !== followed) return
        if (event.event === 'metric') {
          addMetric(columns!, event.metric)
          grown = true
          tellSoon()
        } else if (event.event === 'run') {
          state = { ...state, run: event.run }
          tellSoon()
        } else if (event.event === 'removed') {
          state = { ...state, removed: true }
          tellSoon()
        } else {
          // Lines were taken back: what is still valid is read again.
          void start()
        }
      },
    })
    stream = followed
  }
  void start()
  return () => {
    closed = true
    clearTimeout(timer)
    stream?.close()
  }
}
