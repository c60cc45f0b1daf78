// trainLora: the third of the paper's three calls: a run with its files, from its settings to its adapter.
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  openModel,
  type Decoder,
  type DecoderConfig,
  type DTypeSetting,
  type OpenModel,
  type RopeStretch,
} from '@jora/llama'
import { MeshDevice, parseMesh, ShardingError } from '@jora/shard'
import { DeviceError, openMesh } from '@jora/shard/open'
import { disposeTree, type Device } from '@jora/tensor'
import packageJson from '../../package.json' with { type: 'json' }
import { lowRankOf, startAdapter, trainedNumbers, type Adapter } from '../adapter/adapter'
import type { LowRankArrays } from '../adapter/host'
import { fitBase, fittedSource, originalWeight } from '../adapter/loftq/base'
import { readTaken } from '../adapter/loftq/files'
import {
  checkpointFolder,
  listCheckpoints,
  loadCheckpoint,
  ownCheckpoint,
  pruneCheckpoints,
  removeUnfinishedCheckpoints,
  saveCheckpoint,
} from '../runs/checkpoint'
import type { JoraDataset } from '../datasets/options'
import type { SampleList } from './samples'
import type { TrainEvent } from '../runs/events'
import { fingerprint, hashSamples } from '../runs/hashes'
import { recomputedLayers } from '../estimate/recomputed-layers'
import { courseOf } from '../settings/derive'
import type { JoraConfig } from '../settings/jora-config'
import { stretchedModel } from '../settings/rope-scaling'
import { settings as settingsTable } from '../settings/table'
import { ConfigError, loraRank, loraScaling, methodName, type LoraConfig } from '../settings/lora-config'
import type { TrainConfig } from '../settings/train-config'
import { needsHeldOut } from '../settings/watch-rule'
import { AnswerScorer, checkScores } from './watch/answer-scores'
import { checkDataParallel, dataGroups, fromFirst, writesFiles } from './on-mesh'
import { checkStretch, ropeStretchOf, writePrompt } from '../adapter/prompt-file'
import { checkPatterns } from '../adapter/target-modules'
import { withoutTrained } from '../adapter/replaced/apply'
import { checkFloats, readFloats } from '../adapter/whole/files'
import { loadAdapter } from '../adapter/read-adapter'
import { RunDirectory } from '../runs/run-directory'
import type { TrainSummary } from './train-summary'
import { iterableRun, RunLeft, type TrainRun } from './iterable-run'
import { countSteps } from './batches/run-plan'
import { runTraining } from './trainer'
import { trainingDType } from './training-dtype'

/** How {@link trainLora} runs, beside the settings that decide what is trained. */
export interface TrainOptions {
  /**
   * A checkpoint's folder to continue from, or `auto`: the newest checkpoint of the output directory, if there is one.
   * Absent: a new run.
   */
  readonly resume?: 'auto' | (string & {}) | undefined
  /** Stops after the running step, leaving a checkpoint to resume from. */
  readonly signal?: AbortSignal | undefined
  /** Where to train: a device or a mesh (default: opened as the config's `device` and `mesh` say). */
  readonly device?: Device | undefined
  /** The config's model, where it is open already; it stays open. */
  readonly model?: OpenModel | undefined
  /** Layers, from the first on, that are recomputed in the backward pass. Absent: as the settings say, `auto` as `recomputedLayers` finds. */
  readonly checkpointLayers?: number | undefined
  /**
   * Called with each event once it is in metrics.jsonl. The run waits for the promise it returns, and fails with what
   * it throws. The adapter is in the output directory before the `done` event.
   */
  readonly onEvent?: ((event: TrainEvent) => unknown) | undefined
  /** Told what goes wrong beside the run, a sentence each: a server that does not take its events. */
  readonly onNote?: ((text: string) => void) | undefined
}

/** Version of this package, for run.json. */
export const joraVersion: string = packageJson.version

/** Rank and scale, for an error. */
function described(config: LoraConfig): string {
  const { r, alpha, useRslora, rankPattern, alphaPattern } = config
  const { modulesToSave, ensureWeightTying, trainableTokenIndices: tokens } = config
  const patterns = [
    modulesToSave && `modules to save ${modulesToSave.join(' and ')}${ensureWeightTying ? ', tied' : ''}`,
    tokens && `tokens ${JSON.stringify(tokens)}`,
    rankPattern && `ranks ${JSON.stringify(rankPattern)}`,
    alphaPattern && `alphas ${JSON.stringify(alphaPattern)}`,
  ]
  const method = methodName(config)
  return [
    ...(method === 'lora' ? [] : [method]),
    `r ${r}`,
    `alpha ${alpha}`,
    `rsLoRA ${useRslora}`,
    ...patterns.filter(Boolean),
  ].join(', ')
}

