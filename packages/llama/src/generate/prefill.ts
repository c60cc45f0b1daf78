// A prompt computed piece by piece, so that rows which are decoded meanwhile need not wait for the whole of it.
import { disposeTree, tensor, type Device, type Tensor } from '@jora/tensor'
import type { Continuation } from './continuation'
import { readNext } from './next-tokens'
import type { PrefixStore } from './prefix-store'
import type { GenerationPrograms } from './programs'
import { nextSize, type Cache } from './sight'

/** Tokens of a piece: the smallest of these that holds what is left, or the largest. */
const pieces = [32, 64, 128, 256]
const largest = pieces.at(-1)!

/** The keys and values of a prompt, and scores of the token behind it. */
export interface Computed {
  /** f32 `[1, vocab]`. */
  readonly scores: Tensor
  /** The likeliest, i32 `[1]`. */
  readonly best: Tensor
  /** One row; token i is in column i. */
  readonly layers: Cache
  readonly capacity: number
}

/** Computes one prompt, beginning with what is in the store. */
export class Prefill {
  readonly continuation: Continuation
  readonly #programs: GenerationPrograms
  readonly #device: Device | undefined
  readonly #capacity: number
  #layers: Cache | undefined
  /** Tokens that are in `#layers`. */
  #done = 0

  constructor(
    programs: GenerationPrograms,
    device: Device | undefined,
    prefixes: PrefixStore,
    continuation: Continuation,
  ) {
    this.#programs = programs
    this.#device = device
    this.continuation = continuation
    const { adapter, prompt } = continuation
    const found = prefixes.find(adapter, prompt)
    this.#done = found?.length ?? 0
    // The last piece may have fill tokens behind the prompt.
    const needed = nextSize(prompt.length + largest)
    this.#capacity = Math.max(needed, found?.prefix.capacity ?? 0)
    if (!found) return
    const { layers, capacity } = found.prefix
    if (found.taken && capacity === this.#capacity) this.#layers = layers
    else this.#layers = programs[found.taken ? 'spread' : 'copy'](layers, this.#upload([0], [1]), this.#capacity)
  }

  /** Computes the next piece. @returns the whole once nothing is left */
  async advance(): Promise<Computed | undefined> {
    const { prompt, adapter } = this.continuation
    const from = this.#done
    const ids = prompt.slice(from, from + largest)
    const size = pieces.find((piece) => piece >= ids.length)!
    const real = (n: number) => n < ids.length
    const columns = Array.from({ length: size }, (_, n) => from + n)
    const piece = [
      this.#upload([...ids, ...Array.from({ length: size - ids.length }, () => 0)], [1, size]),
      this.#upload(columns, [1, size]),
      // A fill token sees itself only, and later tokens are written over it.
      this.#upload(
        columns.flatMap((at, n) => (real(n) ? [at, 0, 0, 0] : [at, at, 0, at])),
        [1, size, 4],
      ),
    ] as const
    const isLast = from + ids.length === prompt.length
    const { empty, step } = this.#programs
    const start = this.#upload([from], [])
    const layers = this.#layers ?? empty(start, 1, this.#capacity)
    this.#layers = undefined
    const [scores, best, next] = step(adapter, layers, ...piece, start, this.#upload([ids.length - 1], [1]))
    this.#done += ids.length
    if (isLast) return { scores, best, layers: next, capacity: this.#capacity }
    this.#layers = next
    // The piece is computed before the next is asked for: others take turns with it.
    await readNext(scores, best, false)
    return undefined
  }

  /** Releases what was computed, when nobody wants it any more. */
  dispose(): void {
    if (this.#layers) disposeTree(this.#layers)
    this.#layers = undefined
  }

  #upload(data: readonly number[], shape: readonly number[]): Tensor {
    return tensor(Int32Array.from(data), { shape, ...(this.#device ? { device: this.#device } : {}) })
  }
}
