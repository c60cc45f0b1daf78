// Several data sets as one, by the numbers of their rows: which are trained, how often, and which are held out.
import { deriveSeed, shuffle, splitNotes, splitSides, type SplitKeys } from '@jora/data'
import { ConfigError } from '../settings/config-error'

/** Numbers of rows of one data set: from the first, up to the last + 1. */
export type RowRange = readonly [from: number, to: number]

/** How several data sets become the rows of one run. */
export interface RowListOptions {
  /** By data set, how often each training row counts: 2 is twice, 0.5 half of them, drawn by the seed. */
  readonly weights?: readonly number[] | undefined
  /** Rows to hold out instead of a share. */
  readonly heldOut?: RowRange | undefined
  /** Training share where nothing is named to be held out. */
  readonly split: number
  readonly seed: number
}

/** Numbers of rows, those of `train` as often as they count. */
export interface RowLists {
  readonly train: Int32Array
  readonly heldOut: Int32Array
  /** Remarks on the split, in sentences. */
  readonly notes: readonly string[]
}

/**
 * Makes data sets one. A row that is held out stays once, whatever its data set weighs. Rows that a data set marks as test are left
 * out where others are held out.
 * @param sets the data sets, one after another from row 0 on
 * @throws ConfigError for weights that are not one for each
 */
export function rowLists(
  keys: SplitKeys,
  sets: readonly RowRange[],
  { weights, heldOut, split, seed }: RowListOptions,
): RowLists {
  if (weights && weights.length !== sets.length)
    throw new ConfigError(
      `datasetWeights has ${weights.length} numbers for ${sets.length} data sets, expected one for each`,
      'datasetWeights',
    )
  const end = sets.at(-1)?.[1] ?? 0
  const own = upTo(keys, end)
  const held = heldOut && numbers(heldOut)
  const sides = held
    ? { train: numbers([0, end]).filter((row) => keys.sideOf(row) !== 'test'), heldOut: held }
    : splitSides(own, split, seed)
  if (!weights && !held) {
    const isFixed = numbers([0, end]).some((row) => keys.sideOf(row) !== undefined)
    return { ...sides, notes: splitNotes(sides as ReturnType<typeof splitSides>, split, isFixed) }
  }
  const parts = sets.map(([from, to], i) =>
    repeated(
      sides.train.filter((row) => row >= from && row < to),
      weights?.[i] ?? 1,
      deriveSeed(seed, 'weight', i),
    ),
  )
  const train = new Int32Array(parts.reduce((n, part) => n + part.length, 0))
  let at = 0
  for (const part of parts) {
    train.set(part, at)
    at += part.length
  }
  return { train, heldOut: sides.heldOut, notes: splitNotes({ train, heldOut: sides.heldOut, parted: 0 }, split, true) }
}

const numbers = ([from, to]: RowRange): Int32Array => Int32Array.from({ length: to - from }, (_, i) => from + i)

/** The keys of the first rows alone. */
const upTo = (keys: SplitKeys, length: number): SplitKeys => ({
  length,
  sideOf: (row) => keys.sideOf(row),
  contextOf: (row) => keys.contextOf(row),
  questionOf: (row) => keys.questionOf(row),
  wholeOf: (row) => keys.wholeOf(row),
})

/** Each row ⌊weight⌋ times, and as many as the rest asks for once more. */
function repeated(rows: Int32Array, weight: number, seed: number): Int32Array {
  const whole = Math.floor(weight)
  const places = Array.from({ length: rows.length }, (_, i) => i)
  const more = shuffle(places, seed).slice(0, Math.round(rows.length * (weight - whole)))
  const all = new Int32Array(whole * rows.length + more.length)
  for (let i = 0; i < whole; i++) all.set(rows, i * rows.length)
  more.sort((a, b) => a - b).forEach((place, i) => (all[whole * rows.length + i] = rows[place]!))
  return all
}
