// The families of decoders, by config.json's `model_type`: what sets each apart from Llama, as data.
import type { Reader } from './reader'

/** The decoder families this package computes, by config.json's `model_type`. */
export type ModelType =
  | 'llama'
  | 'mistral'
  | 'qwen2'
  | 'qwen3'
  | 'gemma'
  | 'gemma2'
  | 'gemma3_text'
  | 'phi3'
  | 'granite'
  | 'olmo2'
  | 'smollm3'

/** What a family does that no key of its config.json tells, and what transformers takes for keys that are left out. */
export interface Family {
  /** By config.json's keys. */
  readonly defaults?: Readonly<Record<string, unknown>>
  /** Norms store how far they are from 1, embeddings grow by √hidden size, the MLP's gate goes through GELU. */
  readonly gemma?: boolean
  /** Where attention and MLP are normalised; before them when absent. */
  readonly norms?: 'both' | 'after'
  /** Whether queries and keys are normalised before they are rotated, each head alone or all heads as one. */
  readonly queryKeyNorms?: 'head' | 'width'
  readonly biases?: readonly string[]
  /** Whether q, k and v are one matrix, gate and up another. */
  readonly fused?: boolean
  /** Whether attention's scores and logits may have soft caps. */
  readonly softcaps?: boolean
  /** The key of a number whose inverse root scales queries. */
  readonly queryScalar?: 'query_pre_attn_scalar'
  /** Whether config.json has factors on embeddings, queries, residuals and logits. */
  readonly multipliers?: boolean
  /** Which layers have a window when `layer_types` is absent. Families without this have no window. */
  readonly windowOn?: (layer: number, config: Reader) => boolean
  /** Whether layers with a window have rotary frequencies of their own. */
  readonly windowRope?: boolean
  /** Whether only a part of each head may be rotated. */
  readonly partialRotary?: boolean
  /** Whether some layers do not rotate at all. */
  readonly someUnrotated?: boolean
  /** Kinds of rotary scaling that the family's files call by another name. */
  readonly ropeTypes?: Readonly<Record<string, string>>
}

const qwenWindow: Family['windowOn'] = (layer, config) =>
  config.boolean('use_sliding_window', false) && layer >= config.number('max_window_layers', 28, 0)

const gemma: Family = {
  defaults: { max_position_embeddings: 8192, head_dim: 256, tie_word_embeddings: true },
  gemma: true,
}

const gemma2: Family = {
  defaults: {
    ...gemma.defaults,
    attn_logit_softcapping: 50,
    final_logit_softcapping: 30,
    query_pre_attn_scalar: 256,
    sliding_window: 4096,
  },
  gemma: true,
  norms: 'both',
  softcaps: true,
  queryScalar: 'query_pre_attn_scalar',
  windowOn: (layer) => layer % 2 === 0,
}

/** By config.json's `model_type`. */
export const families: Readonly<Record<ModelType, Family>> = {
  llama: { defaults: { max_position_embeddings: 2048 } },
  mistral: { defaults: { max_position_embeddings: 131_072, sliding_window: 4096 }, windowOn: () => true },
  qwen2: {
    defaults: { max_position_embeddings: 32_768, sliding_window: 4096 },
    biases: ['q_proj', 'k_proj', 'v_proj'],
    windowOn: qwenWindow,
  },
  qwen3: {
    defaults: { max_position_embeddings: 32_768, sliding_window: 4096, head_dim: 128 },
    queryKeyNorms: 'head',
    windowOn: qwenWindow,
  },
  gemma,
  gemma2,
  gemma3_text: {
    ...gemma2,
    defaults: {
      ...gemma.defaults,
      max_position_embeddings: 131_072,
      vocab_size: 262_208,
      num_attention_heads: 8,
      num_key_value_heads: 4,
      query_pre_attn_scalar: 256,
      sliding_window: 4096,
      sliding_window_pattern: 6,
      rope_theta: 1_000_000,
      rope_local_base_freq: 10_000,
    },
    queryKeyNorms: 'head',
    windowOn: (layer, config) => (layer + 1) % config.integer('sliding_window_pattern') !== 0,
    windowRope: true,
  },
  phi3: {
    defaults: { max_position_embeddings: 4096, original_max_position_embeddings: 4096, rms_norm_eps: 1e-5 },
    fused: true,
    windowOn: () => true,
    partialRotary: true,
    ropeTypes: { su: 'longrope', yarn: 'longrope' },
  },
  granite: { defaults: { max_position_embeddings: 2048 }, multipliers: true },
  olmo2: {
    defaults: { max_position_embeddings: 2048, rms_norm_eps: 1e-5 },
    norms: 'after',
    queryKeyNorms: 'width',
  },
  smollm3: {
    defaults: {
      max_position_embeddings: 32_768,
      num_key_value_heads: 4,
      rope_theta: 2_000_000,
      no_rope_layer_interval: 4,
      tie_word_embeddings: true,
    },
    windowOn: (layer, config) => config.boolean('use_sliding_window', false) && !rotates(layer, config),
    someUnrotated: true,
  },
}

/** SmolLM3's windows, where it has any, are in the layers that do not rotate. */
const rotates = (layer: number, config: Reader): boolean =>
  Array.isArray(config.json.no_rope_layers)
    ? config.json.no_rope_layers[layer] === 1
    : (layer + 1) % config.integer('no_rope_layer_interval') !== 0

/** The families, as errors and pages list them. */
export const modelTypes = Object.keys(families) as readonly ModelType[]

/** Whether a `model_type` is that of a mixture of experts, as far as their names tell. */
export const isMixture = (modelType: string): boolean =>
  /moe|^(mixtral|dbrx|gpt_oss|llama4|deepseek_v[23]|jamba|arctic|grok)/.test(modelType)
