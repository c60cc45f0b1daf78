// What the page knows of runs and jobs, and whether the server is there: one stream for all pages.
import { useSyncExternalStore } from 'react'
import type { ApiError, Job, Run, Stream, StreamStatus } from '@jora/gui/client'
import { announce } from '../shell/announce'
import { applyChange, newsOf, nothingKnown, type Known } from './changes'
import { api } from './client'

export interface Connection {
  /** `connecting`: never open yet. */
  readonly status: StreamStatus | 'connecting'
  readonly error: ApiError | undefined
}

let known: Known = nothingKnown
let connection: Connection = { status: 'connecting', error: undefined }
let stream: Stream | undefined
const listeners = new Set<() => void>()
const tell = () => listeners.forEach((listener) => listener())

function open(): void {
  let current = true
  const opened = api.follow({
    onEvent(event) {
      if (!current) return
      if (event.event === 'run') {
        const news = newsOf(
          known.runs.find(({ id }) => id === event.run.id),
          event.run,
        )
        if (news !== undefined) announce(news)
      }
      known = applyChange(known, event)
      tell()
    },
    onStatus(status, error) {
      if (!current) return
      const before = connection.status
      connection = { status, error }
      if (before === 'open' && status === 'waiting') announce('The connection to JORA is lost.')
      if (before === 'waiting' && status === 'open') announce('Connected again.')
      tell()
    },
  })
  stream = {
    close() {
      current = false
      opened.close()
    },
    lastId: undefined,
  }
}

/** Opens the stream anew, without waiting for the next try. */
export function reconnect(): void {
  stream?.close()
  open()
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  if (stream === undefined) open()
  return () => listeners.delete(listener)
}

export const useKnown = (): Known => useSyncExternalStore(subscribe, () => known)
export const useConnection = (): Connection => useSyncExternalStore(subscribe, () => connection)
export const useRun = (id: string): Run | undefined => useKnown().runs.find((run) => run.id === id)
export const useJobs = (fits: (job: Job) => boolean): readonly Job[] => useKnown().jobs.filter(fits)

/** Takes in what a request has answered, before the stream tells it. */
export function learn(change: { readonly run: Run } | { readonly job: Job }): void {
  known = applyChange(known, 'run' in change ? { event: 'run', run: change.run } : { event: 'job', job: change.job })
  tell()
}
