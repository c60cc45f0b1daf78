// The engine of answers: requests wait in one queue and are generated one after another.
import type { Generated, GenerateOptions, Generator } from './generate'

/**
 * A queue before one generator: those who ask at the same time get it one after another. Aborting a request that still
 * waits takes it out of the queue.
 */
export class Engine {
  readonly generator: Generator
  readonly #waiting: (() => void)[] = []
  #running = false

  constructor(generator: Generator) {
    this.generator = generator
  }

  /** Requests that wait. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** Whether one is generated. */
  get running(): boolean {
    return this.#running
  }

  /**
   * Ids of one continuation, as they are made, once its turn has come. Leaving the loop early ends it.
   *
   * @throws RangeError as `Generator.generate` does; the signal's reason
   */
  async *stream(prompt: readonly number[], options: GenerateOptions = {}): AsyncGenerator<number, Generated> {
    await this.#turn(options.signal)
    try {
      return yield* this.generator.stream(prompt, options)
    } finally {
      this.#done()
    }
  }

  /**
   * Runs `work` with the generator once its turn has come, e.g. for several batches that belong together.
   * @throws what `work` throws, or the signal's reason when aborted before its turn
   */
  async exclusively<T>(work: (generator: Generator) => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.#turn(signal)
    try {
      return await work(this.generator)
    } finally {
      this.#done()
    }
  }

  async #turn(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    if (!this.#running) {
      this.#running = true
      return
    }
    await new Promise<void>((resolve, reject) => {
      const go = () => {
        signal?.removeEventListener('abort', leave)
        resolve()
      }
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(go), 1)
        reject(signal!.reason as Error)
      }
      signal?.addEventListener('abort', leave, { once: true })
      this.#waiting.push(go)
    })
  }

  #done(): void {
    const next = this.#waiting.shift()
    // The turn is handed on: nobody who asks between can take it.
    if (next) next()
    else this.#running = false
  }

  /** Releases the generator's programs. */
  dispose(): void {
    this.generator.dispose()
  }
}
