// Calls of a mesh follow one another: each task begins when those before it are done.

/** A queue of tasks. The first failure is kept for whoever asks how it went. */
export class Turns {
  #last: Promise<void> = Promise.resolve()
  #firstError: Error | undefined

  /** Runs `task` after everything queued before; its failure is kept. */
  add(task: () => void | Promise<void>): void {
    this.#last = this.#last.then(task).catch((error: Error) => {
      this.#firstError ??= error
    })
  }

  /** Runs `task` in its turn and gives what it returns; what comes after waits until it is done. */
  run<R>(task: () => Promise<R>): Promise<R> {
    return new Promise((resolve, reject) => {
      this.add(() => task().then(resolve, reject))
    })
  }

  /** Starts `task` in its turn and gives what it returns; what comes after waits only until it has been started. */
  start<R>(task: () => Promise<R>): Promise<R> {
    return new Promise((resolve, reject) => {
      this.add(() => {
        try {
          task().then(resolve, reject)
        } catch (error) {
          reject(error as Error) // the caller's, not the queue's
        }
      })
    })
  }

  /** Resolves when all that is queued now is done, with the first failure since the last call. */
  async settled(): Promise<Error | undefined> {
    await this.#last
    const error = this.#firstError
    this.#firstError = undefined
    return error
  }
}
