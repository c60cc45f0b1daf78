// The batches of a run: which rows are computed together, step by step, and the few shapes that they are padded to.
import {
  countEpochSteps,
  planShapes,
  planSteps,
  readBatch,
  samplesOf,
  shapeFor,
  type Batch,
  type BatchRow,
  type Sample,
  type SampleFigures,
  type Samples,
  type StepPlan,
  type StepPlanOptions,
} from '@jora/data'
import type { TrainConfig } from '../../settings/train-config'
import { mostSamplesOf } from '../objectives/answers'
import { joinForGroups } from '../on-mesh'

/** Options of the plan of one epoch. */
const planOf = (config: TrainConfig, epoch: number, rowTokens: number | undefined): StepPlanOptions => ({
  batchSize: config.batchSize,
  // A preference is two answers, and samples are counted by answers.
  gradientAccumulationSteps: config.gradientAccumulationSteps * ((config.objective ?? 'sft') === 'sft' ? 1 : 2),
  epoch,
  seed: config.seed,
  shuffle: config.shuffle,
  shortFirst: config.lengthCurriculum === 'every' || (config.lengthCurriculum === 'first' && epoch === 0),
  ...(rowTokens === undefined ? {} : { rowTokens }),
})

/**
 * The optimiser steps of a whole run.
 * @param rowTokens as in `planSteps`
 */
export function countSteps(
  samples: readonly Sample[] | SampleFigures,
  config: TrainConfig,
  rowTokens?: number,
): number {
  const most = config.maxSteps ?? Infinity
  let steps = 0
  for (let epoch = 0; epoch < config.epochs && steps < most; epoch++)
    steps += countEpochSteps(samples, planOf(config, epoch, rowTokens))
  return Math.min(steps, most)
}

/** How a run's batches are made. */
export interface RunPlanOptions {
  /** As in `planSteps`. */
  readonly rowTokens: number | undefined
  /** Fills the end of shorter rows; never learned. */
  readonly padId: number
  /** Parts that each batch is cut into; see `collate`. */
  readonly groups: number
  /** Shapes that batches may have: the training step is compiled for each. */
  readonly mostShapes: number
}

/** The batches of a run. */
export interface RunPlan {
  readonly totalSteps: number
  /** Some step has several batches: then all sum gradients, so that a shape is one program. */
  readonly sumsBatches: boolean
  /** Samples of the batch that has the most. */
  readonly mostSamples: number
  /** The rows of each batch of each step of an epoch. */
  stepsOf(epoch: number): StepPlan
  /** Reads the samples of these rows. */
  batchOf(rows: readonly BatchRow[]): Promise<Batch>
}

/** Plans a run; the same samples and settings give the same plan on every machine. */
export function planRun(
  of: readonly Sample[] | Samples,
  config: TrainConfig,
  { rowTokens, padId, groups, mostShapes }: RunPlanOptions,
): RunPlan {
  const samples = samplesOf(of)
  // One epoch is in memory at a time.
  let planned: { readonly epoch: number; readonly steps: StepPlan } | undefined
  const stepsOf = (epoch: number): StepPlan => {
    if (planned?.epoch !== epoch) {
      planned = undefined
      const steps = planSteps(samples, planOf(config, epoch, rowTokens))
      planned = { epoch, steps: steps.map((micro) => joinForGroups(micro, groups)) }
    }
    return planned.steps
  }
  function* takenSteps(): Generator<StepPlan[number]> {
    let left = config.maxSteps ?? Infinity
    for (let epoch = 0; epoch < config.epochs && left > 0; epoch++) {
      const steps = stepsOf(epoch).slice(0, left)
      left -= steps.length
      yield* steps
    }
  }
  let [totalSteps, sumsBatches, mostSamples] = [0, false, 1]
  for (const batches of takenSteps()) {
    totalSteps++
    sumsBatches ||= batches.length > 1
    mostSamples = Math.max(mostSamples, mostSamplesOf(batches))
  }
  const taken: Iterable<readonly BatchRow[]> = {
    *[Symbol.iterator]() {
      for (const batches of takenSteps()) yield* batches
    },
  }
  const shapes = planShapes(samples, taken, { most: mostShapes, groups })
  return {
    totalSteps,
    sumsBatches,
    mostSamples,
    stepsOf,
    batchOf: (rows) => readBatch(samples, rows, { padId, groups, shape: shapeFor(samples, rows, shapes, groups) }),
  }
}
