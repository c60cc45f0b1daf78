// What the trainer reads of the settings.
import { ConfigError } from './config-error'
import { checkSettings, defaultsOf } from './derive'
import { checkLoraConfig, defaultLoraConfig, type LoraConfig } from './lora-config'
import type { ValuesOf } from './setting'
import { trainingSettings } from './table/training'

/** The settings of the trainer; each is described in the table of settings. */
export interface TrainConfig extends Omit<ValuesOf<typeof trainingSettings>, 'gradientCheckpointing'> {
  readonly lora: LoraConfig
  /** Recompute each layer's activations in the backward pass; a number: those of so many, from the first on. */
  readonly gradientCheckpointing: boolean | number
}

/** The paper's settings. */
export const defaultTrainConfig: TrainConfig = {
  ...defaultsOf(trainingSettings),
  lora: defaultLoraConfig,
  gradientCheckpointing: false,
}

/** Checks ranges. @throws ConfigError naming the setting, what came and what was expected */
export function checkTrainConfig(config: TrainConfig): void {
  checkLoraConfig(config.lora)
  const { gradientCheckpointing: recomputed } = config
  if (typeof recomputed === 'number' && !(Number.isInteger(recomputed) && recomputed >= 0))
    throw new ConfigError(
      `gradientCheckpointing is ${recomputed}, expected a number of layers`,
      'gradientCheckpointing',
    )
  checkSettings(trainingSettings, { ...config, gradientCheckpointing: recomputed !== false && recomputed !== 0 })
  const { optimizer, emaDecay, lora } = config
  if (optimizer === 'muon' && lora.useDora)
    throw new ConfigError(
      'optimizer is muon beside useDora, expected another: Muon takes matrices, DoRA trains magnitudes',
      'optimizer',
    )
  const { modulesToSave = [], trainableTokenIndices } = lora
  if (optimizer === 'muon' && !lora.whole && (modulesToSave.length > 0 || trainableTokenIndices !== undefined))
    throw new ConfigError(
      `optimizer is muon beside ${modulesToSave.length > 0 ? 'modulesToSave' : 'trainableTokenIndices'}, expected another: Muon is for matrices between layers, not for embeddings and heads`,
      'optimizer',
    )
  const { objective = 'sft' } = config
  if (lora.whole && (objective === 'dpo' || objective === 'kto'))
    throw new ConfigError(
      `objective is ${objective} beside finetuningType ${lora.whole.layers === undefined ? 'full' : 'freeze'}, expected sft or orpo: its reference is the base beside an adapter, and here the base itself is trained`,
      'objective',
    )
  if (lora.whole && config.dtype === 'int8')
    throw new ConfigError(
      'dtype is int8, expected f32 or f16: weights that are trained themselves are not quantised',
      'dtype',
    )
  if (optimizer === 'schedule_free_adamw' && emaDecay !== undefined)
    throw new ConfigError(
      `emaDecay is ${emaDecay} beside schedule_free_adamw, expected none: it keeps an average of its own`,
      'emaDecay',
    )
}
