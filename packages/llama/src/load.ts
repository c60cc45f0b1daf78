// Opening a model folder: configuration and weights together.
import type { Device } from '@jora/tensor'
import { loadConfig } from './config'
import type { Decoder } from './model'
import { loadWeights } from './weights'

export interface Model extends Decoder {
  /** Folder it was loaded from. */
  readonly folder: string
}

/**
 * The model in `folder` (Hugging Face layout). Weights stay in their files until a program uses them.
 * @throws ModelError | SafetensorsError naming the file, key or tensor at fault
 */
export async function loadModel(folder: string, options: { device?: Device } = {}): Promise<Model> {
  const config = await loadConfig(folder)
  return { folder, config, weights: await loadWeights(folder, config, options.device) }
}
