// Samples to the flat arrays a device reads, in few distinct shapes.

import type { BatchRow } from './plan'
import type { BatchShape } from './shapes'
import { paddedLength, paddedWindow, roundUp } from './padding'
import { countSamples, IGNORED_LABEL, type Sample } from './sample'
import type { Samples } from './samples'

/** A micro-batch of one shape, as host arrays for a training step. */
export interface Batch {
  /** Token ids [batchSize * seqLen], right-padded. */
  tokens: Int32Array
  batchSize: number
  seqLen: number
  /** Runs of batchSize / groups rows, each with label slots of its own: what a mesh splits its devices' rows by. */
  groups: number
  /**
   * [groups · slots]: flat positions b·seqLen + t whose NEXT token is learned, b counted within the group; 0 in unused
   * slots.
   */
  labelRows: Int32Array
  /** [groups · slots]: the token to predict there; −1 in unused slots. */
  labels: Int32Array
  /** Slots in use. */
  targetTokens: number
  /** Who sees whom, and where; absent where every row is one sample, seen causally. */
  packed?: PackedRows
  /** Samples in the batch, each branch of a tree being one. */
  sampleCount: number
  /** Rows that hold any; the remaining ones up to batchSize are padding. */
  rowCount: number
  /** Real tokens, without padding. */
  tokenCount: number
  /** Indices into the sample list. */
  samples: number[]
  /** The samples themselves, in that order. */
  parts: readonly Sample[]
}

/** Rows in which several samples, or the branches of trees, are one after another. */
export interface PackedRows {
  /** Position of each token in its own sample [batchSize * seqLen]. */
  positions: Int32Array
  /**
   * (index, groupStart, prefixEnd, branchStart) of each token [batchSize * seqLen * 4]: it sees key j when
   * groupStart ≤ j ≤ index and (j < prefixEnd or j ≥ branchStart).
   */
  visibility: Int32Array
  /** No token sees one that is this many before it, or more. */
  window: number
}

/** The shape of a batch. */
export interface CollateOptions {
  /** Fills the right of short rows; never learned, and never seen under causal attention. */
  padId: number
  /** Round the length up to a multiple of this (default: of 16 up to 64 tokens, of 32 above). */
  lengthMultiple?: number
  /** Round the label slots of a group up to a multiple of this (default: to an eighth of its rows · seqLen). */
  labelMultiple?: number
  /** Rows of the batch (default: as many as there are samples); more than that are padding. */
  batchSize?: number
  /** Equal runs of rows that have label slots of their own (default 1); rows are padded up to a multiple of it. */
  groups?: number
  /** Pads to this instead, which holds the rows (see `planShapes`); it goes before the other sizes. */
  shape?: BatchShape | undefined
}

/**
 * Makes a batch of rows, each a sample or several. `samples` are a list, or by their index those that the rows name. Every executable is compiled for one shape, so lengths and label slots
 * are rounded to coarse grids.
 *
 * @throws RangeError when there are no rows, more of them than `batchSize`, an index outside the list, `groups` is no
 * positive integer, or the rows do not fit `shape`
 */
