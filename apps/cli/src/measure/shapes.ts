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
  'llama-3.1-8b': {
    hidden_size: 4096,
    intermediate_size: 14336,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    vocab_size: 128256,
    max_position_embeddings: 131072,
    rope_theta: 500000,
    rope_scaling: {
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    },
  },
  'mistral-7b': {
    model_type: 'mistral',
    hidden_size: 4096,
    intermediate_size: 14336,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    vocab_size: 32768,
    max_position_embeddings: 32768,
    rope_theta: 1000000,
    sliding_window: null,
  },
  'qwen2.5-7b': {
    model_type: 'qwen2',
    hidden_size: 3584,
    intermediate_size: 18944,
    num_hidden_layers: 28,
    num_attention_heads: 28,
    num_key_value_heads: 4,
    vocab_size: 152064,
    max_position_embeddings: 131072,
    rms_norm_eps: 1e-6,
    rope_theta: 1000000,
  },
  'qwen3-8b': {
    model_type: 'qwen3',
    hidden_size: 4096,
    intermediate_size: 12288,
    num_hidden_layers: 36,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    vocab_size: 151936,
    max_position_embeddings: 40960,
    rms_norm_eps: 1e-6,
    rope_theta: 1000000,
  },
  'gemma-2b': {
    model_type: 'gemma',
    hidden_size: 2048,
    intermediate_size: 16384,
    num_hidden_layers: 18,
    num_attention_heads: 8,
    num_key_value_heads: 1,
    vocab_size: 256000,
    rms_norm_eps: 1e-6,
  },
  'gemma-7b': {
    model_type: 'gemma',
    hidden_size: 3072,
    intermediate_size: 24576,
    num_hidden_layers: 28,
    num_attention_heads: 16,
    vocab_size: 256000,
    rms_norm_eps: 1e-6,
  },
  'gemma-2-2b': {
    model_type: 'gemma2',
    hidden_size: 2304,
    intermediate_size: 9216,
    num_hidden_layers: 26,
    num_attention_heads: 8,
    num_key_value_heads: 4,
    vocab_size: 256000,
    rms_norm_eps: 1e-6,
  },
  'gemma-2-9b': {
    model_type: 'gemma2',
    hidden_size: 3584,
    intermediate_size: 14336,
    num_hidden_layers: 42,
    num_attention_heads: 16,
    num_key_value_heads: 8,
    vocab_size: 256000,
    rms_norm_eps: 1e-6,
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
