// JoraConfig: everything a fine-tuning run needs, with the paper's defaults.
import { ConfigError } from './config-error'
import { checkSettings, defaultsOf } from './derive'
import { loraConfigOf } from './lora-config'
import { recipes } from './recipes'
import type { Settings, ValuesOf } from './setting'
import { settings, type SettingsTable } from './table'
import { trainingSettings } from './table/training'
import { checkTrainConfig, type TrainConfig } from './train-config'
import { checkRead } from './unread'
import { watchRuleOf, type WatchRule } from './watch-rule'
import { size } from './types'

/** All settings but the model have defaults; names are the command line's in camel case, with few exceptions. */
export type JoraSettings = ValuesOf<SettingsTable>

/** Settings as they are given: what is absent or undefined has its default. */
export type GivenSettings = { readonly [K in keyof JoraSettings]?: JoraSettings[K] | undefined } & Pick<
  JoraSettings,
  'modelPath'
>

/** The paper's settings. */
export const defaultJoraSettings: Omit<JoraSettings, 'modelPath'> = defaultsOf(settings)

/**
 * Settings of a run. Only `modelPath` must be given.
 * @throws ConfigError for a value out of range or an unknown name
 */
export class JoraConfig {
  readonly settings: JoraSettings

  constructor(given: GivenSettings) {
    for (const key of Object.keys(given))
      if (!(key in settings)) throw new ConfigError(`JoraConfig has no setting ${JSON.stringify(key)}`)
    checkSettings(settings, given)
    const present = Object.entries(given).flatMap(([key, value]) => {
      const { type } = (settings as Settings)[key]!
      return value === undefined ? [] : [[key, type.normal ? type.normal(value) : value]]
    })
    const recipe = recipes[given.recipe ?? defaultJoraSettings.recipe]
    this.settings = { ...defaultJoraSettings, ...recipe, ...Object.fromEntries(present), modelPath: given.modelPath }
    checkRead(settings, this.settings, given, recipe)
    const { reportTo, reportUrl } = this.settings
    if (reportTo.includes('http') && reportUrl === undefined)
      throw new ConfigError(
        'reportTo is http, expected reportUrl beside it: the address that takes the events',
        'reportTo',
      )
    checkTrainConfig(this.train)
    watchRuleOf(this.settings)
    checkObjective(this.settings)
  }

  /** The part the trainer reads. */
  get train(): TrainConfig {
    const all: Readonly<Record<string, unknown>> = this.settings
    const own = Object.fromEntries(Object.keys(trainingSettings).map((key) => [key, all[key]]))
    const { gradientCheckpointing } = this.settings
    return {
      ...(own as ValuesOf<typeof trainingSettings>),
      lora: loraConfigOf(this.settings, this.settings.quantize),
      gradientCheckpointing: gradientCheckpointing === 'on',
    }
  }

  /** What the run is held to while it trains. */
  get watch(): WatchRule {
    return watchRuleOf(this.settings)
  }

  /** How the model is opened, for `openModel`. */
  get modelOptions() {
    const { quantize } = this.settings
    return { quantize: quantize === 'none' ? undefined : quantize }
  }

  /** The devices of the run, for `openMesh`. */
  get deviceOptions() {
    const { mesh, launcher, gpu, deviceMemory } = this.settings
    const memoryBytes = deviceMemory === undefined ? undefined : size.parse(String(deviceMemory))
    return { mesh, launcher, adapter: gpu, memoryBytes }
  }
}

/** Preferences are read from one file, as it is. @throws ConfigError for a setting that says otherwise */
function checkObjective(given: JoraSettings): void {
  const { objective = 'sft' } = given
  if (objective === 'sft') return
  for (const key of ['columns', 'alpacaMixFile', 'evalDataset', 'datasetWeights'] as const)
    if (given[key] !== undefined)
      throw new ConfigError(
        `${key} is ${String(given[key])} beside objective ${objective}, expected none: preferences are read from one file`,
        key,
      )
  if (given.evalMetrics.length > 0)
    throw new ConfigError(
      `evalMetrics is ${given.evalMetrics.join(',')} beside objective ${objective}, expected none: preferences have no answers to score`,
      'evalMetrics',
    )
}

/**
 * The paper's name for Llama; the family is read from the checkpoint's config.json.
 * @alias
 */
export const ParallamaConfig = JoraConfig
/**
 * The paper's name for Gemma; the family is read from the checkpoint's config.json.
 * @alias
 */
export const ParagemmaConfig = JoraConfig