/** Trees share rows of the length that a sample may have. */
const rowTokensOf = ({ settings }: JoraConfig, { packing }: Pick<JoraDataset, 'packing'>): number | undefined =>
  packing === 'tree' ? settings.maxSeqLength : undefined

/** The number of optimiser steps that `trainLora` takes with this config and dataset. */
export const stepsOfRun = (config: JoraConfig, dataset: Pick<JoraDataset<SampleList>, 'packing' | 'samples'>): number =>
  countSteps(dataset.samples, config.train, rowTokensOf(config, dataset))

/**
 * Trains a LoRA adapter on `dataset` and leaves it, with metrics and checkpoints, in `outputDir`. `options.onEvent`
 * receives every step; `for await` over the run, as in earlier versions, works for one more release.
 * @throws ConfigError when the settings do not fit model, dataset or checkpoint, or `outputDir` cannot be used
 */
export function trainLora(
  config: JoraConfig,
  dataset: JoraDataset<SampleList>,
  outputDir: string,
  options: TrainOptions = {},
): TrainRun {
  return iterableRun(
    (onEvent) =>
      train(config, dataset, outputDir, {
        ...options,
        onEvent: async (event) => {
          await options.onEvent?.(event)
          await onEvent(event)
        },
      }),
    stepsOfRun(config, dataset),
  )
}

/** What products are computed in, for run.json: in 8 bits, how many an activation has depends on the processor. */
const computesIn = (setting: DTypeSetting, { dtype = 'f32' }: Decoder, { activationBits }: Device) =>
  setting === 'int8' ? { dtype: setting, ...(activationBits && { activationBits }) } : { dtype }

/** @throws ConfigError when there is no such device or mesh */
const openDeviceOf = (config: JoraConfig): Promise<Device> =>
  openMesh(config.settings.device, config.deviceOptions).catch((error: unknown) => {
    const isOurs = error instanceof DeviceError || error instanceof ShardingError
    throw isOurs ? new ConfigError(error.message) : error
  })

