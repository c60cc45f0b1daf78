// Model shapes that bench and estimate know by name: a config.json without weights.
import { parseConfig, weightShapes, type DecoderConfig } from '@jora/llama'
import { short } from '../ui/format'

const shapes = {
  'llama-2-7b': {
    hidden_size: 4096,
    intermediate_size: 11008,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    vocab_size: 32000,
    max_position_embeddings: 4096,
  },
  'llama-3.2-1b': {
    hidden_size: 2048,
    intermediate_size: 8192,
    num_hidden_layers: 16,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    vocab_size: 128256,
    max_position_embeddings: 131072,
    rope_theta: 500000,
    rope_scaling: {
      rope_type: 'llama3',
      factor: 32,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    },
    tie_word_embeddings: true,
  },
  // That of tooling/bench.
  '26m': {
    hidden_size: 512,
    intermediate_size: 1408,
    num_hidden_layers: 8,
    num_attention_heads: 8,
    num_key_value_heads: 4,
    vocab_size: 8192,
    max_position_embeddings: 4096,
  },
  stories260k: {
    hidden_size: 64,
    intermediate_size: 172,
    num_hidden_layers: 5,
    num_attention_heads: 8,
    num_key_value_heads: 4,
    vocab_size: 512,
    max_position_embeddings: 512,
    tie_word_embeddings: true,
  },
} as const

export type ShapeName = keyof typeof shapes
export const shapeNames = Object.keys(shapes) as ShapeName[]

export const shapeConfig = (name: ShapeName): DecoderConfig =>
  parseConfig({ model_type: 'llama', rms_norm_eps: 1e-5, ...shapes[name] }, name)

/** Elements of all weights. */
export const parameterCount = (config: DecoderConfig): number =>
  [...weightShapes(config).values()].reduce((n, shape) => n + shape.reduce((a, b) => a * b, 1), 0)

/** `6.7B` */
export const parameters = (count: number): string => short(count).replace('G', 'B')
