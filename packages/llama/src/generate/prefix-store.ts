// Caches of prompts that were computed, kept for prompts that begin alike: a conversation's next turn, or the next question
// on one context.
import { disposeTree, type Tensor } from '@jora/tensor'
import type { AdapterTensors } from './options'
import type { Cache } from './sight'

export interface Prefix {
  readonly adapter: AdapterTensors
  /** Token i is in column i. */
  readonly ids: readonly number[]
  /** One row. */
  readonly layers: Cache
  readonly capacity: number
}

/** The beginning of a prompt that is computed already. */
export interface Found {
  readonly prefix: Prefix
  /** So many tokens are the same. */
  readonly length: number
  /** It was taken out of the store: whoever has it may change or release it. Otherwise it is only lent. */
  readonly taken: boolean
}

/** Shorter beginnings are computed anew: a copy costs as much. */
const shortest = 16

/** Least recently used prefixes go first. */
export class PrefixStore {
  /** Least recently used first. */
  readonly #prefixes: Prefix[] = []
  readonly #budget: number
  #bytes = 0

  /** @param budget bytes of keys and values that are kept */
  constructor(budget: number) {
    this.#budget = budget
  }

  /** Bytes that are kept. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * What begins most like a prompt; at most all but its last token, whose scores are wanted. A prefix that is mostly the
   * same is taken out, as the prompt replaces it; of another a copy is to be made.
   */
  find(adapter: AdapterTensors, ids: readonly number[]): Found | undefined {
    let best: { index: number; length: number } | undefined
    for (const [index, prefix] of this.#prefixes.entries()) {
      if (prefix.adapter !== adapter) continue
      const length = commonLength(prefix.ids, ids.length - 1, ids)
      if (length >= shortest && length >= (best?.length ?? 0)) best = { index, length }
    }
    if (!best) return undefined
    const [prefix] = this.#prefixes.splice(best.index, 1) as [Prefix]
    const taken = 2 * best.length >= prefix.ids.length
    if (taken) this.#bytes -= bytesOf(prefix)
    else this.#prefixes.push(prefix)
    return { prefix, length: best.length, taken }
  }

  /** Keeps a prefix, or releases it if it alone is beyond the budget. */
  add(prefix: Prefix): void {
    this.#prefixes.push(prefix)
    this.#bytes += bytesOf(prefix)
    while (this.#bytes > this.#budget) this.#release(this.#prefixes.shift()!)
  }

  /** Releases all. */
  dispose(): void {
    for (const prefix of this.#prefixes.splice(0)) this.#release(prefix)
  }

  #release(prefix: Prefix): void {
    this.#bytes -= bytesOf(prefix)
    disposeTree(prefix.layers)
  }
}

function commonLength(a: readonly number[], limit: number, b: readonly number[]): number {
  const most = Math.min(a.length, limit)
  let length = 0
  while (length < most && a[length] === b[length]) length++
  return length
}

const sizeOf = ({ shape, dtype }: Tensor): number => shape.reduce((a, b) => a * b, 1) * (dtype === 'f16' ? 2 : 4)

const bytesOf = ({ layers }: Prefix): number => layers.reduce((sum, { k, v }) => sum + sizeOf(k) + sizeOf(v), 0)
