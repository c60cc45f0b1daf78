// What a LoRA adapter is: rank, scale, dropout, and the settings that tell which modules it adapts.
import { ConfigError } from './config-error'
import { checkSettings, defaultsOf } from './derive'
import type { ValuesOf } from './setting'
import { adapterSettings, type InitLoraWeights, type SavedModule } from './table/adapter'
import type { Patterns } from './types'
import type { Quantisation } from '@jora/tensor/weights'
import { pythonRegex } from '../adapter/peft/python-regex'
import type { WholeWeights } from '../adapter/whole/weights'

export { ConfigError }
export type { Patterns }

/** LoRA settings, named as PEFT names them in camel case. */
export interface LoraConfig {
  /** Rank of the update. */
  readonly r: number
  /** The update is scaled by alpha / r (alpha / √r with rsLoRA). */
  readonly alpha: number
  /** Probability of zeroing an element of the adapter's input while training. */
  readonly dropout: number
  /** What is adapted: a list of names or their last parts, `all-linear`, or a regular expression for the whole name. */
  readonly targetModules: readonly string[] | string
  /** Rank-stabilised scale (Kalajdzievski 2023). */
  readonly useRslora: boolean
  /** Trains the length of each row of a weight apart from its direction (DoRA, Liu et al. 2024); false when absent. */
  readonly useDora?: boolean | undefined
  /** Where A and B begin, if from the base's weights (PiSSA, OLoRA, LoftQ); absent: A random, B zero. */
  readonly initLoraWeights?: InitLoraWeights | undefined
  /** Of LoftQ: the bits of the base (4: nf4, 8: int8), and the rounds in which it is fitted. */
  readonly loftqConfig?: { readonly bits: 4 | 8; readonly iterations: number } | undefined
  /** Modules that are trained and saved whole, by the last part of their names; absent: none. */
  readonly modulesToSave?: readonly SavedModule[] | undefined
  /** A head that is tied to the embedding stays so when `modulesToSave` names one of them; false when absent. */
  readonly ensureWeightTying?: boolean | undefined
  /**
   * Ids of tokens whose rows of the embedding are trained, with those of a head that is tied to it; or of embedding and head apart.
   * Absent: none.
   */
  readonly trainableTokenIndices?:
    | readonly number[]
    | Readonly<Partial<Record<SavedModule, readonly number[]>>>
    | undefined
  /** Ranks that differ from `r`, by a pattern of module names; see {@link loraRank}. Absent: none. */
  readonly rankPattern?: Patterns | undefined
  /** Alphas that differ from `alpha`, likewise; see {@link loraScaling}. */
  readonly alphaPattern?: Patterns | undefined
  /** What of the target is left out: names or their last parts, or a regular expression for the whole name. */
  readonly excludeModules?: readonly string[] | string | undefined
  /** Numbers of the adapted layers; absent or empty: all. Modules whose whole name is a target are adapted all the same. */
  readonly layersToTransform?: readonly number[] | number | undefined
  /** What is before the layer's number, as a regular expression or several; any name when absent or empty. */
  readonly layersPattern?: readonly string[] | string | undefined
  /** There is no adapter: these weights of the model itself are trained, `modulesToSave` beside those of chosen layers. Absent: an adapter. */
  readonly whole?: WholeWeights | undefined
}

/** What PEFT calls otherwise. */
const peftNames = { loraR: 'r', loraAlpha: 'alpha', loraDropout: 'dropout' } as const

/** The adapter that settings describe. What says nothing is absent: checkpoints of earlier versions know nothing of it. */
export function loraConfigOf(
  settings: Omit<ValuesOf<typeof adapterSettings>, 'initAdapter'>,
  quantize: 'none' | Quantisation = 'none',
): LoraConfig {
  const { loraR: r, loraAlpha: alpha, loraDropout: dropout, targetModules, useRslora } = settings
  const { useDora, initLoraWeights, rankPattern, alphaPattern, excludeModules, layersToTransform, layersPattern } =
    settings
  const { modulesToSave = [], ensureWeightTying, trainableTokenIndices } = settings
  const some = (patterns: Patterns) => (Object.keys(patterns).length > 0 ? patterns : undefined)
  const special = {
    useDora: useDora || undefined,
    initLoraWeights: initLoraWeights === 'default' ? undefined : initLoraWeights,
    loftqConfig:
      initLoraWeights === 'loftq' && quantize !== 'none'
        ? { bits: quantize === 'nf4' ? 4 : 8, iterations: settings.loftqIter }
        : undefined,
    modulesToSave: modulesToSave.length > 0 ? modulesToSave : undefined,
    ensureWeightTying: ensureWeightTying || undefined,
    trainableTokenIndices: typeof trainableTokenIndices === 'number' ? [trainableTokenIndices] : trainableTokenIndices,
    rankPattern: some(rankPattern),
    alphaPattern: some(alphaPattern),
    excludeModules,
    layersToTransform,
    layersPattern,
  }
  const whole = wholeOf(settings)
  if (whole) {
    const { modulesToSave: beside } = special
    return {
      r,
      alpha,
      dropout: 0,
      targetModules: [],
      useRslora: false,
      ...(beside && { modulesToSave: beside }),
      whole,
    }
  }
  const given = Object.entries(special).filter(([, value]) => value !== undefined)
  return { r, alpha, dropout, targetModules, useRslora, ...Object.fromEntries(given) }
}

