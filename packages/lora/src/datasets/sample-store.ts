// Where samples go while rows are tokenised: memory, and when that is full a file.
import type { Sample, SampleSink } from '@jora/data'

/** Beside its ids and labels, what a sample in memory takes, roughly, in bytes. */
const sampleBytes = 300

/** Samples in memory, until they are too many. */
export class SampleStore implements SampleSink {
  readonly held: Sample[] = []
  #bytes = 0
  #file: SampleSink | undefined
  readonly #allowance: number

  /** @param allowance bytes */
  constructor(allowance: number) {
    this.#allowance = allowance
  }

  get length(): number {
    return this.#file?.length ?? this.held.length
  }

  /** Whether what is in memory is more than the allowance. */
  get isFull(): boolean {
    return this.#file === undefined && this.#bytes > this.#allowance
  }

  push(sample: Sample): void {
    if (this.#file) return void this.#file.push(sample)
    this.held.push(sample)
    this.#bytes += sample.ids.byteLength + sample.labels.byteLength + sampleBytes
  }

  /** From now on samples go to a file, and those that are here first. */
  moveTo(file: SampleSink): void {
    for (const sample of this.held.splice(0)) file.push(sample)
    this.#file = file
  }
}
