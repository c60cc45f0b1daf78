// The flags of `jora train`, as the contract's table has them, and the settings they make.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  ConfigError,
  defaultJoraSettings,
  JoraConfig,
  parsePeftConfig,
  type JoraSettings,
  type LoraConfig,
} from '@jora/lora'
import { UsageError } from '../errors'
import {
  choice,
  flagName,
  grouped,
  hidden,
  integer,
  list,
  number,
  onUnless,
  patterns,
  required,
  text,
  toggle,
  withDefault,
  type ValuesOf,
} from '../flags/flag'
import { datasetFlag, rowFlags } from '../dataset-file'
import { deviceFlags, meshFlags } from '../open-device'
import { modelFlag } from '../open-model'

const paper = defaultJoraSettings
const share = (value: number): boolean => value >= 0 && value < 1

export const trainFlags = {
  ...grouped('Model and data:', {
    model: modelFlag,
    dataset: datasetFlag,
    outputDir: required(text('where adapter, metrics and checkpoints go', 'DIR')),
    ...rowFlags,
    split: withDefault(
      number('training share; the rest is held out for evaluation', 'over 0 and up to 1', (v) => v > 0 && v <= 1),
      paper.split,
    ),
    alpacaMix: number('share of general rows mixed into training', 'from 0 to below 1', share, {
      shown: `${paper.alpacaMix} with a file`,
    }),
    alpacaMixFile: text('file of general rows', 'FILE'),
  }),
  ...grouped('Adapter:', {
    loraR: integer('rank', 1, { aliases: ['lora-rank'], shown: String(paper.loraR) }),
    loraAlpha: number('scale: the update is multiplied by alpha / r', '> 0', (v) => v > 0, {
      shown: String(paper.loraAlpha),
    }),
    loraDropout: withDefault(number('dropout on the adapter’s input', 'from 0 to below 1', share), paper.loraDropout),
    targetModules: list('adapted modules, or all-linear', 'NAMES', {
      aliases: ['lora-target', 'lora-target-modules'],
      shown: [paper.targetModules].flat().join(','),
    }),
    useRslora: toggle('scale by alpha / √r'),
    rankPattern: patterns(
      'another rank for the modules that PATTERN names, as PEFT’s rank_pattern; may be repeated',
      'an integer ≥ 1',
      (v) => Number.isInteger(v) && v >= 1,
    ),
    alphaPattern: patterns('another alpha, likewise', 'a number > 0', (v) => v > 0),
    initAdapter: text('start from this PEFT adapter; its rank, scale and modules become the defaults', 'DIR'),
  }),
  ...grouped('Optimiser:', {
    learningRate: withDefault(
      number('peak learning rate', '> 0', (v) => v > 0, { aliases: ['lr'] }),
      paper.learningRate,
    ),
    lrScheduler: withDefault(
      choice('how it falls', ['cosine', 'linear', 'constant'], { aliases: ['lr-scheduler-type'] }),
      paper.scheduler,
    ),
    warmupSteps: withDefault(integer('steps of linear warm-up', 0), paper.warmupSteps),
    warmupRatio: withDefault(number('warm-up as a share of all steps', 'from 0 to below 1', share), paper.warmupRatio),
    weightDecay: withDefault(
      number('decoupled weight decay', '≥ 0', (v) => v >= 0),
      paper.weightDecay,
    ),
    adamBeta1: withDefault(number('AdamW β₁', 'from 0 to below 1', share), paper.adamBeta1),
    adamBeta2: withDefault(number('AdamW β₂', 'from 0 to below 1', share), paper.adamBeta2),
    adamEpsilon: withDefault(
      number('AdamW ε', '> 0', (v) => v > 0),
      paper.adamEpsilon,
    ),
    maxGradNorm: withDefault(
      number('gradients are clipped to this global norm; 0 is off', '≥ 0', (v) => v >= 0),
      paper.maxGradNorm,
    ),
  }),
  ...grouped('Length and batches:', {
    numEpochs: withDefault(
      integer('passes over the training rows', 1, { aliases: ['epochs', 'num-train-epochs'] }),
      paper.epochs,
    ),
    maxSteps: integer('end after this many optimiser steps', 1),
    batchSize: withDefault(
      integer('samples of a micro-step', 1, { aliases: ['per-device-batch-size', 'per-device-train-batch-size'] }),
      paper.batchSize,
    ),
    gradientAccumulationSteps: withDefault(
      integer('micro-steps of an optimiser step', 1),
      paper.gradientAccumulationSteps,
    ),
    shuffle: onUnless('keep the order of the file'),
    seed: withDefault(integer('decides split, order, initial adapter and dropout', 0), paper.seed),
  }),
  ...grouped('The run:', {
    evalEvery: integer('steps between evaluations of the held-out rows', 1, { shown: 'each epoch' }),
    saveEvery: integer('steps between checkpoints', 1, { shown: 'each epoch' }),
    resume: text('continue from the newest checkpoint of the output directory, or from DIR', 'auto|DIR', {
      bare: 'auto',
    }),
    ...deviceFlags,
    quantize: hidden(withDefault(choice('how frozen weights are kept', ['none'], { later: ['int8', 'nf4'] }), 'none')),
    gradientCheckpointing: withDefault(
      choice(
        'recompute activations to save memory; auto does on a GPU whose memory (--device-memory, else 4 GB) is too small',
        ['auto', 'on', 'off'],
      ),
      'auto',
    ),
    ...meshFlags,
    explain: toggle('before training, say how tensors are split and what the devices send one another'),
  }),
}

