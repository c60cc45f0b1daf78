// The flags of `jora train`, and the settings they make.
import { join } from 'node:path'
import { parseJsonFile, readTextIfThere } from '@jora/data'
import type { OpenModel } from '@jora/llama'
import {
  ConfigError,
  JoraConfig,
  parsePeftConfig,
  stretchedModel,
  wholeOf,
  type GivenSettings,
  type LoraConfig,
  type WholeSettings,
} from '@jora/lora'
import { flagOf, fromNames, recipes, settings, toNames, type RecipeName, type Setting } from '@jora/lora/settings'
import { datasetFlag } from '../dataset-file'
import { UsageError } from '../errors'
import { grouped, required, text, toggle, type ValuesOf } from '../flags/flag'
import { headedFlags, headingOf } from '../flags/setting-flags'

const { model, ...otherSettings } = headedFlags

export const trainFlags = {
  model,
  ...grouped(headingOf('rows'), {
    dataset: datasetFlag,
    outputDir: required(text('where adapter, metrics and checkpoints go', 'DIR')),
  }),
  ...otherSettings,
  ...grouped(headingOf('saving'), {
    resume: text('continue from the newest checkpoint of the output directory, or from DIR', 'auto|DIR', {
      bare: 'auto',
    }),
    explain: toggle('before training, show how tensors are split and what the devices send each other'),
  }),
}

export type TrainValues = ValuesOf<typeof trainFlags>

/** Values of flags, with those of the recipe for what was not chosen. */
export const withRecipe = <V extends { readonly recipe: RecipeName }>(values: V, chosen: ReadonlySet<keyof V>): V => ({
  ...values,
  ...Object.fromEntries(
    Object.entries(toNames(settings, recipes[values.recipe])).filter(([name]) => !chosen.has(name as keyof V)),
  ),
})

/** The adapter that flags describe. */
export const loraOf = (
  values: Pick<TrainValues, 'loraR' | 'loraAlpha' | 'targetModules' | 'useRslora' | 'useDora' | 'initLoraWeights'> &
    Partial<Pick<TrainValues, 'modulesToSave' | 'ensureWeightTying' | 'trainableTokenIndices' | keyof WholeSettings>>,
): Omit<LoraConfig, 'dropout'> => ({
  ...wholePart(values),
  ...(values.layersToTransform !== undefined && { layersToTransform: values.layersToTransform }),
  r: values.loraR,
  alpha: values.loraAlpha,
  targetModules: values.targetModules,
  useRslora: values.useRslora,
  ...(values.useDora && { useDora: true }),
  ...(values.initLoraWeights !== 'default' && { initLoraWeights: values.initLoraWeights }),
  ...(values.modulesToSave && { modulesToSave: values.modulesToSave }),
  ...(values.ensureWeightTying && { ensureWeightTying: true }),
  ...(values.trainableTokenIndices !== undefined && { trainableTokenIndices: tokenList(values.trainableTokenIndices) }),
})

const wholePart = (values: WholeSettings): Pick<LoraConfig, 'whole'> => {
  const whole = wholeOf(values)
  return whole ? { whole } : {}
}

const tokenList = <T>(indices: T | number): T | number[] => (typeof indices === 'number' ? [indices] : indices)

/** Rank, scale and modules of the adapter that training starts from. */
async function adapterDefaults(folder: string): Promise<Partial<GivenSettings>> {
  const path = join(folder, 'adapter_config.json')
  const source = await readTextIfThere(path)
  if (source === undefined)
    throw new UsageError(`--init-adapter: ${path} does not exist: ${folder} holds no PEFT adapter`)
  const config = parsePeftConfig(parseJsonFile(source, path, ConfigError), path)
  const { rankPattern, alphaPattern, targetModules, useRslora, useDora = false } = config
  const { excludeModules, layersToTransform, layersPattern } = config
  const { modulesToSave, ensureWeightTying, trainableTokenIndices } = config
  return {
    loraR: config.r,
    loraAlpha: config.alpha,
    rankPattern,
    alphaPattern,
    targetModules,
    useRslora,
    useDora,
    modulesToSave,
    ensureWeightTying,
    trainableTokenIndices,
    ...(config.loftqConfig && { initLoraWeights: 'loftq' as const, loftqIter: config.loftqConfig.iterations }),
    excludeModules,
    layersToTransform,
    layersPattern,
  }
}

/** A ConfigError about a setting, told about its flag. */
export function asUsageError(error: unknown): unknown {
  if (!(error instanceof ConfigError)) return error
  const { setting, message } = error
  if (setting === undefined || !(setting in settings)) return new UsageError(message)
  const flag = flagOf(setting, (settings as Record<string, Setting>)[setting]!)
  const told = message.replace(/^\w+(?= is )/, flag)
  return new UsageError(told === message ? `${flag}: ${message.replace(/^target module /, '')}` : told)
}

/** The model with as many positions as the run gives it. @throws UsageError where they cannot be stretched */
export function withPositions(model: OpenModel, { settings: chosen }: JoraConfig): OpenModel {
  try {
    return stretchedModel(model, chosen).model
  } catch (error) {
    throw asUsageError(error)
  }
}

/** @throws UsageError for settings that cannot be */
export async function trainSettings(values: TrainValues, chosen: ReadonlySet<keyof TrainValues>): Promise<JoraConfig> {
  const { alpacaMix, alpacaMixFile, initAdapter } = values
  if (chosen.has('alpacaMix') && alpacaMix > 0 && alpacaMixFile === undefined)
    throw new UsageError('--alpaca-mix needs --alpaca-mix-file FILE to draw rows from')
  const initial = initAdapter === undefined ? {} : await adapterDefaults(initAdapter)
  // With other targets, what of them is left out is not the adapter's to tell.
  const left = { excludeModules: undefined, layersToTransform: undefined, layersPattern: undefined }
  const given = Object.fromEntries(Object.entries(values).filter(([name]) => chosen.has(name as keyof TrainValues)))
  try {
    return new JoraConfig({
      ...initial,
      ...(chosen.has('targetModules') ? left : {}),
      ...fromNames(settings, given),
      modelPath: values.model,
    })
  } catch (error) {
    throw asUsageError(error)
  }
}
