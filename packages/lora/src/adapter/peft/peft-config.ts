// adapter_config.json: PEFT's settings of an adapter in and out, and the kinds of adapter that are not loaded.
import { parseJsonFile } from '@jora/data'
import { showValue } from '@jora/tensor'
import { ConfigError } from '../../settings/config-error'
import { checkLoraConfig, type LoraConfig } from '../../settings/lora-config'
import type { SavedModule } from '../../settings/table/adapter'
import { methodOf } from '../methods'
import { isReplaceable, savedModuleOf } from '../replaced/modules'
import { isAllLinear } from '../target-modules'

export const adapterConfigFile = 'adapter_config.json'

/** What an adapter's files tell beside its settings. */
export interface PeftInfo {
  /** Hub id or folder of the base model. */
  readonly baseModel: string
  /** Commit of the base model, when it came from the Hub. */
  readonly revision?: string | undefined
  /** Keys of the adapter_config.json it was read from that have no meaning here, to be written again. */
  readonly kept?: Readonly<Record<string, unknown>> | undefined
}

/** adapter_config.json as PEFT writes it, of the adapter as it is in PEFT's files. */
export function peftConfig(
  settings: LoraConfig,
  modules: readonly string[],
  { baseModel, revision, kept = {} }: PeftInfo,
): Record<string, unknown> {
  const config = methodOf(settings).converted?.config(settings) ?? settings
  const { targetModules, excludeModules, layersToTransform, layersPattern } = config
  const { modulesToSave, ensureWeightTying, trainableTokenIndices } = config
  // As given: the last parts alone would name modules of layers that were left out.
  const targets = typeof targetModules === 'string' ? targetModules : [...targetModules].sort()
  const json = {
    alpha_pattern: config.alphaPattern ?? {},
    base_model_name_or_path: baseModel,
    bias: 'none',
    ...(excludeModules === undefined ? {} : { exclude_modules: excludeModules }),
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    ...(layersPattern === undefined ? {} : { layers_pattern: layersPattern }),
    ...(layersToTransform === undefined ? {} : { layers_to_transform: layersToTransform }),
    ...(config.loftqConfig && {
      loftq_config: { loftq_bits: config.loftqConfig.bits, loftq_iter: config.loftqConfig.iterations },
    }),
    lora_alpha: config.alpha,
    lora_dropout: config.dropout,
    ...(ensureWeightTying && { ensure_weight_tying: true }),
    modules_to_save: modulesToSave ?? null,
    peft_type: 'LORA',
    r: config.r,
    rank_pattern: config.rankPattern ?? {},
    revision: revision ?? null,
    target_modules: isAllLinear(targetModules)
      ? [...new Set(modules.filter((name) => !isReplaceable(name)).map((name) => name.split('.').at(-1)!))].sort()
      : targets,
    task_type: 'CAUSAL_LM',
    ...(trainableTokenIndices && { trainable_token_indices: trainableTokenIndices }),
    use_dora: config.useDora ?? false,
    use_rslora: config.useRslora,
    ...kept,
  }
  return Object.fromEntries(Object.entries(json).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** The LoRA settings in a PEFT config, and what else it tells. */
export type PeftConfig = LoraConfig & {
  readonly baseModel: string | undefined
  readonly revision?: string | undefined
  readonly kept?: Readonly<Record<string, unknown>> | undefined
}

/** Keys that are read; the others are kept as they are. */
const readKeys = new Set([
  'alpha_pattern',
  'base_model_name_or_path',
  'bias',
  'exclude_modules',
  'fan_in_fan_out',
  'layers_pattern',
  'layers_to_transform',
  'lora_alpha',
  'lora_dropout',
  'modules_to_save',
  'peft_type',
  'r',
  'rank_pattern',
  'revision',
  'target_modules',
  'trainable_token_indices',
  'use_dora',
  'use_rslora',
])

const inPeft = 'merge it into its base model with PEFT (merge_and_unload) and use that model'

/** Keys that change what an adapter computes, what they must be, and why nothing else is loaded. */
const refusals: Readonly<Record<string, string>> = {
  use_qalora: `false: QALoRA adapters are not supported; ${inPeft}`,
  kasa_config: `null: KaSA adapters, whose base model has other weights, are not supported; ${inPeft}`,
  monteclora_config: `null: MonteCLoRA adapters are not supported; ${inPeft}`,
  use_bdlora: `null: block-diagonal adapters are not supported; ${inPeft}`,
  lora_bias: `false: adapters with biases of their own are not supported; ${inPeft}`,
  fan_in_fan_out: 'false: no model that is read here keeps its linear weights transposed',
  target_parameters: `null: only linear layers are adapted, not parameters such as those of experts; ${inPeft}`,
  layer_replication: `null: layers cannot be repeated; ${inPeft}`,
  alora_invocation_tokens: 'null: activated LoRA, which works from a token on, is not supported',
  arrow_config: 'null: routing between adapters is not supported',
}

const isSet = (value: unknown): boolean =>
  Boolean(value) && !(typeof value === 'object' && Object.keys(value as object).length === 0)

/** What initialises A and B and leaves the base model as it is. */
const plainInits = ['gaussian', 'eva', 'orthogonal', 'mica', 'true', 'false']
/** What starts from a base model with other weights, which the adapter then belongs to. */
const otherBases = ['olora', 'corda', 'loftq', 'lora_ga']

function checkInit(init: unknown, refuse: (key: string, expected: string) => never): void {
  const name = (typeof init === 'string' ? init : JSON.stringify(init ?? true)).toLowerCase()
  if (plainInits.includes(name)) return
  const changes = otherBases.includes(name) || name.startsWith('pissa')
  refuse(
    'init_lora_weights',
    changes
      ? `true: such an adapter belongs to a base model whose weights that initialisation changed; save it again in PEFT with path_initial_model_for_weight_conversion where it allows that, else ${inPeft}`
      : `true, false, "gaussian", "eva", "orthogonal" or "mica"; whether this changes the base model is not known`,
  )
}

const isNames = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((name): name is string => typeof name === 'string')

type Refuse = (key: string, expected: string) => never

const savedNames = 'of embed_tokens and lm_head'

/** Whole modules, and rows of tokens, that a config names; nothing where it names none. */
function parseReplaced(
  config: Record<string, unknown>,
  refuse: Refuse,
): Pick<LoraConfig, 'modulesToSave' | 'ensureWeightTying' | 'trainableTokenIndices'> {
  const { modules_to_save: saved, trainable_token_indices: tokens, ensure_weight_tying: tied } = config
  const areIds = (value: unknown): value is number[] => Array.isArray(value) && value.every(Number.isInteger)
  const byModule = (): Partial<Record<SavedModule, number[]>> => {
    const entries = Object.entries(tokens as object).map(
      ([name, ids]) => [savedModuleOf(name), ids as unknown] as const,
    )
    if (entries.length === 0 || entries.some(([module, ids]) => module === undefined || !areIds(ids)))
      refuse('trainable_token_indices', `ids of tokens, or such ids by names ${savedNames}`)
    return Object.fromEntries(entries) as Partial<Record<SavedModule, number[]>>
  }
  const modules = isSet(saved)
    ? [saved].flat().map((name) => (typeof name === 'string' ? savedModuleOf(name) : undefined))
    : []
  if (modules.includes(undefined))
    refuse('modules_to_save', `names ${savedNames}: no other whole modules are loaded; ${inPeft}`)
  return {
    ...(modules.length > 0 && { modulesToSave: [...new Set(modules as SavedModule[])] }),
    ...(isSet(tokens) && { trainableTokenIndices: areIds(tokens) ? tokens : byModule() }),
    ...(tied === true && (modules.length > 0 || isSet(tokens)) && { ensureWeightTying: true }),
  }
}

/**
 * LoftQ's settings beside tensors that it started, which PEFT keeps when `init_lora_weights` is set back to true before saving:
 * the adapter belongs to a base that is quantised so.
 */
function parseLoftq(
  { loftq_config: said }: Record<string, unknown>,
  refuse: Refuse,
): Pick<LoraConfig, 'initLoraWeights' | 'loftqConfig'> {
  if (!isSet(said)) return {}
  if (typeof said !== 'object') return refuse('loftq_config', 'an object with loftq_bits and loftq_iter')
  const { loftq_bits: bits = 4, loftq_iter: iterations = 1 } = said as Record<string, unknown>
  if ((bits !== 4 && bits !== 8) || !Number.isInteger(iterations) || (iterations as number) < 1)
    return refuse('loftq_config', 'loftq_bits 4 or 8, and loftq_iter an integer ≥ 1')
  return { initLoraWeights: 'loftq', loftqConfig: { bits, iterations: iterations as number } }
}

/** The LoRA settings in a PEFT config. @throws ConfigError for kinds of adapter that are not plain LoRA, by name */
export function parsePeftConfig(json: unknown, source: string): PeftConfig {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new ConfigError(`${source}: expected a JSON object`)
  const config = json as Record<string, unknown>
  const refuse = (key: string, expected: string): never => {
    throw new ConfigError(`${source}: "${key}" is ${showValue(config[key])}; expected ${expected}`)
  }
  if (config.peft_type === undefined && ('lora_parameters' in config || 'fine_tune_type' in config))
    throw new ConfigError(
      `${source} is that of an MLX adapter, where one in PEFT's layout is expected; jora import --format mlx makes it one`,
    )
  if (config.peft_type !== 'LORA') refuse('peft_type', '"LORA": of PEFT\'s kinds of adapter only LoRA is loaded')
  for (const [key, expected] of Object.entries(refusals)) if (isSet(config[key])) refuse(key, expected)
  if ((config.bias ?? 'none') !== 'none') refuse('bias', `"none": trained biases are not supported; ${inPeft}`)
  checkInit(config.init_lora_weights, refuse)

  const patterns = (key: string, fits: (value: number) => boolean, of: string) => {
    const entries = Object.entries((config[key] as object | null | undefined) ?? {})
    if (!entries.every((entry): entry is [string, number] => typeof entry[1] === 'number' && fits(entry[1])))
      return refuse(key, `${of} by patterns of module names`)
    return entries.length > 0 ? Object.fromEntries(entries) : undefined
  }
  const names = (key: string, of: string): string[] | string | undefined => {
    const value = config[key] ?? undefined
    if (value === undefined || typeof value === 'string' || isNames(value)) return value
    return refuse(key, of)
  }
  const [r, alpha, dropout] = [config.r, config.lora_alpha, config.lora_dropout ?? 0]
  if (typeof r !== 'number' || !Number.isInteger(r) || r < 1) return refuse('r', 'an integer ≥ 1')
  if (typeof alpha !== 'number' || !(alpha > 0)) return refuse('lora_alpha', 'a number > 0')
  if (typeof dropout !== 'number') return refuse('lora_dropout', 'a number')
  const ofTargets = 'a list of module names, a regular expression, or "all-linear"'
  const targetModules = names('target_modules', ofTargets) ?? refuse('target_modules', ofTargets)
  const layersToTransform = (config.layers_to_transform ?? undefined) as number[] | number | undefined
  if (![layersToTransform ?? []].flat().every((layer) => Number.isInteger(layer)))
    refuse('layers_to_transform', "a layer's number, or a list of them")
  const replaced = parseReplaced(config, refuse)
  const loftq = parseLoftq(config, refuse)
  const present = {
    rankPattern: patterns('rank_pattern', (value) => Number.isInteger(value) && value >= 1, 'ranks'),
    alphaPattern: patterns('alpha_pattern', (value) => value > 0, 'numbers > 0'),
    excludeModules: names('exclude_modules', 'a list of module names, or a regular expression'),
    layersToTransform,
    layersPattern: names('layers_pattern', 'a name, or a list of names'),
  }
  const lora: LoraConfig = {
    r,
    alpha,
    dropout,
    targetModules,
    useRslora: config.use_rslora === true,
    ...(config.use_dora === true && { useDora: true }),
    ...replaced,
    ...loftq,
    ...Object.fromEntries(Object.entries(present).filter(([, value]) => value !== undefined)),
  }
  try {
    checkLoraConfig(lora)
  } catch (error) {
    throw new ConfigError(`${source}: ${(error as Error).message}`)
  }
  const isRead = (key: string) =>
    readKeys.has(key) ||
    (key === 'ensure_weight_tying' && replaced.ensureWeightTying) ||
    (key === 'loftq_config' && 'loftqConfig' in loftq)
  const kept = Object.entries(config).filter(([key]) => !isRead(key))
  return {
    ...lora,
    baseModel: typeof config.base_model_name_or_path === 'string' ? config.base_model_name_or_path : undefined,
    ...(typeof config.revision === 'string' ? { revision: config.revision } : {}),
    ...(kept.length > 0 ? { kept: Object.fromEntries(kept) } : {}),
  }
}

/** The JSON of `text`, which errors call `source`. @throws ConfigError when it is broken */
export function parseAdapterJson(text: string, source: string): unknown {
  return parseJsonFile(text, source, ConfigError)
}

/** As {@link parsePeftConfig}, of the file's text. */
export const parsePeftConfigText = (text: string, source: string): PeftConfig =>
  parsePeftConfig(parseAdapterJson(text, source), source)
