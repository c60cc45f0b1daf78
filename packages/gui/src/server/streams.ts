// Event streams: a bounded number of them, each sent as fast as its reader takes it, and closed with it.
import { Failure } from './failure'

/** What a stream sends. */
export interface Feed {
  /** Messages that are due, as text of the protocol; '' when there is nothing. */
  take(): string
  /** No message will follow. */
  readonly ended: boolean
  /** Calls back, at any time, when there may be something to take; returns the way back. */
  onReady(wake: () => void): () => void
  close(): void
}

/** A message of server-sent events. `data` holds no line break: it is JSON. */
export const message = (event: string, data: string, id?: string): string =>
  `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${data}\n\n`

export class Streams {
  readonly #open = new Set<() => void>()

  constructor(
    readonly limit: number,
    readonly heartbeatMs: number,
  ) {}

  get count(): number {
    return this.#open.size
  }

  /** @throws Failure when there are as many streams as may be */
  checkRoom(): void {
    if (this.#open.size < this.limit) return
    throw new Failure('too_many', `${this.limit} pages follow this server already. Close some of them, then try again.`)
  }

  /** Answers with what `feed` sends until its reader leaves, or it ends. @throws Failure as {@link checkRoom}; the feed is closed */
  answer(feed: Feed): Response {
    try {
      this.checkRoom()
    } catch (error) {
      feed.close()
      throw error
    }
    const encoder = new TextEncoder()
    let wake = () => {}
    const release = feed.onReady(() => wake())
    let closed = false
    const close = () => {
      if (closed) return
      closed = true
      this.#open.delete(close)
      release()
      feed.close()
      wake()
    }
    this.#open.add(close)
    const { heartbeatMs } = this
    const body = new ReadableStream<Uint8Array>(
      {
        start(controller) {
          controller.enqueue(encoder.encode('retry: 1000\n\n'))
        },
        // Only called when the reader has room: a slow one keeps nothing in memory.
        async pull(controller) {
          while (!closed) {
            const text = feed.take()
            if (text !== '') return controller.enqueue(encoder.encode(text))
            if (feed.ended) break
            const isIdle = await new Promise<boolean>((resolve) => {
              const timer = setTimeout(() => resolve(true), heartbeatMs)
              timer.unref()
              wake = () => {
                clearTimeout(timer)
                resolve(false)
              }
            })
            if (isIdle && !closed) return controller.enqueue(encoder.encode(': still here\n\n'))
          }
          close()
          controller.close()
        },
        cancel: close,
      },
      { highWaterMark: 1 },
    )
    return new Response(body, {
      headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' },
    })
  }

  closeAll(): void {
    for (const close of this.#open) close()
  }
}
