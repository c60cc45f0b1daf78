// How much of a push has gone.
import type { PushOptions } from './push-options'

interface Sized {
  readonly name: string
  readonly bytes: number
}

/** How many bytes of which file have gone. */
export class SentBytes {
  readonly #onProgress: PushOptions['onProgress']
  readonly #sent = new Map<string, number>()
  #totalBytes = 0

  constructor(onProgress: PushOptions['onProgress']) {
    this.#onProgress = onProgress
  }

  begin(files: readonly Sized[]): void {
    this.#totalBytes = files.reduce((n, { bytes }) => n + bytes, 0)
  }

  readonly count = (file: string, bytes: number): void => {
    this.#sent.set(file, (this.#sent.get(file) ?? 0) + bytes)
    this.#tell(file)
  }

  /** They are in the repository, whether they were sent or the Hub had them. */
  finish(files: readonly Sized[]): void {
    for (const { name, bytes } of files) {
      this.#sent.set(name, bytes)
      this.#tell(name)
    }
  }

  forget(files: readonly Sized[]): void {
    for (const { name } of files) this.#sent.delete(name)
  }

  #tell(file: string): void {
    const sentBytes = [...this.#sent.values()].reduce((n, bytes) => n + bytes, 0)
    this.#onProgress?.({ type: 'sent', file, sentBytes, totalBytes: this.#totalBytes })
  }
}
