// Results of long work, in their order: those of a call that was stopped come back, the others are made and kept.

import type { IndexParts, TermIndex } from '../retrieval/term-index'

/** Items in their order: an array, or what reads each from a file when it is asked for. */
export interface List<T> extends Iterable<T> {
  readonly length: number
  /** The item of a place from 0; undefined behind the last. */
  at(place: number): T | undefined
}

/** The results of one stage. */
export interface Kept<T> {
  /** The next result of an earlier call; undefined once there are no more. */
  take(): T | undefined
  /** Keeps a result that was made now, behind all before it. */
  add(result: T): void
  /**
   * A result that was taken or added, again.
   * @param number from 0
   * @throws Error when it cannot be read any more
   */
  at(number: number): T
}

/** An index of words that is made part by part. */
export interface KeptIndexParts {
  /** The index of all texts, where an earlier call joined its parts; undefined where it is not that of so many. */
  whole(texts: number): TermIndex | undefined
  /** Whether an earlier call made the next part; the part behind it is the next then. */
  take(): boolean
  /** Keeps a part that was made now, behind all before it. */
  add(part: IndexParts): void
  /** Makes all parts one index. Yields now and then. @throws Error when a part cannot be read any more */
  join(): Generator<undefined, TermIndex, unknown>
}

/** Results of one call, in memory. */
export class KeptInMemory<T> implements Kept<T> {
  readonly #results: T[] = []

  take(): undefined {
    return undefined
  }

  add(result: T): void {
    this.#results.push(result)
  }

  at(number: number): T {
    return this.#results[number]!
  }
}

/** The next result: an earlier call's, or one that is made now. */
export function nextOf<T>(kept: Kept<T> | undefined, make: () => T): { result: T; isEarlier: boolean } {
  const earlier = kept?.take()
  if (earlier !== undefined) return { result: earlier, isEarlier: true }
  const result = make()
  kept?.add(result)
  return { result, isEarlier: false }
}
