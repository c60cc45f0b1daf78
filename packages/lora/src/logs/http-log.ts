// A run's events sent to a server of the user's own, as lines of JSON by HTTP; what the server does never holds the run up.
import { basename, resolve } from 'node:path'
import type { TrainEvent } from '../runs/events'
import { readRun } from './record'

/** The environment variable with the token that requests carry, as `Authorization: Bearer …`. */
export const reportTokenVariable = 'JORA_REPORT_TOKEN'

/** How events are sent. */
export interface HttpLogOptions {
  /** Told once when events cannot be delivered, and when some are given up. */
  readonly onNote?: ((text: string) => void) | undefined
  readonly token?: string | undefined
  /** The longest a request may take, in ms (default 10,000). */
  readonly timeoutMs?: number
  /** First pause after a request that failed, in ms, doubled each time up to a minute (default 500). */
  readonly backoffMs?: number
  /** The longest that closing waits for what is not delivered yet, in ms (default 10,000). */
  readonly closingMs?: number
}

/** Lines that wait at most; the oldest are given up first. */
const mostWaiting = 10_000
/** Lines of one request. */
const mostTogether = 500
const longestBackoffMs = 60_000

/** Statuses after which the same request may be taken later; others say that it never will. */
const isPassing = (status: number): boolean => status >= 500 || status === 408 || status === 429

/** Sends events in the background, in their order. */
export class HttpLog {
  readonly #url: string
  readonly #options: HttpLogOptions
  readonly #run: string
  readonly #waiting: string[] = []
  readonly #closing = new AbortController()
  #sent = 0
  #number = 0
  #lost = 0
  #told = false
  #sending: Promise<void> | undefined

  private constructor(run: string, url: string, options: HttpLogOptions) {
    this.#run = run
    this.#url = url
    this.#options = options
  }

  /** For the run in `folder`, whose run.json is there: the first line has its settings. */
  static async open(folder: string, url: string, resumeStep: number, options: HttpLogOptions = {}): Promise<HttpLog> {
    const { settings, totalSteps = null } = await readRun(folder)
    const log = new HttpLog(basename(resolve(folder)), url, options)
    log.#put({ type: 'begin', resumeStep, totalSteps, settings })
    return log
  }

  /** Takes an event, to be sent when the server is ready. */
  append(event: TrainEvent): void {
    this.#put(event)
  }

  #put(line: object): void {
    this.#waiting.push(JSON.stringify({ run: this.#run, number: this.#number++, at: Date.now(), ...line }))
    if (this.#waiting.length > mostWaiting) {
      this.#waiting.shift()
      this.#lost++
    }
    this.#sending ??= this.#send().finally(() => (this.#sending = undefined))
  }

  async #send(): Promise<void> {
    let pause = this.#options.backoffMs ?? 500
    while (this.#waiting.length > 0 && !this.#closing.signal.aborted) {
      const lines = this.#waiting.slice(0, mostTogether)
      const lost = this.#lost
      const problem = await this.#post(lines)
      if (problem === undefined || !problem.passes) {
        // Those given up meanwhile were the first of them.
        this.#waiting.splice(0, Math.max(0, lines.length - (this.#lost - lost)))
        if (problem === undefined) this.#sent += lines.length
        else this.#lost += lines.length
        pause = this.#options.backoffMs ?? 500
      }
      if (problem === undefined) continue
      if (!this.#told) {
        this.#told = true
        const what = problem.passes
          ? 'it is tried again; the run goes on'
          : 'these events are left out; the run goes on'
        this.#options.onNote?.(`${this.#url} does not take the run's events (${problem.what}): ${what}`)
      }
      if (!problem.passes) continue
      await waitFor(pause, this.#closing.signal)
      pause = Math.min(longestBackoffMs, 2 * pause)
    }
  }

  async #post(lines: readonly string[]): Promise<{ readonly what: string; readonly passes: boolean } | undefined> {
    const { token, timeoutMs = 10_000 } = this.#options
    try {
      const response = await fetch(this.#url, {
        method: 'POST',
        headers: {
          'content-type': 'application/x-ndjson',
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
        },
        body: `${lines.join('\n')}\n`,
        // A redirect to another host would take the lines along.
        redirect: 'error',
        signal: AbortSignal.any([this.#closing.signal, AbortSignal.timeout(timeoutMs)]),
      })
      await response.body?.cancel()
      if (response.ok) return undefined
      return { what: `HTTP ${response.status}`, passes: isPassing(response.status) }
    } catch (error) {
      const { name, message, cause } = error as Error
      const why =
        name === 'TimeoutError' ? `no answer in ${timeoutMs / 1000} s` : ((cause as Error)?.message ?? message)
      return { what: why, passes: true }
    }
  }

  /** Waits for what is on its way, though not for long; what is not delivered then is given up, and told. */
  async close(): Promise<void> {
    const giveUp = setTimeout(() => this.#closing.abort(), this.#options.closingMs ?? 10_000)
    await this.#sending
    clearTimeout(giveUp)
    const lost = this.#lost + this.#waiting.length
    if (lost > 0)
      this.#options.onNote?.(`${this.#url} did not get ${lost} of the ${this.#sent + lost} events of this run`)
  }
}

/** Waits so long, or until `signal`. */
const waitFor = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((done) => {
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      done()
    }
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end)
  })
