// The few shapes that the batches of a run are padded to: every shape costs a compiled program, and every program memory.

import { paddedLength, paddedWindow, roundUp } from './padding'
import type { BatchRow } from './plan'
import type { Sample } from './sample'
import { figuresOf, haveTrees, type SampleFigures } from './samples'

/** What a batch is padded to. */
export interface BatchShape {
  /** Rows. */
  readonly batchSize: number
  /** Tokens of a row. */
  readonly seqLen: number
  /** Label slots of a group of rows. */
  readonly slots: number
  /** As in `PackedRows`, where rows hold several samples or trees; absent where each is one sample, seen causally. */
  readonly window?: number
}

/** How {@link planShapes} chooses. */
export interface ShapeOptions {
  /** Most shapes to choose. */
  readonly most: number
  /** Runs of rows that have label slots of their own; see `collate`. */
  readonly groups: number
}

/** What the batches of one length need of their shape. */
interface Need {
  readonly length: number
  readonly slots: number
  readonly window: number
  /** How many there are. */
  readonly count: number
}

/**
 * At most `most` shapes that hold these batches with the fewest tokens of padding, the smallest first. All have the rows of
 * the largest batch. The same batches give the same shapes.
 * @param batches gone through twice; they need not be in memory together
 */
export function planShapes(
  of: readonly Sample[] | SampleFigures,
  batches: Iterable<readonly BatchRow[]>,
  { most, groups }: ShapeOptions,
): BatchShape[] {
  const samples = figuresOf(of)
  let [mostRows, isPacked] = [1, haveTrees(samples)]
  for (const batch of batches) {
    mostRows = Math.max(mostRows, batch.length)
    isPacked ||= batch.some(isSeveral)
  }
  const batchSize = roundUp(mostRows, groups)
  const needOf = (batch: readonly BatchRow[]): Need => {
    const slots = Array.from({ length: groups }, () => 0)
    let [length, window] = [1, 1]
    batch.forEach((row, at) => {
      const group = Math.floor((at * groups) / batchSize)
      let tokens = 0
      for (const index of typeof row === 'number' ? [row] : row) {
        tokens += samples.tokensOf(index)
        slots[group]! += samples.targetsOf(index)
        window = Math.max(window, samples.tokensOf(index))
      }
      length = Math.max(length, tokens)
    })
    return { length: paddedLength(length), slots: Math.max(...slots), window, count: 1 }
  }
  const byLength = new Map<number, Need>()
  for (const batch of batches) {
    const need = needOf(batch)
    const known = byLength.get(need.length)
    byLength.set(need.length, known ? both(known, need) : need)
  }
  const needs = [...byLength.values()]
  const lengths = ladder(needs, most)
  return lengths.map((seqLen, i) => {
    const shorter = lengths[i - 1] ?? 0
    const own = needs.filter(({ length }) => length > shorter && length <= seqLen)
    const largest = (of: keyof Need) => own.reduce((n, need) => Math.max(n, need[of]), 1)
    // Slots in an eighth of the tokens, as `collate` has them.
    const eighth = Math.ceil(((batchSize / groups) * seqLen) / 8)
    const shape = { batchSize, seqLen, slots: roundUp(largest('slots'), eighth) }
    return isPacked ? { ...shape, window: paddedWindow(largest('window'), seqLen) } : shape
  })
}

const both = (a: Need, b: Need): Need => ({
  length: a.length,
  slots: Math.max(a.slots, b.slots),
  window: Math.max(a.window, b.window),
  count: a.count + b.count,
})

const isSeveral = (row: BatchRow): boolean => typeof row !== 'number' && row.length > 1

/** At most `most` of the lengths, the longest among them, to which all batches are padded with the fewest tokens together. */
function ladder(needs: readonly Need[], most: number): number[] {
  const rising = needs.toSorted((a, b) => a.length - b.length)
  const steps = rising.map(({ length }) => length)
  const upTo = rising.reduce<number[]>((sums, { count }) => [...sums, sums.at(-1)! + count], [0])
  // best[i]: the fewest tokens for the first i lengths, and the lengths they are padded to; a shape more each round.
  let best = steps.map((length, i) => ({ tokens: upTo[i + 1]! * length, chosen: [length] }))
  for (let round = 1; round < most; round++) {
    best = best.map((alone, i) =>
      best.slice(0, i).reduce((least, { tokens, chosen }, j) => {
        const sum = tokens + (upTo[i + 1]! - upTo[j + 1]!) * steps[i]!
        return sum < least.tokens ? { tokens: sum, chosen: [...chosen, steps[i]!] } : least
      }, alone),
    )
  }
  return best.at(-1)?.chosen ?? []
}

/** The smallest of `shapes` that holds a batch of these rows; undefined when none does. */
export function shapeFor(
  of: readonly Sample[] | SampleFigures,
  rows: readonly BatchRow[],
  shapes: readonly BatchShape[],
  groups: number,
): BatchShape | undefined {
  const samples = figuresOf(of)
  return shapes.find((shape) => {
    if (rows.length > shape.batchSize) return false
    const slots = Array.from({ length: groups }, () => 0)
    return rows.every((row, at) => {
      const own = typeof row === 'number' ? [row] : row
      const group = Math.floor((at * groups) / shape.batchSize)
      slots[group]! += own.reduce((n, index) => n + samples.targetsOf(index), 0)
      const tokens = own.reduce((n, index) => n + samples.tokensOf(index), 0)
      const { window } = shape
      const fits = window === undefined ? own.length === 1 : own.every((index) => samples.tokensOf(index) <= window)
      return fits && tokens <= shape.seqLen && slots[group]! <= shape.slots
    })
  })
}
