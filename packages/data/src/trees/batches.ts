// Which samples make up which batch, in which order, epoch by epoch.

import { deriveSeed, shuffle } from '../random'
import { figuresOf, type PlannedSample, type SampleFigures } from './samples'

/** How {@link planBatches} orders samples. */
export interface PlanOptions {
  /** Samples a batch. */
  batchSize: number
  /** From 0; every epoch has its own order. */
  epoch: number
  /** Seed of the order; with `epoch` it fixes the plan. */
  seed: number
  /** false keeps the order of the samples exactly: no sorting by length either. */
  shuffle: boolean
  /** Samples come from short to long by their `reach`, a length curriculum; those of equal length as `shuffle` has them. */
  shortFirst?: boolean
  /** Lengths in the same multiple of this, in tokens, count as equal when sorting (default 32). */
  lengthBucket?: number
  /** Samples sorted together, in batches (default 50, as `group_by_length` in transformers). */
  window?: number
}

/** Lengths within so many tokens count as equal. */
const defaultBucket = 32

/** Index lists into the samples, one a batch, in training order. */
export type BatchPlan = readonly (readonly number[])[]

/**
 * The samples of an epoch in order: shuffled or as they are, and with `shortFirst` sorted by length. The same (samples, seed, epoch)
 * give the same order.
 */
export function epochOrder(
  samples: readonly PlannedSample[] | SampleFigures,
  { shuffle: isShuffled, shortFirst, seed, epoch, lengthBucket = defaultBucket }: Omit<PlanOptions, 'batchSize'>,
): number[] {
  const figures = figuresOf(samples)
  const inOrder = Array.from({ length: figures.length }, (_, i) => i)
  const order = isShuffled ? shuffle(inOrder, deriveSeed(seed, 'samples', epoch)) : inOrder
  if (!shortFirst) return order
  const bucketOf = Int32Array.from(inOrder, (i) => Math.ceil(figures.reachOf(i) / lengthBucket))
  // The sort is stable: within a bucket the order stays.
  return order.sort((a, b) => bucketOf[a]! - bucketOf[b]!)
}

/**
 * Plans one epoch. Every sample comes exactly once; a last, smaller batch is kept. With `shuffle`, samples of similar length
 * share a batch: shuffle, cut into windows, sort each window by length bucket, cut into batches, shuffle the batches. With `shortFirst`
 * batches go from short samples to long ones. The same
 * (samples, seed, epoch) gives the same plan.
 *
 * @throws RangeError on a batch size, bucket or window that is not a positive integer
 */
export function planBatches(samples: readonly PlannedSample[] | SampleFigures, options: PlanOptions): BatchPlan {
  const { batchSize, epoch, seed, lengthBucket = defaultBucket, window = 50 } = options
  for (const [name, value] of Object.entries({ batchSize, lengthBucket, window })) {
    if (!(Number.isInteger(value) && value > 0))
      throw new RangeError(`planBatches: ${name} ${value} is not a positive integer`)
  }
  const figures = figuresOf(samples)
  const order = epochOrder(figures, options)
  if (!options.shuffle || options.shortFirst) return chunks(order, batchSize)
  const bucketOf = (index: number) => Math.ceil(figures.tokensOf(index) / lengthBucket)
  // The sort is stable: within a bucket the shuffled order stays.
  const batches = chunks(order, batchSize * window).flatMap((part) =>
    chunks(
      part.sort((a, b) => bucketOf(a) - bucketOf(b)),
      batchSize,
    ),
  )
  return shuffle(batches, deriveSeed(seed, 'batches', epoch))
}

/** `array` in runs of `size`; the last may be shorter. */
export function chunks<T>(array: readonly T[], size: number): T[][] {
  const result: T[][] = []
  for (let start = 0; start < array.length; start += size) result.push(array.slice(start, start + size))
  return result
}
