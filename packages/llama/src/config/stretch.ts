// A model's positions stretched beyond the length that it was made for, as a run asks for it.
import { ModelError, type DecoderConfig, type RopeScaling } from './config'
import { families } from './families'

/** How positions may be stretched; each is a `rope_type` of config.json. */
export type StretchName = 'yarn' | 'linear' | 'llama3'

/** How far, and how, positions are stretched. */
export interface RopeStretch {
  readonly type: StretchName
  /** Times as many positions as the model was made for; above 1. */
  readonly factor: number
}

/** What each comes to for a model of so many positions, as transformers does where config.json says no more than this. */
const scalings: Readonly<Record<StretchName, (factor: number, originalMaxPositions: number) => RopeScaling>> = {
  yarn: (factor, originalMaxPositions) => ({
    type: 'yarn',
    factor,
    betaFast: 32,
    betaSlow: 1,
    truncate: true,
    originalMaxPositions,
    attentionFactor: 0.1 * Math.log(factor) + 1,
  }),
  linear: (factor) => ({ type: 'linear', factor }),
  llama3: (factor, originalMaxPositions) => ({
    type: 'llama3',
    factor,
    lowFrequencyFactor: 1,
    highFrequencyFactor: 4,
    originalMaxPositions,
  }),
}

/** The kinds of {@link RopeStretch}. */
export const stretchNames = Object.keys(scalings) as readonly StretchName[]

/**
 * The model with `factor` times as many positions, its rotary frequencies stretched to them: YaRN (Peng et al. 2023), linear
 * interpolation (Chen et al. 2023), or by wavelength as Llama 3.1. Layers with rotary frequencies of their own, for their window, keep
 * them.
 * @throws ModelError for a factor that is not above 1, a model that is stretched already, or a family whose files cannot say so
 */
export function stretchRope(config: DecoderConfig, { type, factor }: RopeStretch): DecoderConfig {
  const { modelType, maxPositions, ropeScaling } = config
  if (!(Number.isFinite(factor) && factor > 1))
    throw new ModelError(`the rope scaling factor is ${factor}, expected a number > 1`)
  if (families[modelType].ropeTypes)
    throw new ModelError(
      `rope scaling ${type} of a ${modelType} model: its files know longrope alone, whose factors come with the model`,
    )
  if (ropeScaling.type !== 'default') {
    const by = 'factor' in ropeScaling ? ` by ${ropeScaling.factor}` : ''
    throw new ModelError(
      `rope scaling ${type} of a model whose positions are stretched already (${ropeScaling.type}${by}, to ${maxPositions}), expected one without rope_scaling`,
    )
  }
  return {
    ...config,
    maxPositions: Math.round(maxPositions * factor),
    ropeScaling: scalings[type](factor, maxPositions),
  }
}