/** The settings that say which of a model's own weights are trained. */
export type WholeSettings = Partial<
  Pick<
    ValuesOf<typeof adapterSettings>,
    'finetuningType' | 'trainableLayers' | 'trainableModules' | 'layersToTransform'
  >
>

/** The model's own weights that settings train; undefined where they train an adapter. @throws ConfigError for layers said twice */
export function wholeOf({
  finetuningType = 'lora',
  trainableLayers,
  trainableModules: modules,
  layersToTransform,
}: WholeSettings): WholeWeights | undefined {
  if (finetuningType === 'lora') return undefined
  if (finetuningType === 'full') return {}
  if (layersToTransform !== undefined && trainableLayers !== undefined)
    throw new ConfigError(
      `trainableLayers is ${trainableLayers} beside layersToTransform, expected one of them: a number of layers, or their numbers`,
      'trainableLayers',
    )
  if (trainableLayers === 0)
    throw new ConfigError('trainableLayers is 0, expected a number of layers', 'trainableLayers')
  const layers = layersToTransform === undefined ? (trainableLayers ?? 2) : [layersToTransform].flat()
  const isAll = modules === undefined || (Array.isArray(modules) && modules.includes('all'))
  return { layers, ...(!isAll && { modules }) }
}

/** The paper's settings. */
export const defaultLoraConfig: LoraConfig = loraConfigOf(defaultsOf(adapterSettings))

/** Checks ranges. @throws ConfigError */
export function checkLoraConfig(config: LoraConfig): void {
  const { rankPattern = {}, alphaPattern = {}, targetModules, excludeModules, layersToTransform } = config
  const { loraR, loraAlpha } = adapterSettings
  for (const [setting, patterns, { type }] of [
    ['rankPattern', rankPattern, loraR],
    ['alphaPattern', alphaPattern, loraAlpha],
  ] as const)
    for (const [pattern, value] of Object.entries(patterns)) {
      const what = `${setting} ${JSON.stringify(pattern)}`
      pythonRegex(pattern, what)
      const problem = type.problem(value)
      if (problem !== undefined) throw new ConfigError(`${what} is ${value}, expected ${problem}`, setting)
    }
  if (config.whole) return
  const { trainableTokenIndices: tokens, modulesToSave = [], ensureWeightTying } = config
  checkSettings(adapterSettings, { ...config }, peftNames)
  methodName(config)
  if (config.initLoraWeights === 'loftq' && !config.loftqConfig)
    throw new ConfigError(
      'initLoraWeights is loftq, expected quantize nf4 or int8 beside it: LoftQ starts from what quantising takes from the base',
      'initLoraWeights',
    )
  if (ensureWeightTying && modulesToSave.length === 0 && tokens === undefined)
    throw new ConfigError(
      'ensureWeightTying is true, expected modulesToSave beside it: without it nothing is trained that could be tied',
      'ensureWeightTying',
    )
  const isRegex = typeof targetModules === 'string' && targetModules.toLowerCase() !== 'all-linear'
  if (isRegex) pythonRegex(targetModules, 'targetModules')
  if (typeof excludeModules === 'string') pythonRegex(excludeModules, 'excludeModules')
  if (isRegex && [layersToTransform ?? []].flat().length > 0)
    throw new ConfigError(
      'layersToTransform cannot be combined with a regular expression as target, which names the layers itself',
    )
}

/** What a way of adapting layers is called. rsLoRA is none: it is another scale, which each of them takes. */
export type MethodName = 'lora' | 'dora' | 'pissa' | 'olora' | 'loftq'

/** The method that settings name. @throws ConfigError for two at once */
export function methodName({ useDora = false, initLoraWeights: init }: LoraConfig): MethodName {
  if (useDora && init !== undefined)
    throw new ConfigError(
      `initLoraWeights is ${init} beside useDora, expected one of them: DoRA starts from the default initialisation here`,
      'initLoraWeights',
    )
  return useDora ? 'dora' : (init ?? 'lora')
}

/** Whether a pattern of ranks or alphas names the module, as PEFT reads it. */
export const isInPattern = (pattern: string, module: string): boolean =>
  pythonRegex(`(.*\\.)?(${pattern})`, `pattern ${JSON.stringify(pattern)}`).test(module)

/** What the first pattern that `module` matches gives. */
const matchPattern = (patterns: Patterns | undefined, module: string): number | undefined =>
  Object.entries(patterns ?? {}).find(([pattern]) => isInPattern(pattern, module))?.[1]

/** Rank of the module of that name, e.g. `model.layers.0.self_attn.q_proj`. */
export const loraRank = ({ r, rankPattern }: Pick<LoraConfig, 'r' | 'rankPattern'>, module: string): number =>
  matchPattern(rankPattern, module) ?? r

/** The settings that a module's factor depends on. */
export type LoraScale = Pick<LoraConfig, 'r' | 'alpha' | 'useRslora' | 'rankPattern' | 'alphaPattern'>

/** Factor on B A x of the module of that name: its alpha / r, or alpha / √r. */
export function loraScaling(config: LoraScale, module: string): number {
  const r = loraRank(config, module)
  return (matchPattern(config.alphaPattern, module) ?? config.alpha) / (config.useRslora ? Math.sqrt(r) : r)
}
