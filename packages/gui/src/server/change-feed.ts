// What changes of any run or job, as a stream: all there is first, then the newest state of whatever changed.
import type { Jobs } from '../jobs/jobs'
import type { RunManager } from '../runs/run-manager'
import { message, type Feed } from './streams'

export class ChangeFeed implements Feed {
  readonly ended = false
  /** Messages by what they are about: a slow reader gets the last state, not each. */
  readonly #due = new Map<string, string>()
  readonly #releases: readonly (() => void)[]
  #wake = () => {}

  constructor(runs: RunManager, jobs: Jobs) {
    this.#put('all', 'all', { runs: runs.list(), jobs: jobs.list() })
    this.#releases = [
      runs.onChange((change) =>
        change.event === 'run'
          ? this.#put(change.run.id, 'run', { run: change.run })
          : this.#put(change.id, 'removed', { id: change.id }),
      ),
      jobs.onChange((job) => this.#put(job.id, 'job', { job })),
    ]
  }

  #put(key: string, event: string, data: unknown): void {
    this.#due.delete(key)
    this.#due.set(key, message(event, JSON.stringify(data)))
    this.#wake()
  }

  take(): string {
    const text = [...this.#due.values()].join('')
    this.#due.clear()
    return text
  }

  onReady(wake: () => void): () => void {
    this.#wake = wake
    return () => (this.#wake = () => {})
  }

  close(): void {
    for (const release of this.#releases) release()
  }
}
