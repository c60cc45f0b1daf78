// Calls of earlier versions, each a part of what openModel gives; they go after the next release.
import { defaultDevice, type Device } from '@jora/tensor'
import type { DecoderConfig } from '../config/config'
import type { Decoder, Weights } from '../model'
import { describeModel, openModel } from './open-model'
import { uploadWeights } from './upload'

/**
 * The configuration of the model in `folder`; generation_config.json, if there is one, may add stop ids.
 * @deprecated use `describeModel(folder)`, which has it as `config`
 */
export const loadConfig = async (folder: string): Promise<DecoderConfig> =>
  (await describeModel(folder, { local: true })).config

/** A decoder that was loaded by {@link loadModel}. */
export interface Model extends Decoder {
  /** Folder it was loaded from. */
  readonly folder: string
}

/**
 * The model in `folder` (Hugging Face layout). Weights stay in their files until a program uses them.
 * @throws ModelError | HubError | SafetensorsError naming the file, key or tensor at fault
 * @deprecated use `openModel(folder)` and its `decoder(device)`, which also refuses weights that are not finite
 */
export async function loadModel(
  folder: string,
  { device = defaultDevice() }: { device?: Device } = {},
): Promise<Model> {
  await using model = await openModel(folder, { local: true })
  const { config } = model
  const weights: Weights = await uploadWeights(model.weights, config, { device, dtype: 'f32', check: false })
  return { folder, config, weights }
}