async function train(
  config: JoraConfig,
  dataset: JoraDataset<SampleList>,
  outputDir: string,
  { resume, signal, device: given, model: open, checkpointLayers: wanted, onEvent, onNote }: TrainOptions,
): Promise<TrainSummary> {
  const { settings, watch } = config
  checkRun(config, dataset, given ? dataGroups(given) : parseMesh(settings.mesh).along('data'))
  const rowTokens = rowTokensOf(config, dataset)
  const totalSteps = stepsOfRun(config, dataset)
  const device = given ?? (await openDeviceOf(config))
  await using own = open ? undefined : await openModel(settings.modelPath, config.modelOptions)
  const { model: opened, stretch } = stretchedModel(open ?? own!, settings)
  const { path, id, revision } = opened.ref
  trainedNumbers(opened.config, config.train.lora) // What does not fit the model is refused before its weights are read.
  checkFloats(opened, config.train.lora)
  // Those of an adapter that training starts from may name what it has not.
  if (settings.initAdapter === undefined) checkPatterns(opened.config, config.train.lora)
  const modelHash = await opened.digest()
  const held = [
    modelHash,
    ...(settings.quantize === 'none' ? [] : [settings.quantize]),
    ...(stretch ? [stretch.type, stretch.factor] : []),
  ].join(' ')
  const print = fingerprint(config.train, held, await hashSamples(dataset.samples, rowTokens))
  const initial =
    settings.initAdapter === undefined
      ? undefined
      : await initialAdapter(settings.initAdapter, config.train.lora, opened.config, device, stretch)
  const { lora } = config.train
  const course = courseOf(settingsTable, settings)
  // Before the directory is touched: a checkpoint of other settings is refused, and what is there stays.
  const checkpoint = await checkpointToResume(outputDir, resume, device)
  const resumed =
    checkpoint === undefined ? undefined : await loadCheckpoint(checkpoint, opened.config, lora, print, device, course)
  const taken = await takenFor(opened, lora, checkpoint ?? settings.initAdapter)
  const from = taken && fittedSource(opened.weights, taken, lora)
  const checkpointLayers = wanted ?? (await recomputedLayers(opened, device, dataset, config))
  const dtype = trainingDType(settings.dtype, device, opened.config, config.train)
  const model = withoutTrained(await opened.decoder(device, dtype, 'trained', from), lora)
  const record = {
    version: joraVersion,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    device: device.name,
    deviceKind: device.kind,
    mesh: device instanceof MeshDevice ? device.mesh.toString() : null,
    computes: computesIn(dtype, model, device),
    settings,
    ...(checkpointLayers && { checkpointLayers }),
    model: { folder: path, id: id ?? null, revision: revision ?? null, hash: modelHash },
    ...(stretch && { ropeScaling: stretch }),
    dataset: {
      path: dataset.path,
      hash: dataset.hash,
      packing: dataset.packing,
      statistics: dataset.statistics,
    },
    fingerprint: print,
    totalSteps,
    startedAt: new Date().toISOString(),
  }
  const keeps = writesFiles(device)
  const resumeStep = resume === undefined ? undefined : (resumed?.progress.step ?? 0)
  const directory = keeps
    ? await RunDirectory.open(outputDir, record, resumeStep, {
        evaluatesAgain: resumed?.progress.owesEvaluation,
        checkpoint: checkpoint && ownCheckpoint(outputDir, checkpoint),
        reportTo: settings.reportTo,
        reportUrl: settings.reportUrl,
        onNote,
      })
    : RunDirectory.none(outputDir)
  const baseModel = id ?? settings.modelPath
  // A model is its own base.
  const base = lora.whole
    ? undefined
    : { model: baseModel, revision, digest: modelHash, ...(stretch && { ropeScaling: stretch }) }
  if (base?.ropeScaling && !dataset.prompt)
    throw new ConfigError(
      'ropeScaling needs a data set with its prompt: prompt.json says how the positions of the base were stretched',
      'ropeScaling',
    )
  const prompt = dataset.prompt && { template: dataset.prompt, base }
  const info = { baseModel, revision, prompt, taken, model: opened, saveDtype: settings.saveDtype }
  let { finalLoss } = directory.earlier
  const scorer = scorerOf(config, dataset, model, device)
  const training = runTraining({
    model,
    config:
      checkpointLayers === undefined ? config.train : { ...config.train, gradientCheckpointing: checkpointLayers },
    train: dataset.samples,
    heldOut: dataset.heldOut,
    padId: dataset.tokenizer.padId ?? dataset.tokenizer.eosId ?? 0,
    rowTokens,
    initialAdapter: initial ?? (resumed ? undefined : await startFromFiles(opened, model, config.train, device)),
    resume: resumed,
    watch,
    scoreAnswers: scorer && ((adapter, stop) => scorer.run(adapter, stop)),
    saveCheckpoint: async (state, progress) => {
      const path = await saveCheckpoint(outputDir, state, { ...progress, fingerprint: print, course }, lora, info)
      if (keeps && settings.saveTotalLimit !== undefined)
        await pruneCheckpoints(outputDir, settings.saveTotalLimit, progress.step, progress.watched?.best?.step)
      return path
    },
    signal,
    device,
  })
  const tell = async (event: TrainEvent): Promise<void> => {
    await directory.append(event)
    await onEvent?.(event)
  }
  try {
    if (keeps) await removeUnfinishedCheckpoints(outputDir)
    if (keeps && prompt) await writePrompt(outputDir, prompt)
    let next = await training.next()
    for (; !next.done; next = await training.next()) {
      const event = next.value
      if (event.type === 'step') finalLoss = event.loss
      // The adapter is in the directory before the run says that it is done.
      if (event.type === 'done') break
      await tell(event)
    }
    const doneEvent = next.done ? undefined : next.value
    const result = next.done ? next : await training.next()
    if (!result.done) throw new Error('the trainer went on after its last event')
    const { adapter: last, steps, finished, best, programs } = result.value
    const other = finished && watch.loadBest && best !== null && best.step !== steps ? best : undefined
    const kept = other && { step: other.step, metric: watch.metric, value: other.value }
    const adapter = kept ? await adapterAt(outputDir, kept.step, model.config, lora, print, device) : last
    if (kept) disposeTree(last)
    if (finished) await directory.finish(adapter, lora, info)
    if (doneEvent) await tell(kept && doneEvent.type === 'done' ? { ...doneEvent, kept } : doneEvent)
    return { outputDir, steps, totalSteps, finished, finalLoss, adapter, best: best ?? undefined, programs }
  } catch (error) {
    // Where even that cannot be written, the first error is the one to tell.
    if (!(error instanceof RunLeft))
      await directory.append({ type: 'error', message: (error as Error).message }).catch(() => {})
    throw error
  } finally {
    await training.return(undefined as never) // releases its programs when the run was left early
    scorer?.dispose()
    await directory.close().catch(() => {}) // likewise: each line was written before the next event
  }
}

