// What a LoRA adapter is: rank, scale, dropout, and the settings that tell which modules it adapts.
import { ConfigError } from './config-error'
import { pythonRegex } from '../adapter/peft/python-regex'

export { ConfigError }

/**
 * Numbers by a pattern of module names, as PEFT's rank_pattern: a regular expression that the name, or its end after a dot,
 * matches; of several the first. E.g. `{ down_proj: 8, '^model.layers.0.self_attn.q_proj': 4 }`.
 */
export type Patterns = Readonly<Record<string, number>>

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
  /** Ranks that differ from `r`, by a pattern of module names; see {@link loraRank}. Absent: none. */
  readonly rankPattern?: Patterns | undefined
  /** Alphas that differ from `alpha`, likewise; see {@link loraScaling}. */
  readonly alphaPattern?: Patterns | undefined
  /** What of the target is left out: names or their last parts, or a regular expression for the whole name. */
  readonly excludeModules?: readonly string[] | string | undefined
  /** Numbers of the adapted layers; absent or empty: all. Modules whose whole name is a target are adapted all the same. */
  readonly layersToTransform?: readonly number[] | number | undefined
  /** What stands before the layer's number, as a regular expression or several; any name when absent or empty. */
  readonly layersPattern?: readonly string[] | string | undefined
}

/** The paper's settings. */
export const defaultLoraConfig: LoraConfig = {
  r: 16,
  alpha: 16,
  dropout: 0.05,
  targetModules: ['q_proj', 'v_proj'],
  useRslora: false,
}

/** Checks ranges. @throws ConfigError */
export function checkLoraConfig(config: LoraConfig): void {
  const { r, alpha, dropout, rankPattern = {}, alphaPattern = {} } = config
  const { targetModules, excludeModules, layersToTransform } = config
  if (!Number.isInteger(r) || r < 1) throw new ConfigError(`r is ${r}, expected an integer ≥ 1`)
  if (!(alpha > 0)) throw new ConfigError(`alpha is ${alpha}, expected a number > 0`)
  if (!(dropout >= 0 && dropout < 1)) throw new ConfigError(`dropout is ${dropout}, expected a number in [0, 1)`)
  const isRegex = typeof targetModules === 'string' && targetModules.toLowerCase() !== 'all-linear'
  if (isRegex) pythonRegex(targetModules, 'targetModules')
  if (typeof excludeModules === 'string') pythonRegex(excludeModules, 'excludeModules')
  if (isRegex && [layersToTransform ?? []].flat().length > 0)
    throw new ConfigError(
      'layersToTransform is given beside a regular expression as target, which names the layers itself',
    )
  const check = (what: string, patterns: Patterns, fits: (value: number) => boolean, expected: string) => {
    for (const [pattern, value] of Object.entries(patterns)) {
      pythonRegex(pattern, `${what} ${JSON.stringify(pattern)}`)
      if (!fits(value)) throw new ConfigError(`${what} ${JSON.stringify(pattern)} is ${value}, expected ${expected}`)
    }
  }
  check('rankPattern', rankPattern, (value) => Number.isInteger(value) && value >= 1, 'an integer ≥ 1')
  check('alphaPattern', alphaPattern, (value) => value > 0, 'a number > 0')
}

/** What the first pattern that `module` matches gives. */
function matchPattern(patterns: Patterns | undefined, module: string): number | undefined {
  for (const [pattern, value] of Object.entries(patterns ?? {}))
    if (pythonRegex(`(.*\\.)?(${pattern})`, `pattern ${JSON.stringify(pattern)}`).test(module)) return value
  return undefined
}

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
