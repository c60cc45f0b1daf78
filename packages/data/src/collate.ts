// Samples to the flat arrays a device reads, in few distinct shapes.

import { IGNORED_LABEL, type Sample } from './tokenize'

export interface Batch {
  /** Token ids [batchSize * seqLen], right-padded. */
  tokens: Int32Array
  batchSize: number
  seqLen: number
  /** [labelSlots]: flat positions b·seqLen + t whose NEXT token is learned; 0 in unused slots. */
  labelRows: Int32Array
  /** [labelSlots]: the token to predict there; −1 in unused slots. */
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
  /** Round the label slots up to a multiple of this (default: to an eighth of batchSize·seqLen). */
  labelMultiple?: number
  /** Rows of the batch (default: as many as there are samples); more than that are padding. */
  batchSize?: number
}

const roundUp = (value: number, multiple: number) => Math.ceil(value / multiple) * multiple

/** The padded length in tokens of a batch whose longest sample has `length`. */
export function paddedLength(length: number): number {
  return Math.max(16, length <= 64 ? roundUp(length, 16) : roundUp(length, 32))
}

/**
 * Makes a batch. Every executable is compiled for one shape, so lengths and label slots are rounded to coarse grids.
 *
 * @throws RangeError when there are no samples, more of them than `batchSize`, or an index outside the list
 */
export function collate(samples: readonly Sample[], indices: readonly number[], options: CollateOptions): Batch {
  const { padId, lengthMultiple, labelMultiple, batchSize = indices.length } = options
  if (indices.length === 0 || indices.length > batchSize) {
    throw new RangeError(`collate: ${indices.length} samples do not fit a batch of ${batchSize}`)
  }
  const chosen = indices.map((index) => {
    const sample = samples[index]
    if (sample === undefined) throw new RangeError(`collate: no sample ${index} among ${samples.length}`)
    return sample
  })
  const longest = chosen.reduce((max, { ids }) => Math.max(max, ids.length), 1)
  const seqLen = lengthMultiple === undefined ? paddedLength(longest) : roundUp(longest, lengthMultiple)

  const tokens = new Int32Array(batchSize * seqLen).fill(padId)
  const rows: number[] = []
  const targets: number[] = []
  let tokenCount = 0
  chosen.forEach(({ ids, labels }, b) => {
    tokens.set(ids, b * seqLen)
    tokenCount += ids.length
    labels.forEach((label, t) => {
      if (t === 0 || label === IGNORED_LABEL) return
      rows.push(b * seqLen + t - 1)
      targets.push(label)
    })
  })
  const slotMultiple = labelMultiple ?? Math.ceil((batchSize * seqLen) / 8)
  const labelSlots = Math.max(slotMultiple, roundUp(targets.length, slotMultiple))
  const labelRows = new Int32Array(labelSlots)
  labelRows.set(rows)
  const labels = new Int32Array(labelSlots).fill(-1)
  labels.set(targets)
  return {
    tokens,
    batchSize,
    seqLen,
    labelRows,
    labels,
    targetTokens: targets.length,
    sampleCount: chosen.length,
    tokenCount,
    samples: [...indices],
  }
}
