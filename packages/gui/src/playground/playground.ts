// The server's end of the playground: one process, started when someone asks and ended when nobody has for a while.
import { fork, type ChildProcess } from 'node:child_process'
import type { ChatEvent } from '../api'
import { childEnv } from '../process/command'
import { scriptPath } from '../process/scripts'
import { Failure } from '../server/failure'
import type { Ask, FromWorker, ToWorker } from './messages'

const mostWaiting = 8

export interface PlaygroundOptions {
  readonly cwd: string
  /** The process ends after so long without an ask. */
  readonly idleMs: number
}

export class Playground {
  readonly #options: PlaygroundOptions
  readonly #asks = new Map<number, (message: FromWorker) => void>()
  #child: ChildProcess | undefined
  #said = ''
  #ids = 0
  #idle: NodeJS.Timeout | undefined

  constructor(options: PlaygroundOptions) {
    this.#options = options
  }

  /** Events of an answer. Aborting ends it. @throws Failure when too many wait */
  async *ask(ask: Ask, signal: AbortSignal): AsyncGenerator<ChatEvent, void> {
    if (this.#asks.size >= mostWaiting)
      throw new Failure('too_many', 'Others are talking to the models: wait until they are done, then ask again.')
    clearTimeout(this.#idle)
    const child = (this.#child ??= this.#start())
    const id = ++this.#ids
    const queue: FromWorker[] = []
    let wake = () => {}
    this.#asks.set(id, (message) => {
      queue.push(message)
      wake()
    })
    const abort = () => {
      if (child.connected) child.send({ type: 'abort', id } satisfies ToWorker)
    }
    signal.addEventListener('abort', abort, { once: true })
    let ended = false
    try {
      child.send({ type: 'ask', id, ask } satisfies ToWorker)
      for (;;) {
        const message = queue.shift()
        if (message === undefined) await new Promise<void>((resolve) => (wake = resolve))
        else if (message.event) yield message.event
        else {
          ended = true
          return
        }
      }
    } finally {
      signal.removeEventListener('abort', abort)
      if (!ended) abort()
      this.#asks.delete(id)
      if (this.#asks.size === 0) this.#idle = setTimeout(() => this.close(), this.#options.idleMs).unref()
    }
  }

  close(): void {
    clearTimeout(this.#idle)
    this.#child?.kill('SIGKILL')
    this.#child = undefined
  }

  #start(): ChildProcess {
    const child = fork(scriptPath('playground-worker'), [], {
      cwd: this.#options.cwd,
      env: childEnv(),
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    this.#said = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#said = `${this.#said}${text}`.slice(-2000)))
    child.on('message', (message: FromWorker) => this.#asks.get(message.id)?.(message))
    const gone = () => {
      if (this.#child === child) this.#child = undefined
      const why = this.#said.trim().split('\n').at(-1)
      const message = `The process that holds the model has ended${why ? `: ${why}` : ', perhaps for want of memory'}. Ask again to start it anew.`
      for (const [id, tell] of this.#asks) {
        tell({ id, event: { type: 'error', message } })
        tell({ id })
      }
    }
    child.on('error', gone)
    child.on('exit', gone)
    child.unref()
    child.channel?.unref()
    return child
  }
}
