// A model with its positions stretched as the settings of a run say.
import { ModelError, stretchRope, type DecoderConfig, type OpenModel, type RopeStretch } from '@jora/llama'
import { ConfigError } from './config-error'
import type { JoraSettings } from './jora-config'

type StretchSettings = Pick<JoraSettings, 'ropeScaling' | 'ropeScalingFactor' | 'maxSeqLength'>

/**
 * How far a run stretches the positions of a model: by `ropeScalingFactor`, or else by as many times as the longest sample needs;
 * undefined where it does not.
 * @throws ConfigError where nothing is to stretch, or the model cannot be
 */
export function stretchOfRun(
  { ropeScaling: type, ropeScalingFactor, maxSeqLength }: StretchSettings,
  model: DecoderConfig,
): RopeStretch | undefined {
  if (type === undefined) return undefined
  const { maxPositions } = model
  if (ropeScalingFactor === undefined && maxSeqLength <= maxPositions)
    throw new ConfigError(
      `ropeScaling is ${type} beside maxSeqLength ${maxSeqLength}, expected a maxSeqLength above the ${maxPositions} positions of the model, or ropeScalingFactor: there is nothing to stretch`,
      'ropeScaling',
    )
  const stretch: RopeStretch = { type, factor: ropeScalingFactor ?? Math.ceil(maxSeqLength / maxPositions) }
  try {
    stretchRope(model, stretch)
  } catch (error) {
    throw error instanceof ModelError ? new ConfigError(error.message, 'ropeScaling') : error
  }
  return stretch
}

/**
 * The model that a run trains on, its positions stretched where the settings ask for it.
 * @throws ConfigError as {@link stretchOfRun}
 */
export function stretchedModel(
  model: OpenModel,
  settings: StretchSettings,
): { readonly model: OpenModel; readonly stretch: RopeStretch | undefined } {
  const stretch = stretchOfRun(settings, model.config)
  return { model: stretch === undefined ? model : model.stretched(stretch), stretch }
}
