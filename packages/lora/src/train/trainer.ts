// The trainer: an async iterable of events over epochs, steps, evaluations and checkpoints.
import { samplesOf, type Batch, type BatchRow, type Sample, type Samples } from '@jora/data'
import {
  averagingShares,
  defaultDevice,
  disposeTree,
  learningRateAt,
  showNonFinite,
  treeLeaves,
  type Device,
  type OptimizerConfig,
} from '@jora/tensor'
import { chooseDType, type Decoder } from '@jora/llama'
import { joinTrained, splitTrained, startAdapter, type Adapter } from '../adapter/adapter'
import { Evaluator } from './evaluate'
import { withPrompts } from './objectives/answers'
import { PreferenceEvaluator, type PreferenceEvaluation } from './objectives/evaluate'
import type { Preference } from './objectives/objective'
import { preferences } from './objectives/preferences'
import type { AnswerFigures, EvalEvent, TrainEvent } from '../runs/events'
import { ConfigError } from '../settings/lora-config'
import { planRun } from './batches/run-plan'
import { agree, checkDataParallel, dataGroups, isJob, placeAdapter } from './on-mesh'
import { checkTrainConfig, type TrainConfig } from '../settings/train-config'
import { needsHeldOut, watchNothing, type WatchRule } from '../settings/watch-rule'
import { apartOf } from '../adapter/apart'
import type { TrainState } from './step/train-state'
import { initState, TrainingStep } from './step/training-step'
import { isExhausted, watch, watchedFrom, type BestEvaluation, type Watched } from './watch/watching'

/** Where a run is. Everything random is a function of (seed, step, micro-step, epoch), so no generator state is kept. */
export interface Progress {
  /** Optimiser steps done. */
  readonly step: number
  /** Epoch the next micro-batch belongs to, from 0. */
  readonly epoch: number
  /** Steps of that epoch already done. */
  readonly epochStep: number
  /** Seconds trained so far, earlier runs included. */
  readonly seconds: number
  /** What evaluations came to; absent before the first, and in checkpoints of earlier versions. */
  readonly watched?: Watched
  /** The evaluation after this step was cut short by a stop: a resumed run begins with it. */
  readonly owesEvaluation?: true
}

/** What {@link runTraining} trains, on what, and from where. */
export interface TrainInputs {
  readonly model: Decoder
  readonly config: TrainConfig
  /** In memory, or read as steps need them. */
  readonly train: readonly Sample[] | Samples
  readonly heldOut: readonly Sample[] | Samples
  /** Fills the end of shorter rows; never learned. */
  readonly padId: number
  /** Longest row that context trees are put into, in tokens (default: the longest sample). */
  readonly rowTokens?: number | undefined
  /** Start from this adapter instead of a fresh one. */
  readonly initialAdapter?: Adapter | undefined
  /** Where an earlier run stopped: this one continues there, and consumes its state. */
  readonly resume?: { readonly state: TrainState; readonly progress: Progress } | undefined
  /** Saves a checkpoint and returns its path, for the event that reports it; without it none are made. */
  readonly saveCheckpoint?: ((state: TrainState, progress: Progress) => Promise<string>) | undefined
  /** What evaluations are for (default: nothing but to be told). */
  readonly watch?: WatchRule | undefined
  /** Answers held-out questions with the adapter, for the scores of an evaluation. */
  readonly scoreAnswers?: ((adapter: Adapter, signal?: AbortSignal) => Promise<AnswerFigures>) | undefined
  /** Aborting it ends the run after the running step, with a checkpoint. */
  readonly signal?: AbortSignal | undefined
  /** Where the model's weights are (default: the default device). */
  readonly device?: Device | undefined
}

/** The loss of preferences that a run has; undefined where it learns answers. */
const preferenceOf = ({ objective = 'sft', beta = 0.1 }: Pick<TrainConfig, 'objective' | 'beta'>) =>
  objective === 'sft' ? undefined : { rule: preferences[objective], beta }

