// The base as an adapter was trained on it: with its positions stretched, where they were.
import type { OpenModel, RopeStretch } from '@jora/llama'
import { ConfigError } from '../settings/config-error'
import { readPrompt } from './prompt-file'

/** How the positions of the base were stretched for the adapter in `folder`; undefined where they were not. */
export const ropeStretchOf = async (folder: string): Promise<RopeStretch | undefined> =>
  (await readPrompt(folder))?.base?.ropeScaling

/**
 * The open base with as many positions as the adapter in `folder` was trained on; the model itself where those are its own.
 * @throws ConfigError for a prompt.json that cannot be read; ModelError for a base that cannot be stretched
 */
export async function baseAsTrained(model: OpenModel, folder: string): Promise<OpenModel> {
  const stretch = await ropeStretchOf(folder)
  return stretch === undefined ? model : model.stretched(stretch)
}

const told = (stretch: RopeStretch | undefined): string =>
  stretch === undefined ? 'positions as the model has them' : `positions stretched (${stretch.type} ${stretch.factor})`

/** @throws ConfigError naming the adapter in `folder` where it was trained on other positions than `expected`, which are those of `who` */
export async function checkStretch(folder: string, expected: RopeStretch | undefined, who: string): Promise<void> {
  const stretch = await ropeStretchOf(folder)
  if (told(stretch) !== told(expected))
    throw new ConfigError(`${folder} was trained with ${told(stretch)}; ${who} has ${told(expected)}`, 'ropeScaling')
}
