// Which parameters an optimiser treats otherwise than matrices between layers, as the trainers that people come from do it.
import type { OptimizerConfig } from '@jora/tensor'
import { moduleNames } from './replaced/names'
import type { TrainConfig } from '../settings/train-config'

/**
 * - `adamw_8bit`: the moments of embeddings stay in f32, as transformers' Trainer asks bitsandbytes to keep them;
 * - `muon`, of a model's own weights: embedding, head and vectors are AdamW's, and steps are as long as its own (Liu et al. 2025).
 */
export function apartOf({
  optimizer,
  lora,
}: Partial<Pick<TrainConfig, 'optimizer'>> & Pick<TrainConfig, 'lora'>): Pick<OptimizerConfig, 'apart' | 'matchesRms'> {
  const isEmbedding = ([module = '', part]: readonly string[]) =>
    module === moduleNames.embed_tokens && part === 'weight'
  if (optimizer === 'adamw_8bit') return { apart: isEmbedding }
  if (optimizer !== 'muon' || !lora.whole) return {}
  return {
    apart: (path, shape) => shape.length !== 2 || isEmbedding(path) || path[0] === moduleNames.lm_head,
    matchesRms: true,
  }
}
