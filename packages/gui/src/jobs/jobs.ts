// What takes a while and is no run: told while it goes on, cancelled on demand, forgotten with the server.
import { randomUUID } from 'node:crypto'
import type { Job } from '../api'
import { Failure } from '../server/failure'

const mostKept = 100
const mostRunning = 8

export interface JobWork {
  readonly kind: Job['kind']
  readonly title: string
  readonly runId?: string
  readonly projectId?: string
  /** @returns the result */
  readonly run: (signal: AbortSignal, progress: (progress: Job['progress']) => void) => Promise<Record<string, unknown>>
}

export class Jobs {
  readonly #jobs = new Map<string, { job: Job; cancel: AbortController; ended: Promise<void> }>()
  readonly #listeners = new Set<(job: Job) => void>()

  /** Newest first. */
  list(): Job[] {
    return [...this.#jobs.values()].map(({ job }) => job).reverse()
  }

  get(id: string): Job {
    return this.#find(id).job
  }

  onChange(listener: (job: Job) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** @throws Failure when too many go on at once */
  start({ kind, title, runId, projectId, run }: JobWork): Job {
    const running = [...this.#jobs.values()].filter(({ job }) => job.state === 'running')
    if (running.length >= mostRunning)
      throw new Failure('too_many', 'Too many jobs are running: wait until one is done.')
    const job: Job = {
      id: randomUUID(),
      kind,
      title,
      state: 'running',
      runId: runId ?? null,
      projectId: projectId ?? null,
      progress: null,
      message: null,
      result: null,
      startedAt: new Date().toISOString(),
      endedAt: null,
    }
    const cancel = new AbortController()
    const end = (changes: Partial<Job>) => this.#change(job, { ...changes, endedAt: new Date().toISOString() })
    const ended = run(cancel.signal, (progress) => this.#change(job, { progress })).then(
      (result) => end({ state: 'done', result }),
      (error: Error) =>
        end(cancel.signal.aborted ? { state: 'cancelled' } : { state: 'failed', message: error.message }),
    )
    this.#jobs.set(job.id, { job, cancel, ended })
    for (const [id, old] of this.#jobs) {
      if (this.#jobs.size <= mostKept) break
      if (old.job.state !== 'running') this.#jobs.delete(id)
    }
    this.#change(job, {})
    return job
  }

  /** Asks a job to end; it is told when it has. */
  cancel(id: string): Job {
    const { job, cancel } = this.#find(id)
    cancel.abort(new Error('cancelled'))
    return job
  }

  async close(): Promise<void> {
    for (const { cancel } of this.#jobs.values()) cancel.abort(new Error('the server ends'))
    await Promise.all([...this.#jobs.values()].map(({ ended }) => ended))
  }

  #find(id: string) {
    const found = this.#jobs.get(id)
    if (!found) throw new Failure('not_found', 'There is no such job; jobs are forgotten when the server ends.')
    return found
  }

  #change(job: Job, changes: Partial<Job>): void {
    Object.assign(job, changes)
    for (const listener of this.#listeners) listener(job)
  }
}