/** @throws ConfigError for samples that are no preferences */
function learnedBy(rule: Preference | undefined, samples: Samples): Samples {
  if (!rule) return samples
  if (!samples.arePreferences)
    throw new ConfigError('preferences are learned of samples with two answers each; these are others')
  return rule.learnsPrompts ? withPrompts(samples) : samples
}

/** A checkpoint's state on the device: what is trained is `raw`, where the adapter that was kept is another. */
function placedState({ adapter, raw, ...slots }: TrainState, place: (adapter: Adapter) => Adapter): TrainState {
  const trained = raw === undefined ? adapter : joinTrained(raw, splitTrained(adapter).frozen)
  if (raw !== undefined) disposeTree(splitTrained(adapter).trained)
  const { packed, ...shaped } = slots
  const placed = Object.entries(shaped).map(([name, slot]) => [name, place(slot)] as const)
  return { adapter: place(trained), ...Object.fromEntries(placed), ...(packed !== undefined && { packed }) }
}

/** The constants of a run's optimiser, and which of its parameters are treated otherwise. */
const optimizerConfigOf = (config: TrainConfig): OptimizerConfig => ({
  beta1: config.adamBeta1,
  beta2: config.adamBeta2,
  epsilon: config.adamEpsilon,
  weightDecay: config.weightDecay,
  momentum: config.momentum,
  rateOf:
    config.loraPlusRatio === undefined
      ? undefined
      : (path) => (['loraB', 'magnitude'].includes(path.at(-1)!) ? config.loraPlusRatio! : 1),
  ...apartOf(config),
})

/** A trained adapter, and whether training came to its end: all steps, or the end of its patience. */
export interface TrainResult {
  readonly adapter: Adapter
  readonly steps: number
  readonly finished: boolean
  /** The best evaluation, by the metric of the rule. */
  readonly best: BestEvaluation | null
  /** Programs that were compiled with the model in them: for training steps and evaluations. */
  readonly programs: number
}

/**
 * Trains on samples and returns the adapter; every event of the run is yielded as it happens. It touches no files:
 * `saveCheckpoint` does, where it is given.
 * @throws ConfigError for settings that cannot be used or do not fit each other, and without samples; Error naming the
 * step and, where it can be found, the operation when loss or gradient is not finite
 */
