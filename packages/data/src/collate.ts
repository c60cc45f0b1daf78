// Samples to the flat arrays a device reads, in few distinct shapes.

import { IGNORED_LABEL, type Sample } from './tokenize'

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
  /** Samples in the batch; the remaining rows up to batchSize are padding. */
  sampleCount: number
  /** Real tokens, without padding. */
  tokenCount: number
  /** Indices into the sample list. */
  samples: number[]
}

export interface CollateOptions {
  /** Fills the right of short rows; never learned, and with causal attention never seen. */
  padId: number
  /** Round the length up to a multiple of this (default: of 16 up to 64 tokens, of 32 above). */
  lengthMultiple?: number
  /** Round the label slots of a group up to a multiple of this (default: to an eighth of its rows · seqLen). */
  labelMultiple?: number
  /** Rows of the batch (default: as many as there are samples); more than that are padding. */
  batchSize?: number
  /** Equal runs of rows that have label slots of their own (default 1); rows are padded up to a multiple of it. */
  groups?: number
}

const roundUp = (value: number, multiple: number) => Math.ceil(value / multiple) * multiple

/** The padded length in tokens of a batch whose longest sample has `length`. */
export function paddedLength(length: number): number {
  return Math.max(16, length <= 64 ? roundUp(length, 16) : roundUp(length, 32))
}

/**
 * Makes a batch. Every executable is compiled for one shape, so lengths and label slots are rounded to coarse grids.
 *
 * @throws RangeError when there are no samples, more of them than `batchSize`, an index outside the list, or `groups` is
 * no positive integer
 */
export function collate(samples: readonly Sample[], indices: readonly number[], options: CollateOptions): Batch {
  const { padId, lengthMultiple, labelMultiple, groups = 1 } = options
  if (!(Number.isInteger(groups) && groups > 0))
    throw new RangeError(`collate: groups ${groups} is no positive integer`)
  const rows = options.batchSize ?? indices.length
  if (indices.length === 0 || indices.length > rows) {
    throw new RangeError(`collate: ${indices.length} samples do not fit a batch of ${rows}`)
  }
  const batchSize = roundUp(rows, groups)
  const groupRows = batchSize / groups
  const chosen = indices.map((index) => {
    const sample = samples[index]
    if (sample === undefined) throw new RangeError(`collate: no sample ${index} among ${samples.length}`)
    return sample
  })
  const longest = chosen.reduce((max, { ids }) => Math.max(max, ids.length), 1)
  const seqLen = lengthMultiple === undefined ? paddedLength(longest) : roundUp(longest, lengthMultiple)

  const tokens = new Int32Array(batchSize * seqLen).fill(padId)
  const learned = Array.from({ length: groups }, () => ({ rows: [] as number[], labels: [] as number[] }))
  let tokenCount = 0
  chosen.forEach(({ ids, labels }, b) => {
    tokens.set(ids, b * seqLen)
    tokenCount += ids.length
    const group = learned[Math.floor(b / groupRows)]
    labels.forEach((label, t) => {
      if (t === 0 || label === IGNORED_LABEL) return
      group?.rows.push((b % groupRows) * seqLen + t - 1)
      group?.labels.push(label)
    })
  })
  const slotMultiple = labelMultiple ?? Math.ceil((groupRows * seqLen) / 8)
  const most = Math.max(...learned.map((group) => group.labels.length))
  const slots = Math.max(slotMultiple, roundUp(most, slotMultiple))
  const labelRows = new Int32Array(groups * slots)
  const labels = new Int32Array(groups * slots).fill(-1)
  learned.forEach((group, g) => {
    labelRows.set(group.rows, g * slots)
    labels.set(group.labels, g * slots)
  })
  return {
    tokens,
    batchSize,
    seqLen,
    groups,
    labelRows,
    labels,
    targetTokens: learned.reduce((n, group) => n + group.labels.length, 0),
    sampleCount: chosen.length,
    tokenCount,
    samples: [...indices],
  }
}