export type TrainValues = ValuesOf<typeof trainFlags>

/** The adapter that flags describe, with the paper's settings where there are none. */
export const loraOf = (
  values: Pick<TrainValues, 'loraR' | 'loraAlpha' | 'targetModules' | 'useRslora'>,
): Omit<LoraConfig, 'dropout'> => ({
  r: values.loraR ?? paper.loraR,
  alpha: values.loraAlpha ?? paper.loraAlpha,
  targetModules:
    values.targetModules?.join() === 'all-linear' ? 'all-linear' : (values.targetModules ?? paper.targetModules),
  useRslora: values.useRslora,
})

type AdapterSettings = Partial<Omit<LoraConfig, 'r' | 'alpha' | 'dropout'> & Pick<JoraSettings, 'loraR' | 'loraAlpha'>>

/** Rank, scale and modules of the adapter that training starts from. */
async function adapterDefaults(folder: string): Promise<AdapterSettings> {
  const path = join(folder, 'adapter_config.json')
  const source = await readFile(path, 'utf8').catch(() => {
    throw new UsageError(`--init-adapter: ${path} does not exist: ${folder} holds no PEFT adapter`)
  })
  let json: unknown
  try {
    json = JSON.parse(source)
  } catch (error) {
    throw new ConfigError(`${path} is not valid JSON: ${(error as Error).message}`)
  }
  const {
    r,
    alpha,
    dropout: _,
    baseModel: _model,
    revision: _commit,
    kept: _kept,
    ...rest
  } = parsePeftConfig(json, path)
  return { loraR: r, loraAlpha: alpha, ...rest }
}

/** Names of settings whose flags are called otherwise. */
const flagOfSetting: Readonly<Record<string, string>> = {
  modelPath: '--model',
  scheduler: '--lr-scheduler',
  epochs: '--num-epochs',
  r: '--lora-r',
  alpha: '--lora-alpha',
  dropout: '--lora-dropout',
}

/** A ConfigError about a setting, told about its flag. */
export function asUsageError(error: unknown): unknown {
  if (!(error instanceof ConfigError)) return error
  const message = error.message.replace(
    /^\w+(?= is )/,
    (name) =>
      flagOfSetting[name] ?? (name in trainFlags ? flagName(name, trainFlags[name as keyof TrainValues]) : name),
  )
  return new UsageError(message.replace(/^target module /, '--target-modules: '))
}

/** @throws UsageError for settings that cannot be */
export async function trainSettings(values: TrainValues, given: ReadonlySet<keyof TrainValues>): Promise<JoraConfig> {
  const { model, lrScheduler, numEpochs, targetModules, useRslora, gradientCheckpointing, alpacaMix, alpacaMixFile } =
    values
  if (alpacaMix !== undefined && alpacaMix > 0 && alpacaMixFile === undefined)
    throw new UsageError('--alpaca-mix needs --alpaca-mix-file FILE to draw rows from')
  const initial = values.initAdapter === undefined ? {} : await adapterDefaults(values.initAdapter)
  try {
    return new JoraConfig({
      modelPath: model,
      promptTemplate: values.promptTemplate,
      contextTemplate: values.contextTemplate,
      packing: values.packing,
      maxSeqLength: values.maxSeqLength,
      onOverflow: values.onOverflow,
      split: values.split,
      ...(alpacaMix === undefined ? {} : { alpacaMix }),
      alpacaMixFile,
      loraR: values.loraR ?? initial.loraR ?? paper.loraR,
      loraAlpha: values.loraAlpha ?? initial.loraAlpha ?? paper.loraAlpha,
      loraDropout: values.loraDropout,
      targetModules:
        targetModules === undefined
          ? (initial.targetModules ?? paper.targetModules)
          : targetModules.join() === 'all-linear'
            ? 'all-linear'
            : targetModules,
      useRslora: given.has('useRslora') ? useRslora : (initial.useRslora ?? false),
      rankPattern: values.rankPattern ? Object.fromEntries(values.rankPattern) : initial.rankPattern,
      alphaPattern: values.alphaPattern ? Object.fromEntries(values.alphaPattern) : initial.alphaPattern,
      // With other targets, what of them is left out is not the adapter's to tell.
      ...(targetModules === undefined
        ? {
            excludeModules: initial.excludeModules,
            layersToTransform: initial.layersToTransform,
            layersPattern: initial.layersPattern,
          }
        : {}),
      initAdapter: values.initAdapter,
      learningRate: values.learningRate,
      scheduler: lrScheduler,
      warmupSteps: values.warmupSteps,
      warmupRatio: values.warmupRatio,
      weightDecay: values.weightDecay,
      adamBeta1: values.adamBeta1,
      adamBeta2: values.adamBeta2,
      adamEpsilon: values.adamEpsilon,
      maxGradNorm: values.maxGradNorm,
      epochs: numEpochs,
      maxSteps: values.maxSteps,
      batchSize: values.batchSize,
      gradientAccumulationSteps: values.gradientAccumulationSteps,
      shuffle: values.shuffle,
      seed: values.seed,
      evalEvery: values.evalEvery,
      saveEvery: values.saveEvery,
      gradientCheckpointing: gradientCheckpointing === 'on',
      dtype: values.dtype,
      device: values.device,
      mesh: values.mesh,
      launcher: values.launcher,
    })
  } catch (error) {
    throw asUsageError(error)
  }
}
