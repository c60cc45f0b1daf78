// Settings of a run, held against the rules that training itself applies, before any process is started.
import { isAbsolute } from 'node:path'
import { describeModel, hubClient, weightSharding } from '@jora/llama'
import { checkDataParallel, ConfigError, JoraConfig, stretchOfRun, trainedNumbers } from '@jora/lora'
import { fromNames, nameOf, settings, type Setting, type Settings } from '@jora/lora/settings'
import { parseMesh, ShardingError } from '@jora/shard'
import { settingsDefaults, type RunSettings } from '../api'
import type { Roots } from '../files/roots'
import type { Models } from '../models/models'
import { badValue, Failure } from '../server/failure'

/** A ConfigError about a setting, as a failure about its form field. */
function aboutField(error: unknown): unknown {
  if (error instanceof ShardingError) return badValue('settings.mesh', error.message)
  if (!(error instanceof ConfigError)) return error
  const { setting: key, message } = error
  const setting = key === undefined ? undefined : (settings as Settings)[key]
  if (key === undefined || setting === undefined) return badValue('settings', message)
  return badValue(`settings.${nameOf(key, setting)}`, message.replace(/^\w+ (?=is )/, ''))
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
  const checked: RunSettings = {
    ...given,
    ...(isAbsolute(given.model) ? { model: await models.folderOf(given.model, 'settings.model') } : {}),
    dataset: await roots.file(given.dataset, 'settings.dataset'),
    ...(await truePaths(given, roots)),
  }
  if (
    (checked.alpacaMix ?? 0) > 0 &&
    checked.alpacaMixFile === undefined &&
    given.alpacaMix !== settingsDefaults.alpacaMix
  )
    throw badValue('settings.alpacaMix', 'needs a file of general rows to draw from (alpacaMixFile)')
  if (checked.alpacaMixFile === undefined) delete checked.alpacaMix
  if (checked.device === 'cpu' && checked.gpu !== undefined)
    throw badValue('settings.gpu', 'is for a GPU, and the device is the CPU')
  const modelDir = await modelOnDisk(checked.model, models)
  try {
    const config = new JoraConfig({ ...fromNames(settings, checked), modelPath: checked.model })
    const { batchSize, gradientAccumulationSteps, mesh } = config.settings
    checkDataParallel(parseMesh(mesh).along('data'), batchSize, gradientAccumulationSteps)
    if (modelDir !== undefined) {
      const model = (await describeModel(modelDir, { local: true })).config
      weightSharding(model, parseMesh(mesh))
      stretchOfRun(config.settings, model)
      // An adapter to start from brings its own modules.
      if (checked.initAdapter === undefined) trainedNumbers(model, config.train.lora)
    }
  } catch (error) {
    if (error instanceof Error && error.name === 'ModelError') throw badValue('settings.model', error.message)
    throw aboutField(error)
  }
  return { settings: checked, modelDir }
}

/** The paths among the settings, under the roots and without links. */
async function truePaths(given: RunSettings, roots: Roots): Promise<Partial<RunSettings>> {
  const found: Record<string, string> = {}
  for (const [key, setting] of Object.entries<Setting>(settings)) {
    const { control } = setting.type
    const name = nameOf(key, setting)
    const path = given[name as keyof RunSettings]
    if (control.kind === 'path' && typeof path === 'string')
      found[name] = await roots[control.of](path, `settings.${name}`)
  }
  return found
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