export function collate(
  samples: readonly Sample[] | ReadonlyMap<number, Sample>,
  rows: readonly BatchRow[],
  options: CollateOptions,
): Batch {
  const { padId, lengthMultiple, labelMultiple, shape, groups = 1 } = options
  if (!(Number.isInteger(groups) && groups > 0))
    throw new RangeError(`collate: groups ${groups} is not a positive integer`)
  const rowsWanted = shape?.batchSize ?? options.batchSize ?? rows.length
  if (rows.length === 0 || rows.length > rowsWanted) {
    throw new RangeError(`collate: ${rows.length} samples do not fit a batch of ${rowsWanted}`)
  }
  const batchSize = roundUp(rowsWanted, groups)
  const groupRows = batchSize / groups
  const placed = rows.map((row) => placeRow(samples, typeof row === 'number' ? [row] : row))
  const longest = placed.reduce((max, { length }) => Math.max(max, length), 1)
  const seqLen =
    shape?.seqLen ?? (lengthMultiple === undefined ? paddedLength(longest) : roundUp(longest, lengthMultiple))
  if (longest > seqLen) throw new RangeError(`collate: a row of ${longest} tokens does not fit one of ${seqLen}`)

  const tokens = new Int32Array(batchSize * seqLen).fill(padId)
  const learned = Array.from({ length: groups }, () => ({ rows: [] as number[], labels: [] as number[] }))
  placed.forEach(({ parts }, b) => {
    const group = learned[Math.floor(b / groupRows)]!
    const rowStart = (b % groupRows) * seqLen
    for (const { sample, start } of parts) {
      tokens.set(sample.ids, b * seqLen + start)
      const before = tokenBefore(sample)
      sample.labels.forEach((label, t) => {
        if (t === 0 || label === IGNORED_LABEL) return
        group.rows.push(rowStart + start + before(t))
        group.labels.push(label)
      })
    }
  })
  const slotMultiple = labelMultiple ?? Math.ceil((groupRows * seqLen) / 8)
  const most = Math.max(...learned.map((group) => group.labels.length))
  const slots = shape?.slots ?? Math.max(slotMultiple, roundUp(most, slotMultiple))
  if (most > slots) throw new RangeError(`collate: ${most} labels do not fit ${slots} slots`)
  const labelRows = new Int32Array(groups * slots)
  const labels = new Int32Array(groups * slots).fill(-1)
  learned.forEach((group, g) => {
    labelRows.set(group.rows, g * slots)
    labels.set(group.labels, g * slots)
  })
  const chosen = placed.flatMap(({ parts }) => parts)
  const isPacked =
    shape?.window !== undefined ||
    placed.some(({ parts }) => parts.length > 1) ||
    chosen.some(({ sample }) => sample.branches)
  return {
    tokens,
    batchSize,
    seqLen,
    groups,
    labelRows,
    labels,
    targetTokens: learned.reduce((n, group) => n + group.labels.length, 0),
    ...(isPacked ? { packed: packRows(placed, batchSize, seqLen, shape?.window) } : {}),
    sampleCount: chosen.reduce((n, { sample }) => n + countSamples(sample), 0),
    rowCount: rows.length,
    tokenCount: placed.reduce((n, { length }) => n + length, 0),
    samples: rows.flat(),
    parts: chosen.map(({ sample }) => sample),
  }
}

/** Samples one after another in a row, and where each begins. */
interface PlacedRow {
  readonly parts: readonly { readonly sample: Sample; readonly start: number }[]
  readonly length: number
}

/** A batch of samples that are read for it. @throws what {@link collate} throws */
export async function readBatch(samples: Samples, rows: readonly BatchRow[], options: CollateOptions): Promise<Batch> {
  const indices = [...new Set(rows.flat())]
  const read = await samples.read(indices)
  return collate(new Map(indices.map((index, i) => [index, read[i]!])), rows, options)
}

function placeRow(samples: Parameters<typeof collate>[0], indices: readonly number[]): PlacedRow {
  let length = 0
  const parts = indices.map((index) => {
    const sample = 'get' in samples ? samples.get(index) : samples[index]
    if (sample === undefined)
      throw new RangeError(`collate: no sample ${index} among ${'get' in samples ? samples.size : samples.length}`)
    const start = length
    length += sample.ids.length
    return { sample, start }
  })
  return { parts, length }
}

/** Where the token is that another is predicted from: of a branch's first, the last of the context that it sees. */
function tokenBefore({ branches = [] }: Sample): (t: number) => number {
  const first = new Map(branches.map(({ start, contextLength }) => [start, contextLength - 1]))
  return (t) => first.get(t) ?? t - 1
}

function packRows(
  placed: readonly PlacedRow[],
  batchSize: number,
  seqLen: number,
  window: number | undefined,
): PackedRows {
  const positions = new Int32Array(batchSize * seqLen)
  // Padding sees itself alone: a row of the softmax must not be empty.
  const visibility = Int32Array.from({ length: batchSize * seqLen * 4 }, (_, i) =>
    i % 4 === 2 ? 0 : Math.floor(i / 4) % seqLen,
  )
  let longest = 1
  placed.forEach(({ parts }, b) => {
    for (const { sample, start } of parts) {
      const { branches = [] } = sample
      longest = Math.max(longest, sample.ids.length)
      let branch = -1
      for (let t = 0; t < sample.ids.length; t++) {
        if (t === branches[branch + 1]?.start) branch++
        const own = branches[branch]
        const at = b * seqLen + start + t
        positions[at] = own ? own.contextLength + t - own.start : t
        visibility[at * 4 + 1] = start
        visibility[at * 4 + 2] = start + (own?.contextLength ?? 0)
        visibility[at * 4 + 3] = start + (own?.start ?? 0)
      }
    }
  })
  return { positions, visibility, window: window ?? paddedWindow(longest, seqLen) }
}
