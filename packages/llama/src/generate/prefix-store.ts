// Caches of prompts that were computed, kept for prompts that begin alike: a conversation's next turn, or the next question
// on one context.
import { disposeTree, dtypeBytes, type Tensor } from '@jora/tensor'
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
}

/** Shorter beginnings are computed anew: a copy costs as much. */
const shortest = 16

/** Least recently used prefixes go first. */
export class PrefixStore {
  /** Least recently used first. */
  readonly #prefixes: Prefix[] = []
  /** How often each is lent. */
  readonly #lent = new Map<Prefix, number>()
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

  /** What begins most like a prompt; at most all but its last token, whose scores are wanted. */
  find(adapter: AdapterTensors, ids: readonly number[]): Found | undefined {
    let best: { index: number; length: number } | undefined
    for (const [index, prefix] of this.#prefixes.entries()) {
      if (prefix.adapter !== adapter) continue
      const length = commonLength(prefix.ids, ids.length - 1, ids)
      if (length >= shortest && length >= (best?.length ?? 0)) best = { index, length }
    }
    if (!best) return undefined
    const [prefix] = this.#prefixes.splice(best.index, 1) as [Prefix]
    this.#prefixes.push(prefix)
    return { prefix, length: best.length }
  }

  /**
   * Takes a prefix out of the store, where the prompt that begins like it replaces it: it is mostly the same.
   *
   * @returns whether it was taken, and is the caller's to change; otherwise a copy is to be made
   */
  take({ prefix, length }: Found): boolean {
    const index = this.#prefixes.indexOf(prefix)
    if (index < 0 || this.isLent(prefix) || 2 * length < prefix.ids.length) return false
    this.#prefixes.splice(index, 1)
    this.#bytes -= bytesOf(prefix)
    return true
  }

  /** Whether somebody reads it. */
  isLent(prefix: Prefix): boolean {
    return this.#lent.has(prefix)
  }

  /** It stays as it is until it is given back as often as it was lent. */
  lend(prefix: Prefix): void {
    this.#lent.set(prefix, (this.#lent.get(prefix) ?? 0) + 1)
  }

  /** See {@link lend}. */
  giveBack(prefix: Prefix): void {
    const left = this.#lent.get(prefix)! - 1
    if (left > 0) return void this.#lent.set(prefix, left)
    this.#lent.delete(prefix)
    if (!this.#prefixes.includes(prefix)) disposeTree(prefix.layers)
  }

  /** Keeps a prefix, or releases it if it alone is beyond the budget. */
  add(prefix: Prefix): void {
    this.#prefixes.push(prefix)
    this.#bytes += bytesOf(prefix)
    while (this.#bytes > this.#budget) this.#release(this.#prefixes.shift()!)
  }

  /** Releases all; what is lent, once it is given back. */
  dispose(): void {
    for (const prefix of this.#prefixes.splice(0)) this.#release(prefix)
  }

  #release(prefix: Prefix): void {
    this.#bytes -= bytesOf(prefix)
    if (!this.isLent(prefix)) disposeTree(prefix.layers)
  }
}

/** How many of the first `limit` ids are the same. */
export function commonLength(a: readonly number[], limit: number, b: readonly number[]): number {
  const most = Math.min(a.length, limit)
  let length = 0
  while (length < most && a[length] === b[length]) length++
  return length
}

/** Bytes of a tensor's elements. */
export const tensorBytes = ({ shape, dtype }: Pick<Tensor, 'shape' | 'dtype'>): number =>
  shape.reduce((a, b) => a * b, dtypeBytes[dtype])

const bytesOf = ({ layers }: Prefix): number =>
  layers.reduce((sum, { k, v }) => sum + tensorBytes(k) + tensorBytes(v), 0)
