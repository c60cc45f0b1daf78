// A queue of work for a device: runs at once while nothing is awaited, and otherwise in order.

export class WorkQueue {
  readonly #waiting: (() => void | Promise<void>)[] = []
  #busy = false
  #idle: (() => void)[] = []

  constructor(readonly onError: (error: unknown) => void) {}

  /** Whether work handed in now would have to wait. */
  get busy(): boolean {
    return this.#busy
  }

  add(work: () => void | Promise<void>): void {
    this.#waiting.push(work)
    if (!this.#busy) this.#drain()
  }

  /** Resolves when nothing waits. */
  idle(): Promise<void> {
    return this.#busy ? new Promise((resolve) => this.#idle.push(resolve)) : Promise.resolve()
  }

  #drain(): void {
    for (let work = this.#waiting.shift(); work; work = this.#waiting.shift()) {
      try {
        const pending = work()
        if (!pending) continue
        this.#busy = true
        pending.catch(this.onError).finally(() => {
          this.#busy = false
          this.#drain()
        })
        return
      } catch (error) {
        this.onError(error)
      }
    }
    for (const resolve of this.#idle.splice(0)) resolve()
  }
}
