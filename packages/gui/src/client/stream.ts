// A stream of server-sent events over fetch: taken up again where it broke, resting while the page is not seen.
import { ApiError, withQuery, type Http } from './http'
import { linesOf } from './lines'

/**
 * Whether the stream is open; `waiting`: it broke and will be tried again; `resting`: the page is hidden; `ended`: it
 * was closed, or the server refused it.
 */
export type StreamStatus = 'open' | 'waiting' | 'resting' | 'ended'

/** What a stream calls, and where it begins. */
export interface StreamOptions<E> {
  readonly onEvent: (event: E) => void
  /**
   * Called when the stream opens, waits before it tries again, rests while the page is hidden, or ends; with the error,
   * if there was one.
   */
  readonly onStatus?: (status: StreamStatus, error?: ApiError) => void
  /** Id of the last event that is known: only later ones are sent. Absent: all. */
  readonly from?: string | undefined
}

/** An open stream of events. */
export interface Stream {
  /** Ends the stream; no more events come. */
  close(): void
  /** Id of the last event that had one. */
  readonly lastId: string | undefined
}

/** Refusals that trying again does not change. */
const final: readonly ApiError['code'][] = ['unauthenticated', 'forbidden', 'not_found', 'bad_request']
const [firstWaitMs, longestWaitMs] = [250, 5000]

interface Page {
  readonly hidden: boolean
  addEventListener(type: 'visibilitychange', listener: () => void): void
  removeEventListener(type: 'visibilitychange', listener: () => void): void
}
/** Browsers allow six connections to a server: pages that are not seen give theirs back. */
const page = (globalThis as { document?: Page }).document

export function openStream<E extends { event: string }>(http: Http, path: string, options: StreamOptions<E>): Stream {
  const { onEvent, onStatus = () => {} } = options
  let lastId = options.from
  let closed = false
  let connection: AbortController | undefined
  let wake = () => {}

  /** Reads until the connection ends. @returns whether anything came */
  const read = async (signal: AbortSignal): Promise<boolean> => {
    const headers = { accept: 'text/event-stream' }
    const response = await http.send('GET', withQuery(path, { from: lastId }), { headers, signal })
    onStatus('open')
    let [event, data, id, came] = ['', '', undefined as string | undefined, false]
    for await (const line of linesOf(response.body!)) {
      came = true
      if (closed || signal.aborted) break
      if (line.startsWith('event: ')) event = line.slice(7)
      else if (line.startsWith('data: ')) data = line.slice(6)
      else if (line.startsWith('id: ')) id = line.slice(4)
      else if (line === '' && event !== '') {
        lastId = id ?? lastId
        onEvent({ event, ...(JSON.parse(data) as object) } as E)
        ;[event, data, id] = ['', '', undefined]
      }
    }
    return came
  }

  const follow = async () => {
    let waitMs = firstWaitMs
    while (!closed) {
      if (page?.hidden) {
        onStatus('resting')
        await new Promise<void>((resolve) => (wake = resolve))
        continue
      }
      connection = new AbortController()
      let error: ApiError | undefined
      try {
        if (await read(connection.signal)) waitMs = firstWaitMs
      } catch (reason) {
        if (reason instanceof ApiError) error = reason
        else if (!connection.signal.aborted && !closed)
          error = new ApiError('unreachable', (reason as Error).message, 0)
      }
      if (closed || connection.signal.aborted) continue
      if (error && final.includes(error.code)) return void onStatus('ended', error)
      onStatus('waiting', error)
      await new Promise<void>((resolve) => {
        wake = resolve
        setTimeout(resolve, waitMs)
      })
      waitMs = Math.min(2 * waitMs, longestWaitMs)
    }
  }

  const onVisibility = () => {
    if (page?.hidden) connection?.abort()
    wake()
  }
  page?.addEventListener('visibilitychange', onVisibility)
  void follow().finally(() => page?.removeEventListener('visibilitychange', onVisibility))
  return {
    close() {
      if (closed) return
      closed = true
      connection?.abort()
      wake()
      onStatus('ended')
    },
    get lastId() {
      return lastId
    },
  }
}
