// What a row may teach: its answers, the better of two, or whether one is good; and how each goes among the tokenised rows.

import { withAnswerOf } from '../preference/two'
import type { Row } from '../rows/row-formats'
import type { TokenisedRows } from './tokenised-rows'

/** A row, and where it is a preference the other answer, or whether its own is good. */
export interface LearnedRow {
  readonly row: Row
  /** The same prompt with a worse answer. */
  readonly rejected?: Row
  /** Whether the answer is a good one. */
  readonly isGood?: boolean
}

/** The first row of a side, which waits for the last, and the row before. */
interface Waiting {
  readonly first: { readonly row: Row; readonly isGood: boolean; readonly number: number }
  before: Row
}

/**
 * Adds rows of any kind. The second answer of a row that is judged is that of the row before on its side of the split, the first
 * row's that of the last: what the loss compares with.
 */
export class RowAdder {
  readonly #tokenised: TokenisedRows
  readonly #isHeldOut: (number: number) => boolean
  readonly #waiting = new Map<boolean, Waiting>()

  constructor(tokenised: TokenisedRows, isHeldOut: (number: number) => boolean) {
    ;[this.#tokenised, this.#isHeldOut] = [tokenised, isHeldOut]
  }

  /** @throws DatasetError on a row that cannot be tokenised */
  add({ row, rejected, isGood }: LearnedRow, number: number): void {
    if (rejected !== undefined) return this.#tokenised.addTwo({ first: row, second: rejected, sign: 1 }, number)
    if (isGood === undefined) return this.#tokenised.add(row, number)
    const side = this.#isHeldOut(number)
    const known = this.#waiting.get(side)
    if (known === undefined) this.#waiting.set(side, { first: { row, isGood, number }, before: row })
    else {
      this.#judged(row, known.before, isGood, number)
      known.before = row
    }
  }

  #judged(first: Row, before: Row, isGood: boolean, number: number): void {
    this.#tokenised.addTwo({ first, second: withAnswerOf(first, before), sign: isGood ? 1 : -1 }, number)
  }

  /** After the last row. */
  end(): void {
    for (const { first, before } of this.#waiting.values()) this.#judged(first.row, before, first.isGood, first.number)
    this.#waiting.clear()
  }
}
