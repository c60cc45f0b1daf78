// JoraConfig: everything a fine-tuning run needs, with the paper's defaults.
import {
  contextTemplates,
  packings,
  promptChoices,
  type ContextTemplate,
  type OverflowPolicy,
  type Packing,
  type PromptChoice,
} from '@jora/data'
import { ConfigError, defaultLoraConfig, type LoraConfig, type Patterns } from './lora-config'
import { checkTrainConfig, defaultTrainConfig, type TrainConfig } from './train-config'

/** All settings but the model have defaults; names are the command line's in camel case. */
export interface JoraSettings extends Omit<TrainConfig, 'lora'> {
  /** Folder in Hugging Face layout, or a Hub id. */
  readonly modelPath: string
  readonly loraR: number
  readonly loraAlpha: number
  readonly loraDropout: number
  /** See `LoraConfig`. */
  readonly targetModules: readonly string[] | string
  readonly useRslora: boolean
  /** Ranks and alphas of single modules, by patterns of their names; see `LoraConfig`. */
  readonly rankPattern: Patterns | undefined
  readonly alphaPattern: Patterns | undefined
  /** What of the target is left out, and which layers; see `LoraConfig`. */
  readonly excludeModules: LoraConfig['excludeModules']
  readonly layersToTransform: LoraConfig['layersToTransform']
  readonly layersPattern: LoraConfig['layersPattern']
  /** PEFT adapter folder to start from. */
  readonly initAdapter: string | undefined
  /** Longest sample, in tokens. */
  readonly maxSeqLength: number
  readonly onOverflow: OverflowPolicy
  /** `auto`: what fits the rows and the model; see `choosePromptTemplate`. */
  readonly promptTemplate: PromptChoice
  readonly contextTemplate: ContextTemplate
  /** `auto`: questions that share a context share its computation where that pays. */
  readonly packing: Packing
  /** Share of the rows that is trained; the rest is held out. */
  readonly split: number
  /** Share of the training set drawn from `alpacaMixFile`. */
  readonly alpacaMix: number
  readonly alpacaMixFile: string | undefined
  readonly device: 'auto' | 'cpu' | 'webgpu'
  /** Devices that share the work, as `data=1,model=4`. */
  readonly mesh: string
  /** Who starts the processes of a mesh that has several: `auto` finds out. */
  readonly launcher: 'auto' | 'none' | 'mpi'
}

const { lora: _lora, ...trainDefaults } = defaultTrainConfig

export const defaultJoraSettings: Omit<JoraSettings, 'modelPath'> = {
  ...trainDefaults,
  loraR: defaultLoraConfig.r,
  loraAlpha: defaultLoraConfig.alpha,
  loraDropout: defaultLoraConfig.dropout,
  targetModules: defaultLoraConfig.targetModules,
  useRslora: defaultLoraConfig.useRslora,
  rankPattern: {},
  alphaPattern: {},
  excludeModules: undefined,
  layersToTransform: undefined,
  layersPattern: undefined,
  initAdapter: undefined,
  maxSeqLength: 2000,
  onOverflow: 'error',
  promptTemplate: 'auto',
  contextTemplate: 'auto',
  packing: 'auto',
  split: 0.8,
  alpacaMix: 0.3,
  alpacaMixFile: undefined,
  device: 'auto',
  mesh: 'data=1,model=1',
  launcher: 'auto',
}

/**
 * Settings of a run. Only `modelPath` must be given.
 * @throws ConfigError for a value out of range or an unknown name
 */
export class JoraConfig {
  readonly settings: JoraSettings

  constructor(settings: Partial<JoraSettings> & Pick<JoraSettings, 'modelPath'>) {
    for (const key of Object.keys(settings))
      if (key !== 'modelPath' && !(key in defaultJoraSettings))
        throw new ConfigError(`JoraConfig has no setting ${JSON.stringify(key)}`)
    const given = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined))
    this.settings = { ...defaultJoraSettings, ...given, modelPath: settings.modelPath }
    checkTrainConfig(this.train)
    const { maxSeqLength, split, alpacaMix, onOverflow, device } = this.settings
    const check = (name: string, value: unknown, ok: boolean, expected: string) => {
      if (!ok) throw new ConfigError(`${name} is ${String(value)}, expected ${expected}`)
    }
    check('maxSeqLength', maxSeqLength, Number.isInteger(maxSeqLength) && maxSeqLength >= 2, 'an integer ≥ 2')
    check('split', split, split > 0 && split <= 1, 'a number in (0, 1]')
    check('alpacaMix', alpacaMix, alpacaMix >= 0 && alpacaMix < 1, 'a number in [0, 1)')
    check('onOverflow', onOverflow, ['error', 'drop', 'truncate'].includes(onOverflow), 'error, drop or truncate')
    const { launcher, promptTemplate, contextTemplate, packing } = this.settings
    const oneOf = (name: string, value: string, values: readonly string[]) =>
      check(name, value, values.includes(value), `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`)
    oneOf('promptTemplate', promptTemplate, promptChoices)
    oneOf('contextTemplate', contextTemplate, contextTemplates)
    oneOf('packing', packing, packings)
    check('launcher', launcher, ['auto', 'none', 'mpi'].includes(launcher), 'auto, none or mpi')
    check('device', device, ['auto', 'cpu', 'webgpu'].includes(device), 'auto, cpu or webgpu')
  }

  /** The part the trainer reads. */
  get train(): TrainConfig {
    const { loraR, loraAlpha, loraDropout, targetModules, useRslora, rankPattern, alphaPattern, ...rest } =
      this.settings
    const { excludeModules, layersToTransform, layersPattern } = rest
    // What is not given stays absent: checkpoints of earlier versions know nothing of it.
    const special = { rankPattern, alphaPattern, excludeModules, layersToTransform, layersPattern }
    const given = Object.entries(special).filter(([key, value]) =>
      key.endsWith('Pattern') && typeof value === 'object' ? Object.keys(value).length > 0 : value !== undefined,
    )
    return {
      lora: {
        r: loraR,
        alpha: loraAlpha,
        dropout: loraDropout,
        targetModules,
        useRslora,
        ...Object.fromEntries(given),
      },
      learningRate: rest.learningRate,
      scheduler: rest.scheduler,
      warmupSteps: rest.warmupSteps,
      warmupRatio: rest.warmupRatio,
      weightDecay: rest.weightDecay,
      adamBeta1: rest.adamBeta1,
      adamBeta2: rest.adamBeta2,
      adamEpsilon: rest.adamEpsilon,
      maxGradNorm: rest.maxGradNorm,
      epochs: rest.epochs,
      maxSteps: rest.maxSteps,
      batchSize: rest.batchSize,
      gradientAccumulationSteps: rest.gradientAccumulationSteps,
      shuffle: rest.shuffle,
      seed: rest.seed,
      evalEvery: rest.evalEvery,
      saveEvery: rest.saveEvery,
      gradientCheckpointing: rest.gradientCheckpointing,
      dtype: rest.dtype,
    }
  }
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
