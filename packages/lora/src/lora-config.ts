// What a LoRA adapter is: rank, scale, dropout and which modules it adapts.
import type { DecoderConfig } from '@jora/llama'
import { weightShapes } from '@jora/llama'

/** LoRA settings, named as PEFT names them in camel case. */
export interface LoraConfig {
  /** Rank of the update. */
  readonly r: number
  /** The update is scaled by alpha / r (alpha / √r with rsLoRA). */
  readonly alpha: number
  /** Probability of zeroing an element of the adapter's input while training. */
  readonly dropout: number
  /** Last part of the adapted modules' names, or `all-linear`. */
  readonly targetModules: readonly string[] | 'all-linear'
  /** Rank-stabilised scale (Kalajdzievski 2023). */
  readonly useRslora: boolean
}

/** The paper's settings. */
export const defaultLoraConfig: LoraConfig = {
  r: 16,
  alpha: 16,
  dropout: 0.05,
  targetModules: ['q_proj', 'v_proj'],
  useRslora: false,
}

/** Settings that cannot be used, naming the one at fault. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** Checks ranges. @throws ConfigError */
export function checkLoraConfig({ r, alpha, dropout }: LoraConfig): void {
  if (!Number.isInteger(r) || r < 1) throw new ConfigError(`r is ${r}, expected an integer ≥ 1`)
  if (!(alpha > 0)) throw new ConfigError(`alpha is ${alpha}, expected a number > 0`)
  if (!(dropout >= 0 && dropout < 1)) throw new ConfigError(`dropout is ${dropout}, expected a number in [0, 1)`)
}

/** Factor on B A x: alpha / r, or alpha / √r. */
export const loraScaling = ({ r, alpha, useRslora }: Pick<LoraConfig, 'r' | 'alpha' | 'useRslora'>): number =>
  alpha / (useRslora ? Math.sqrt(r) : r)

/** An adapted linear layer, `[out, in]`. */
export interface AdaptedModule {
  /** e.g. `model.layers.0.self_attn.q_proj` */
  readonly name: string
  readonly inFeatures: number
  readonly outFeatures: number
}

const isLinear = (name: string): boolean => name.endsWith('_proj.weight')

/**
 * The modules `targetModules` names, in checkpoint order.
 * @throws ConfigError for a target that no module has
 */
export function adaptedModules(
  model: DecoderConfig,
  { targetModules }: Pick<LoraConfig, 'targetModules'>,
): AdaptedModule[] {
  const linears = [...weightShapes(model)]
    .filter(([name]) => isLinear(name))
    .map(([name, shape]) => ({ name: name.replace(/\.weight$/, ''), outFeatures: shape[0]!, inFeatures: shape[1]! }))
  if (targetModules === 'all-linear') return linears
  const matches = (name: string, target: string) => name === target || name.endsWith(`.${target}`)
  for (const target of targetModules) {
    if (linears.some(({ name }) => matches(name, target))) continue
    const known = [...new Set(linears.map(({ name }) => name.split('.').at(-1)!))]
    throw new ConfigError(
      `target module ${JSON.stringify(target)} is not in the model; it has ${known.join(', ')}, or all-linear for all of them`,
    )
  }
  if (targetModules.length === 0) throw new ConfigError('targetModules is empty, expected module names or all-linear')
  return linears.filter(({ name }) => targetModules.some((target) => matches(name, target)))
}
