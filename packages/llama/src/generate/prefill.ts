// A prompt computed piece by piece, so that rows which are decoded meanwhile need not wait for the whole of it.
import { disposeTree, tensor, type Device, type Tensor } from '@jora/tensor'
import type { Continuation } from './continuation'
import { readNext } from './next-tokens'
import type { PrefixStore } from './prefix-store'
import type { GenerationPrograms } from './programs'
import { nextSize, type Cache, type Shared } from './sight'

/** Tokens of a piece: the smallest of these that holds what is left, or the largest. A fill token costs as much as another. */
const pieces = [8, 16, 24, 32, 48, 64, 96, 128, 192, 256]
const largest = pieces.at(-1)!

/** Columns that hold `count` tokens in pieces. */
function columnsFor(count: number): number {
  const whole = largest * Math.max(0, Math.ceil(count / largest) - 1)
  return whole + pieces.find((piece) => piece >= count - whole)!
}

/** The keys and values of a prompt, and scores of the token behind it. */
export interface Computed {
  /** f32 `[1, vocab]`. */
  readonly scores: Tensor
  /** The likeliest, i32 `[1]`. */
  readonly best: Tensor
  /** One row; token i is in column i, those before `shared` ends left out. */
  readonly layers: Cache
  readonly capacity: number
}

/** Computes one prompt, beginning with what is in the store. */
export class Prefill {
  readonly continuation: Continuation
  readonly shared: Shared | undefined
  readonly #programs: GenerationPrograms
  readonly #device: Device | undefined
  readonly #capacity: number
  #layers: Cache | undefined
  /** Tokens that are computed. */
  #done = 0

  /** @param shared its beginning, which stays where it is */
  constructor(
    programs: GenerationPrograms,
    device: Device | undefined,
    prefixes: PrefixStore,
    continuation: Continuation,
    shared: Shared | undefined,
  ) {
    this.#programs = programs
    this.#device = device
    this.continuation = continuation
    this.shared = shared
    const { adapter, prompt } = continuation
    const found = shared ? undefined : prefixes.find(adapter, prompt)
    this.#done = shared?.length ?? found?.length ?? 0
    const own = this.#done - (shared?.length ?? 0)
    // The last piece may have fill tokens behind the prompt.
    const needed = nextSize(own + columnsFor(prompt.length - this.#done))
    this.#capacity = Math.max(needed, found?.prefix.capacity ?? 0)
    if (!found) return
    const { layers, capacity } = found.prefix
    const isTaken = prefixes.take(found)
    if (isTaken && capacity === this.#capacity) this.#layers = layers
    else this.#layers = programs[isTaken ? 'spread' : 'copy'](layers, this.#upload([0], [1]), this.#capacity)
  }

  /** Computes the next piece. @returns the whole once nothing is left */
  async advance(): Promise<Computed | undefined> {
    const { prompt, adapter } = this.continuation
    const from = this.#done
    const ids = prompt.slice(from, from + largest)
    const size = pieces.find((piece) => piece >= ids.length)!
    const real = (n: number) => n < ids.length
    const { length: seen, capacity: before, layers: context } = this.shared ?? { length: 0, capacity: 0, layers: [] }
    const at = from - seen
    const indices = Array.from({ length: size }, (_, n) => from + n)
    const piece = [
      this.#upload([...ids, ...Array.from({ length: size - ids.length }, () => 0)], [1, size]),
      this.#upload(indices, [1, size]),
      // A fill token sees itself only, and later tokens are written over it.
      this.#upload(
        indices.flatMap((_, n) => {
          const i = before + at + n
          return real(n) ? [i, 0, seen, before] : [i, i, 0, i]
        }),
        [1, size, 4],
      ),
    ] as const
    const isLast = from + ids.length === prompt.length
    const { empty, step } = this.#programs
    const start = this.#upload([at], [])
    const layers = this.#layers ?? empty(start, 1, this.#capacity)
    this.#layers = undefined
    const last = this.#upload([ids.length - 1], [1])
    const [scores, best, next] = step(adapter, layers, ...piece, start, last, context)
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