/** What LoftQ takes from the weights before it quantises the base: of a fresh adapter, or as it is beside one to go on from. */
async function takenFor(
  { weights, config }: OpenModel,
  lora: LoraConfig,
  folder: string | undefined,
): Promise<LowRankArrays | undefined> {
  if (!lora.loftqConfig) return undefined
  return folder === undefined ? await fitBase(weights, config, lora) : await readTaken(folder, config, lora)
}

/**
 * A fresh adapter that starts from what quantising took, or the model's own weights as its files have them; undefined for other
 * starts, which need no weights but the decoder's.
 */
async function startFromFiles(
  opened: OpenModel,
  model: Decoder,
  { lora, seed }: TrainConfig,
  device: Device,
): Promise<Adapter | undefined> {
  if (lora.whole) return await startAdapter(model, lora, seed, device, (name) => readFloats(opened, name))
  if (!lora.loftqConfig) return undefined
  return await startAdapter(model, lora, seed, device, (name) => originalWeight(opened.weights, name))
}

/** @throws ConfigError for settings that do not fit the mesh, or need rows or questions that the data set does not have */
function checkRun(
  { settings, train, watch }: JoraConfig,
  { samples, heldOut, questions = [] }: JoraDataset<SampleList>,
  groups: number,
): void {
  checkDataParallel(groups, train.batchSize, train.gradientAccumulationSteps, train.objective)
  if (samples.length === 0) throw new ConfigError('there is no training sample')
  const needy = needsHeldOut(watch)
  if (needy !== undefined && heldOut.length === 0)
    throw new ConfigError(
      `${needy} needs held-out rows, and there are none: split is ${settings.split}, and no row is marked as test`,
      needy,
    )
  checkScores(watch.scores, questions)
}

/** Who answers held-out questions while training, where scores of answers are asked for. */
function scorerOf(
  { settings, train: { lora }, watch }: JoraConfig,
  { tokenizer, prompt, questions = [] }: JoraDataset<SampleList>,
  decoder: Decoder,
  device: Device,
): AnswerScorer | undefined {
  if (watch.scores.length === 0 || prompt === undefined) return undefined
  const { evalMaxNewTokens: maxNewTokens, batchSize } = settings
  const asking = { maxNewTokens, batchSize: Math.max(8, batchSize), scores: watch.scores }
  return new AnswerScorer({ decoder, lora, device, tokenizer, prompt, questions, ...asking })
}

/** The adapter of a checkpoint of this run. @throws ConfigError when it is not there any more */
async function adapterAt(
  outputDir: string,
  step: number,
  ...how: [model: DecoderConfig, lora: LoraConfig, fingerprint: string, device: Device]
): Promise<Adapter> {
  const { state } = await loadCheckpoint(checkpointFolder(outputDir, step), ...how)
  const { adapter, ...slots } = state
  disposeTree(slots)
  return adapter
}

async function initialAdapter(
  folder: string,
  want: LoraConfig,
  model: Parameters<typeof loadAdapter>[1],
  device: Device,
  stretch: RopeStretch | undefined,
): Promise<Adapter> {
  // One that was trained on the model's own positions may go on to longer rows.
  if (await ropeStretchOf(folder)) await checkStretch(folder, stretch, 'the run')
  const { adapter, config } = await loadAdapter(folder, model, device)
  const replaced = (of: LoraConfig) =>
    JSON.stringify(
      [of.modulesToSave, of.ensureWeightTying, of.trainableTokenIndices, of.loftqConfig].map((value) => value ?? null),
    )
  const sameModules = replaced(config) === replaced(want)
  const same = Object.keys(lowRankOf(adapter)).every(
    (module) =>
      sameModules &&
      methodName(config) === methodName(want) &&
      loraRank(config, module) === loraRank(want, module) &&
      loraScaling(config, module) === loraScaling(want, module),
  )
  if (!same) throw new ConfigError(`${folder} has ${described(config)}; the run has ${described(want)}`)
  return adapter
}

/** The checkpoint that a run goes on from: of a job, what its first process finds. */
async function checkpointToResume(
  outputDir: string,
  resume: TrainOptions['resume'],
  device: Device,
): Promise<string | undefined> {
  const find = async (): Promise<string> => {
    if (resume === undefined) return ''
    if (resume === 'auto') return (await listCheckpoints(outputDir)).at(-1) ?? ''
    if (await stat(join(resume, 'trainer_state.json')).catch(() => undefined)) return resume
    throw new ConfigError(`${resume} is not a checkpoint: trainer_state.json is missing`)
  }
  const found = await fromFirst(device, async () => new TextEncoder().encode(await find()))
  return found.length === 0 ? undefined : new TextDecoder().decode(found)
}
