// What is kept of each row of a data set that is not in memory: what its side of the split is chosen by.

import { keysOfRow, type SplitKeys } from '../rows/split'
import type { Row } from '../rows/row-formats'
import { Numbers } from './numbers'

const sides = [undefined, 'train', 'test'] as const

/** Keys of rows, some 25 bytes each. */
export class RowKeys implements SplitKeys {
  readonly #sides = new Numbers(Uint8Array)
  /** NaN for rows without a context. */
  readonly #contexts = new Numbers(Float64Array)
  readonly #questions = new Numbers(Float64Array)
  readonly #wholes = new Numbers(Float64Array)

  get length(): number {
    return this.#sides.length
  }

  /** Takes the keys of one row more. */
  add(row: Row): void {
    const { context, question, whole } = keysOfRow(row)
    this.#sides.push(sides.indexOf(row.split))
    this.#contexts.push(context ?? Number.NaN)
    this.#questions.push(question)
    this.#wholes.push(whole)
  }

  sideOf(row: number): 'train' | 'test' | undefined {
    return sides[this.#sides.at(row)]
  }

  contextOf(row: number): number | undefined {
    const key = this.#contexts.at(row)
    return Number.isNaN(key) ? undefined : key
  }

  questionOf(row: number): number {
    return this.#questions.at(row)
  }

  wholeOf(row: number): number {
    return this.#wholes.at(row)
  }
}
