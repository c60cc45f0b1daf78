// Sizes of batches are rounded up to coarse grids, so that few programs are compiled.

/** `value` up to a multiple of `multiple`. */
export const roundUp = (value: number, multiple: number) => Math.ceil(value / multiple) * multiple

/** The padded length in tokens of a batch whose longest sample has `length`. */
export function paddedLength(length: number): number {
  return Math.max(16, length <= 64 ? roundUp(length, 16) : roundUp(length, 32))
}

/** Keys looked at in front of a query are a multiple of this, so that few programs are compiled. */
const windowMultiple = 64

/** The window of rows of `seqLen` tokens whose longest sample has `longest`. */
export const paddedWindow = (longest: number, seqLen: number): number =>
  Math.min(seqLen, roundUp(longest, windowMultiple))
