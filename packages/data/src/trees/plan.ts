// One epoch as optimiser steps: which samples are in which row of which batch.

import { chunks, epochOrder, planBatches, type PlanOptions } from './batches'
import { figuresOf, haveTrees, largest, type PlannedSample, type SampleFigures } from './samples'

/** A row of a batch: a sample, or several that are in it one after another and do not see each other. */
export type BatchRow = number | readonly number[]

/** How {@link planSteps} divides an epoch into optimiser steps. */
export interface StepPlanOptions extends PlanOptions {
  /** Micro-batches of an optimiser step. */
  gradientAccumulationSteps: number
  /** Longest row that trees are put into, in tokens (default: the longest sample). */
  rowTokens?: number
}

/** Micro-batches of each optimiser step. */
export type StepPlan = readonly (readonly (readonly BatchRow[])[])[]

/**
 * Plans one epoch. A step has `batchSize · gradientAccumulationSteps` samples. Where there are context trees, a step takes
 * trees until it has that many (a tree is not cut for it), puts them into as few rows as hold them, of even length, and a
 * micro-batch has up to `batchSize` of these rows. The same (samples, seed, epoch) gives the same plan.
 *
 * @throws RangeError on an option that is not a positive integer
 */
export function planSteps(of: readonly PlannedSample[] | SampleFigures, options: StepPlanOptions): StepPlan {
  const samples = figuresOf(of)
  const { batchSize, gradientAccumulationSteps } = options
  if (!haveTrees(samples)) return chunks(planBatches(samples, options), gradientAccumulationSteps)
  const longest = largest(samples, (i) => samples.tokensOf(i), 1)
  const capacity = Math.max(longest, options.rowTokens ?? 0)
  const steps: BatchRow[][][] = []
  let [open, count]: [number[], number] = [[], 0]
  const close = () => {
    if (open.length > 0) steps.push(chunks(fillRows(samples, open, capacity), batchSize))
    open = []
    count = 0
  }
  for (const index of epochOrder(samples, options)) {
    open.push(index)
    count += samples.branchesOf(index) || 1
    if (count >= batchSize * gradientAccumulationSteps) close()
  }
  close()
  return steps
}

/** Optimiser steps of one epoch, which for trees depends on its order. */
export const countEpochSteps = (samples: readonly PlannedSample[] | SampleFigures, options: StepPlanOptions): number =>
  haveTrees(figuresOf(samples))
    ? planSteps(samples, options).length
    : Math.ceil(Math.ceil(samples.length / options.batchSize) / options.gradientAccumulationSteps)

/** As few rows of at most `capacity` tokens as hold these samples: the longest sample first, always into the emptiest row. */
function fillRows(samples: SampleFigures, indices: readonly number[], capacity: number): BatchRow[] {
  const length = (index: number) => samples.tokensOf(index)
  const total = indices.reduce((n, index) => n + length(index), 0)
  const longestFirst = [...indices].sort((a, b) => length(b) - length(a))
  for (let count = Math.ceil(total / capacity); ; count++) {
    const rows = Array.from({ length: count }, () => ({ members: [] as number[], tokens: 0 }))
    for (const index of longestFirst) {
      const row = rows.reduce((a, b) => (b.tokens < a.tokens ? b : a))
      row.members.push(index)
      row.tokens += length(index)
    }
    // With a row for each sample it always fits.
    if (rows.every(({ tokens }) => tokens <= capacity))
      return rows.sort((a, b) => b.tokens - a.tokens).map(({ members }) => members)
  }
}

/** Rows that are filled at the same time. */
const openRows = 1024

/**
 * Rows of at most `capacity` tokens (or one sample) that hold all samples once, with little left over: the longest sample first,
 * always into the fullest row that takes it. The same samples give the same rows.
 */
export function packSamples(of: readonly PlannedSample[] | SampleFigures, capacity: number): number[][] {
  const samples = figuresOf(of)
  const length = (index: number) => samples.tokensOf(index)
  const done: number[][] = []
  const open: { readonly members: number[]; left: number }[] = []
  const all = Array.from({ length: samples.length }, (_, i) => i)
  for (const index of all.sort((a, b) => length(b) - length(a))) {
    let best: (typeof open)[number] | undefined
    for (const row of open) if (row.left >= length(index) && row.left < (best?.left ?? Infinity)) best = row
    if (!best) open.push((best = { members: [], left: capacity }))
    best.members.push(index)
    best.left -= length(index)
    if (open.length > openRows) done.push(open.shift()!.members)
  }
  return [...done, ...open.map(({ members }) => members)]
}
