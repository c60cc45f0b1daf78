// Which of a model's modules an adapter adapts: PEFT's target_modules, exclude_modules and layers_to_transform.
import { weightShapes, type DecoderConfig } from '@jora/llama'
import { ConfigError } from '../settings/config-error'
import { isInPattern, loraRank, type LoraConfig } from '../settings/lora-config'
import { pythonRegex } from './peft/python-regex'

/** An adapted linear layer, `[out, in]`. */
export interface AdaptedModule {
  /** e.g. `model.layers.0.self_attn.q_proj` */
  readonly name: string
  readonly inFeatures: number
  readonly outFeatures: number
}

/** The settings that tell which modules are adapted. */
export type TargetSettings = Pick<
  LoraConfig,
  'targetModules' | 'excludeModules' | 'layersToTransform' | 'layersPattern' | 'whole'
>

/** Every module that can be adapted, in checkpoint order: the linear layers of the decoder's blocks. */
export const linearModules = (model: DecoderConfig): AdaptedModule[] =>
  [...weightShapes(model)]
    .filter(([name]) => name.endsWith('_proj.weight'))
    .map(([name, shape]) => ({ name: name.replace(/\.weight$/, ''), outFeatures: shape[0]!, inFeatures: shape[1]! }))

export const isAllLinear = (targets: TargetSettings['targetModules']): boolean =>
  typeof targets === 'string' && targets.toLowerCase() === 'all-linear'

const isNamed = (name: string, targets: readonly string[]): boolean =>
  targets.some((target) => name === target || name.endsWith(`.${target}`))

function inLayers(name: string, { layersToTransform, layersPattern = [] }: TargetSettings): boolean {
  const layers = [layersToTransform ?? []].flat()
  if (layers.length === 0) return true
  const patterns = [layersPattern].flat().filter((pattern) => pattern !== '')
  for (const pattern of patterns.length > 0 ? patterns : ['[^.]*']) {
    const found = pythonRegex(
      `(?:.*?\\.)?${pattern}\\.(?P<layer>\\d+)\\..*`,
      `layersPattern ${JSON.stringify(pattern)}`,
    ).exec(name)
    if (found) return layers.includes(Number(found.groups!.layer))
  }
  return false
}

/** Whether the settings adapt the module of that name, by PEFT's rules. */
export function isTarget(name: string, settings: TargetSettings): boolean {
  const { targetModules, excludeModules = [] } = settings
  const isExcluded =
    typeof excludeModules === 'string'
      ? excludeModules !== '' && pythonRegex(excludeModules, 'excludeModules').test(name)
      : isNamed(name, excludeModules)
  if (isExcluded) return false
  if (typeof targetModules === 'string' && !isAllLinear(targetModules))
    return pythonRegex(targetModules, 'targetModules').test(name)
  if (typeof targetModules !== 'string' && targetModules.includes(name)) return true
  return (typeof targetModules === 'string' || isNamed(name, targetModules)) && inLayers(name, settings)
}

/**
 * The modules that the settings adapt, in checkpoint order; none where the model's own weights are trained.
 * @throws ConfigError for a target that no module has, and when nothing is left to adapt
 */
export function adaptedModules(model: DecoderConfig, settings: TargetSettings): AdaptedModule[] {
  if (settings.whole) return []
  const linears = linearModules(model)
  const { targetModules: targets } = settings
  const known = () => [...new Set(linears.map(({ name }) => name.split('.').at(-1)!))].join(', ')
  if (typeof targets !== 'string') {
    if (targets.length === 0)
      throw new ConfigError('targetModules is empty, expected module names or all-linear', 'targetModules')
    const absent = targets.find((target) => !linears.some(({ name }) => isNamed(name, [target])))
    if (absent !== undefined)
      throw new ConfigError(
        `target module ${JSON.stringify(absent)} is not in the model; it has ${known()}, or all-linear for all of them`,
        'targetModules',
      )
  }
  const adapted = linears.filter(({ name }) => isTarget(name, settings))
  if (adapted.length > 0) return adapted
  throw new ConfigError(
    `${typeof targets === 'string' ? `targetModules ${JSON.stringify(targets)} matches` : 'excludeModules and layersToTransform leave'} none of the model's modules; it has ${known()} in layers 0…${model.layers - 1}`,
    'targetModules',
  )
}

/**
 * Refuses ranks and alphas of modules that are not adapted: they would do nothing.
 * @throws ConfigError naming the first pattern that no adapted module matches
 */
export function checkPatterns(model: DecoderConfig, lora: LoraConfig): void {
  const adapted = adaptedModules(model, lora).map(({ name }) => name)
  for (const setting of ['rankPattern', 'alphaPattern'] as const)
    for (const pattern of Object.keys(lora[setting] ?? {}))
      if (!adapted.some((name) => isInPattern(pattern, name)))
        throw new ConfigError(
          `${setting} ${JSON.stringify(pattern)} matches none of the adapted modules, which are ${[...new Set(adapted.map((name) => name.split('.').at(-1)!))].join(', ')} in ${adapted[0]!.replace(/\.[^.]+\.[^.]+$/, '')} and others`,
          setting,
        )
}

/**
 * A sentence about ranks larger than the smaller side of their module; undefined where there are none. PEFT trains such
 * ranks too, but an update's rank cannot be higher than that: the rest takes memory and time only.
 */
export function rankNote(model: DecoderConfig, lora: LoraConfig): string | undefined {
  const beyond = adaptedModules(model, lora).filter(
    ({ name, inFeatures, outFeatures }) => loraRank(lora, name) > Math.min(inFeatures, outFeatures),
  )
  const [first] = beyond
  if (first === undefined) return undefined
  const side = Math.min(first.inFeatures, first.outFeatures)
  return `rank ${loraRank(lora, first.name)} is larger than ${first.name} (${first.outFeatures} × ${first.inFeatures}) can use; ${beyond.length === 1 ? 'it' : `${beyond.length} modules`} would do with ${side}`
}