export async function* runTraining(inputs: TrainInputs): AsyncGenerator<TrainEvent, TrainResult> {
  const { model, config, padId, rowTokens, saveCheckpoint, signal } = inputs
  const preference = preferenceOf(config)
  const train = learnedBy(preference?.rule, samplesOf(inputs.train))
  const heldOut = learnedBy(preference?.rule, samplesOf(inputs.heldOut))
  const rule = inputs.watch ?? watchNothing
  checkTrainConfig(config)
  if (train.length === 0) throw new ConfigError('there is no training sample')
  const device = inputs.device ?? defaultDevice()
  const groups = dataGroups(device)
  checkDataParallel(groups, config.batchSize, config.gradientAccumulationSteps, config.objective)
  // An evaluation is one program; what is left of three are the training step's.
  const plan = planRun(train, config, { rowTokens, padId, groups, mostShapes: heldOut.length > 0 ? 2 : 3 })
  const { totalSteps } = plan
  const warmupSteps = config.warmupSteps > 0 ? config.warmupSteps : Math.ceil(config.warmupRatio * totalSteps)
  const { scheduler, learningRate: peak, cycles, decayRatio = 0.2 } = config
  const decaySteps = Math.ceil(decayRatio * totalSteps)
  const schedule = { scheduler, learningRate: peak, warmupSteps, totalSteps, cycles, decaySteps }
  const shareAt = averagingShares((step) => learningRateAt(step - 1, schedule))
  const dtype = model.dtype ?? (await chooseDType(config.dtype, device, model.weights))
  const decoder: Decoder = { ...model, dtype, checkpointLayers: config.gradientCheckpointing }

  let progress: Progress = inputs.resume?.progress ?? { step: 0, epoch: 0, epochStep: 0, seconds: 0 }
  const place = (adapter: Adapter) => placeAdapter(adapter, model.config, device)
  const resumed = inputs.resume?.state
  const { optimizer, emaDecay, neftuneAlpha } = config
  const adamw = optimizerConfigOf(config)
  let state: TrainState = resumed
    ? placedState(resumed, place)
    : initState(place(inputs.initialAdapter ?? (await startAdapter(model, config.lora, config.seed, device))), {
        optimizer,
        emaDecay,
        adamw,
      })
  let watched = watchedFrom(rule, progress.watched)
  const earlier = progress.seconds
  const started = performance.now()
  const seconds = () => earlier + (performance.now() - started) / 1000
  const stepper = new TrainingStep(
    decoder,
    {
      lora: config.lora,
      adamw,
      optimizer,
      emaDecay,
      neftuneAlpha,
      maxGradNorm: config.maxGradNorm,
      sumsBatches: plan.sumsBatches,
      preference: preference && { ...preference, mostSamples: plan.mostSamples },
    },
    device,
  )
  const evaluator = preference
    ? new PreferenceEvaluator({ ...model, dtype }, config.lora, device, preference)
    : new Evaluator({ ...model, dtype }, config.lora, device)
  const programs = () => stepper.compiled + evaluator.compiled
  /** Releases what `evaluated` made. */
  const drop = (evaluated: Adapter): void => {
    const own = new Set(treeLeaves(state))
    for (const leaf of treeLeaves(evaluated)) if (!own.has(leaf)) leaf.dispose()
  }
  let savedAt = progress.step
  let owes = progress.owesEvaluation === true
  const save = async (): Promise<TrainEvent[]> => {
    if (!saveCheckpoint || savedAt === progress.step) return []
    const kept = stepper.evaluated(state)
    const saved = kept === state.adapter ? state : { ...state, adapter: kept, raw: splitTrained(state.adapter).trained }
    const path = await saveCheckpoint(saved, {
      ...progress,
      seconds: seconds(),
      watched,
      ...(owes && { owesEvaluation: true }),
    })
    drop(kept)
    savedAt = progress.step
    return [{ type: 'checkpoint', step: progress.step, path }]
  }
  const evaluate = async (): Promise<EvalEvent[]> => {
    if (heldOut.length === 0) return []
    const adapter = stepper.evaluated(state)
    try {
      // The processes of a job do the same things in the same order: none leaves an evaluation by itself.
      const alone = isJob(device) ? undefined : signal
      const options = { batchSize: Math.max(8, config.batchSize), padId, groups, signal: alone }
      const { loss, perplexity, ...figures } = await evaluator.run(heldOut, adapter, options)
      const { accuracy, margin } = figures as Partial<PreferenceEvaluation>
      const judged = accuracy === undefined || margin === undefined ? {} : { accuracy, margin }
      const scores = rule.scores.length > 0 ? await inputs.scoreAnswers?.(adapter, alone) : {}
      const event: EvalEvent = { type: 'eval', step: progress.step, loss, perplexity, ...judged, ...scores }
      watched = watch(watched, event, rule)
      return [event]
    } catch (error) {
      if (!signal?.aborted) throw error
      owes = true // stopped: a checkpoint is worth more than the rest of the evaluation
      return []
    } finally {
      drop(adapter)
    }
  }

  const readStep = (micro: readonly (readonly BatchRow[])[] = []): Promise<Batch[]> => {
    const read = Promise.all(micro.map((rows) => plan.batchOf(rows)))
    read.catch(() => {}) // A step that does not come, after a stop, fails nobody.
    return read
  }

  let left: Adapter | undefined
  const leaving = (): Adapter => (left = stepper.evaluated(state))

  try {
    if (owes) {
      owes = false
      yield* await evaluate()
      savedAt = -1 // The checkpoint says that it is done; of the best evaluation it is the adapter's.
      yield* await save()
    } else if (progress.step === 0 && rule.evalOnStart) yield* await evaluate()
    while (progress.step < totalSteps && !isExhausted(watched, rule)) {
      const steps = plan.stepsOf(progress.epoch)
      const first = progress.epochStep
      let reading = readStep(steps[first])
      for (let index = first; index < steps.length; index++) {
        const begun = performance.now()
        const step = progress.step + 1
        const batches = await reading
        // The samples of the next step are read while this one is computed.
        reading = readStep(steps[index + 1])
        const learningRate = learningRateAt(progress.step, schedule)
        const place = { step, learningRate, share: shareAt(step), seed: config.seed }
        const result = stepper.run(state, batches, place)
        state = result.state
        // Awaited together: what the step fails with is never left without who hears it.
        const [loss, gradNorm] = await Promise.all([
          result.loss.item(),
          result.gradNorm.item(),
          // The next step's program is compiled meanwhile, where its shape is new; what fails there is told when its turn comes.
          step < totalSteps && reading.then((next) => stepper.prepare(result.state, next, place)).catch(() => {}),
        ])
        result.loss.dispose()
        result.gradNorm.dispose()
        if (!Number.isFinite(loss) || !Number.isFinite(gradNorm)) {
          // The step changed nothing: where it began can be kept, and computed again to see what broke.
          yield* await save()
          const what = Number.isFinite(loss) ? `the gradient norm is ${gradNorm}` : `the loss is ${loss}`
          const numbers = { step, seed: config.seed }
          const found = await stepper.firstNonFinite(state.adapter, batches, numbers).catch(() => undefined)
          const first = found ? `first in ${showNonFinite(found)}; ` : ''
          const check =
            found?.op === 'input' ? 'check the model and the adapter' : 'lower the learning rate or check the data'
          throw new Error(`step ${step}: ${what}; ${first}${check}`)
        }
        const isLast = index === steps.length - 1
        progress = {
          ...progress,
          step,
          ...(isLast ? { epoch: progress.epoch + 1, epochStep: 0 } : { epochStep: index + 1 }),
        }
        const { stopping: asked, memory } = await agree(device, signal?.aborted === true)
        yield {
          type: 'step',
          step,
          epoch: isLast ? progress.epoch : progress.epoch + (index + 1) / steps.length,
          loss,
          learningRate,
          gradNorm,
          tokens: batches.reduce((n, b) => n + b.batchSize * b.seqLen, 0),
          targetTokens: batches.reduce((n, b) => n + b.targetTokens, 0),
          samples: batches.reduce((n, b) => n + b.sampleCount, 0),
          stepMs: performance.now() - begun,
          deviceBytes: memory.map((m) => m.bytes),
        }
        const last = step === totalSteps
        if (last || (config.evalEvery === undefined ? isLast : step % config.evalEvery === 0)) yield* await evaluate()
        const ends = last || isExhausted(watched, rule)
        const stopping = asked || (!isJob(device) && signal?.aborted === true)
        const isBest = rule.loadBest && watched.best?.step === step
        if (stopping || ends || isBest || (config.saveEvery === undefined ? isLast : step % config.saveEvery === 0))
          yield* await save()
        if (ends && !(owes && needsHeldOut(rule))) break
        if (stopping)
          return { adapter: leaving(), steps: step, finished: false, best: watched.best, programs: programs() }
      }
    }
    yield {
      type: 'done',
      steps: progress.step,
      seconds: seconds(),
      peakDeviceBytes: (await agree(device, false)).memory.map((m) => m.peakBytes),
      programs: programs(),
      ...(progress.step < totalSteps && { stoppedEarly: true }),
    }
    return { adapter: leaving(), steps: progress.step, finished: true, best: watched.best, programs: programs() }
  } finally {
    stepper.dispose()
    evaluator.dispose()
    const kept = new Set(treeLeaves(left ?? state.adapter))
    for (const leaf of treeLeaves(state)) if (!kept.has(leaf)) leaf.dispose()
  }
}
