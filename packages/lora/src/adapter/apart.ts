// Which parameters an optimiser treats otherwise than matrices between layers, as the trainers that people come from do it.
import type { OptimizerConfig } from '@jora/tensor'
import { moduleNames } from './replaced/names'
import type { TrainConfig } from '../settings/train-config'

/**
 * - `adamw_8bit`: the moments of embeddings stay in f32, as transformers' Trainer asks bitsandbytes to keep them;
 * - of a model's own weights, norms and biases are not decayed, as transformers' Trainer leaves them out;
 * - `muon`, of a model's own weights: embedding, head and vectors are AdamW's, and steps are as long as its own (Liu et al. 2025).
 */
export function apartOf({
  optimizer,
  lora,
}: Partial<Pick<TrainConfig, 'optimizer'>> & Pick<TrainConfig, 'lora'>): Pick<
  OptimizerConfig,
  'apart' | 'matchesRms' | 'decays'
> {
  const isEmbedding = ([module = '', part]: readonly string[]) =>
    module === moduleNames.embed_tokens && part === 'weight'
  // Norms and biases are the vectors of a decoder.
  const decays = lora.whole && { decays: (_path: readonly string[], shape: readonly number[]) => shape.length > 1 }
  if (optimizer === 'adamw_8bit') return { ...decays, apart: isEmbedding }
  if (optimizer !== 'muon' || !lora.whole) return { ...decays }
  return {
    ...decays,
    apart: (path, shape) => shape.length !== 2 || isEmbedding(path) || path[0] === moduleNames.lm_head,
    matchesRms: true,
  }
}
