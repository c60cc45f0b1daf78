// A model with its positions stretched as the settings of a run say.
import { ModelError, type OpenModel, type RopeStretch } from '@jora/llama'
import { ConfigError } from './config-error'
import type { JoraSettings } from './jora-config'

type StretchSettings = Pick<JoraSettings, 'ropeScaling' | 'ropeScalingFactor' | 'maxSeqLength'>

/** How far a model of so many positions is stretched; undefined where it is not. */
function stretchOf(
  { ropeScaling: type, ropeScalingFactor, maxSeqLength }: StretchSettings,
  maxPositions: number,
): RopeStretch | undefined {
  if (type === undefined) return undefined
  if (ropeScalingFactor === undefined && maxSeqLength <= maxPositions)
    throw new ConfigError(
      `ropeScaling is ${type} beside maxSeqLength ${maxSeqLength}, expected a maxSeqLength above the ${maxPositions} positions of the model, or ropeScalingFactor: there is nothing to stretch`,
      'ropeScaling',
    )
  return { type, factor: ropeScalingFactor ?? Math.ceil(maxSeqLength / maxPositions) }
}

/**
 * The model that a run trains on: its positions stretched where the settings ask for it, by `ropeScalingFactor` or else by as many
 * times as the longest sample needs.
 * @throws ConfigError where nothing is to stretch, or the model cannot be
 */
export function stretchedModel<M extends Pick<OpenModel, 'config' | 'stretched'>>(
  model: M,
  settings: StretchSettings,
): { readonly model: M | OpenModel; readonly stretch: RopeStretch | undefined } {
  const stretch = stretchOf(settings, model.config.maxPositions)
  if (stretch === undefined) return { model, stretch }
  try {
    return { model: model.stretched(stretch), stretch }
  } catch (error) {
    throw error instanceof ModelError ? new ConfigError(error.message, 'ropeScaling') : error
  }
}
