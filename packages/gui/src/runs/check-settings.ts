// Settings of a run, held against the rules that training itself applies, before any process is started.
import { isAbsolute } from 'node:path'
import { hubClient, loadConfig, weightSharding } from '@jora/llama'
import { adaptedModules, checkDataParallel, ConfigError, defaultJoraSettings, JoraConfig } from '@jora/lora'
import { parseMesh, ShardingError } from '@jora/shard'
import type { RunSettings, SettingsDefaults } from '../api'
import type { Roots } from '../files/roots'
import type { Models } from '../models/models'
import { badValue, Failure } from '../server/failure'

/** The defaults of the command line. */
export const settingsDefaults: SettingsDefaults = {
  promptTemplate: defaultJoraSettings.promptTemplate,
  contextTemplate: defaultJoraSettings.contextTemplate,
  maxSeqLength: defaultJoraSettings.maxSeqLength,
  onOverflow: defaultJoraSettings.onOverflow,
  packing: defaultJoraSettings.packing,
  split: defaultJoraSettings.split,
  alpacaMix: defaultJoraSettings.alpacaMix,
  loraR: defaultJoraSettings.loraR,
  loraAlpha: defaultJoraSettings.loraAlpha,
  loraDropout: defaultJoraSettings.loraDropout,
  targetModules: [defaultJoraSettings.targetModules].flat(),
  useRslora: defaultJoraSettings.useRslora,
  learningRate: defaultJoraSettings.learningRate,
  lrScheduler: defaultJoraSettings.scheduler,
  warmupSteps: defaultJoraSettings.warmupSteps,
  warmupRatio: defaultJoraSettings.warmupRatio,
  weightDecay: defaultJoraSettings.weightDecay,
  adamBeta1: defaultJoraSettings.adamBeta1,
  adamBeta2: defaultJoraSettings.adamBeta2,
  adamEpsilon: defaultJoraSettings.adamEpsilon,
  maxGradNorm: defaultJoraSettings.maxGradNorm,
  numEpochs: defaultJoraSettings.epochs,
  batchSize: defaultJoraSettings.batchSize,
  gradientAccumulationSteps: defaultJoraSettings.gradientAccumulationSteps,
  shuffle: defaultJoraSettings.shuffle,
  seed: defaultJoraSettings.seed,
  device: defaultJoraSettings.device,
  dtype: defaultJoraSettings.dtype,
  gradientCheckpointing: 'auto',
  mesh: defaultJoraSettings.mesh,
}

/** Names of the library's settings that are called otherwise here. */
const fieldOf: Readonly<Record<string, string>> = {
  modelPath: 'model',
  scheduler: 'lrScheduler',
  epochs: 'numEpochs',
  r: 'loraR',
  alpha: 'loraAlpha',
  dropout: 'loraDropout',
}

/** A ConfigError about a setting, as a failure about its form field. */
function aboutField(error: unknown): unknown {
  if (error instanceof ShardingError) return badValue('settings.mesh', error.message)
  if (!(error instanceof ConfigError)) return error
  const name = /^(\w+) (?=is )/.exec(error.message)?.[1]
  if (error.message.startsWith('target')) return badValue('settings.targetModules', error.message)
  return name === undefined
    ? badValue('settings', error.message)
    : badValue(`settings.${fieldOf[name] ?? name}`, error.message.slice(name.length + 1))
}

/** As the library takes them: for its checks. */
function asJoraConfig(settings: RunSettings): JoraConfig {
  const { model, dataset: _dataset, lrScheduler, numEpochs, targetModules, gradientCheckpointing, ...rest } = settings
  const { gpu: _gpu, deviceMemory: _memory, ...known } = rest
  return new JoraConfig({
    ...Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined)),
    modelPath: model,
    ...(lrScheduler && { scheduler: lrScheduler }),
    ...(numEpochs && { epochs: numEpochs }),
    ...(targetModules && { targetModules: targetModules.join() === 'all-linear' ? 'all-linear' : targetModules }),
    gradientCheckpointing: gradientCheckpointing === 'on',
  })
}

export interface CheckedSettings {
  /** Paths are true paths. */
  readonly settings: RunSettings
  /** Undefined for a model of the Hub that is still to be downloaded. */
  readonly modelDir: string | undefined
}

/**
 * @throws Failure naming the form field, what came and what was expected
 */
export async function checkSettings(given: RunSettings, roots: Roots, models: Models): Promise<CheckedSettings> {
  const file = async (path: string | undefined, field: string) =>
    path === undefined ? {} : { [field]: await roots.file(path, `settings.${field}`) }
  const settings: RunSettings = {
    ...given,
    ...(isAbsolute(given.model) ? { model: await models.folderOf(given.model, 'settings.model') } : {}),
    dataset: await roots.file(given.dataset, 'settings.dataset'),
    ...(await file(given.alpacaMixFile, 'alpacaMixFile')),
    ...(given.initAdapter === undefined
      ? {}
      : { initAdapter: await roots.folder(given.initAdapter, 'settings.initAdapter') }),
  }
  if (
    (settings.alpacaMix ?? 0) > 0 &&
    settings.alpacaMixFile === undefined &&
    given.alpacaMix !== settingsDefaults.alpacaMix
  )
    throw badValue('settings.alpacaMix', 'needs a file of general rows to draw from (alpacaMixFile)')
  if (settings.alpacaMixFile === undefined) delete settings.alpacaMix
  if (settings.device === 'cpu' && (settings.gpu !== undefined || settings.deviceMemory !== undefined))
    throw badValue(
      `settings.${settings.gpu === undefined ? 'deviceMemory' : 'gpu'}`,
      'is for a GPU, and the device is the CPU',
    )
  const modelDir = await modelOnDisk(settings.model, models)
  try {
    const config = asJoraConfig(settings)
    const { batchSize, gradientAccumulationSteps, mesh } = config.settings
    checkDataParallel(parseMesh(mesh).along('data'), batchSize, gradientAccumulationSteps)
    if (modelDir !== undefined) {
      const model = await loadConfig(modelDir)
      weightSharding(model, parseMesh(mesh))
      // An adapter to start from brings its own modules.
      if (settings.initAdapter === undefined) adaptedModules(model, config.train.lora)
    }
  } catch (error) {
    if (error instanceof Error && error.name === 'ModelError') throw badValue('settings.model', error.message)
    throw aboutField(error)
  }
  return { settings, modelDir }
}

async function modelOnDisk(ref: string, models: Models): Promise<string | undefined> {
  try {
    return await models.folderOf(ref, 'settings.model')
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'not_found' || isAbsolute(ref)) throw error
    const { offline } = await hubClient.hubSettings(ref, {})
    if (!offline) return undefined
    throw badValue('settings.model', `${ref} is not on this machine, and HF_HUB_OFFLINE forbids to download it.`)
  }
}
