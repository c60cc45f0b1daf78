// A decoder's configuration as the config.json that transformers reads: the other way of parseConfig.
import { ModelError, type DecoderConfig, type ModelType } from './config'
import { families } from './families'

/** transformers' class of each family's models. */
const classes: Readonly<Record<ModelType, string>> = {
  llama: 'Llama',
  mistral: 'Mistral',
  qwen2: 'Qwen2',
  qwen3: 'Qwen3',
  gemma: 'Gemma',
  gemma2: 'Gemma2',
  gemma3_text: 'Gemma3',
  phi3: 'Phi3',
  granite: 'Granite',
  olmo2: 'Olmo2',
  smollm3: 'SmolLM3',
}

type Json = Record<string, unknown>

/**
 * The value of `rope_scaling`; null without one.
 * @throws ModelError for rotary frequencies that config.json cannot describe
 */
export function ropeScaling({ ropeScaling: scaling }: Pick<DecoderConfig, 'ropeScaling'>): Json | null {
  switch (scaling.type) {
    case 'default':
      return null
    case 'linear':
      return { rope_type: 'linear', factor: scaling.factor }
    case 'dynamic':
      return { rope_type: 'dynamic', factor: scaling.factor }
    case 'llama3':
      return {
        rope_type: 'llama3',
        factor: scaling.factor,
        low_freq_factor: scaling.lowFrequencyFactor,
        high_freq_factor: scaling.highFrequencyFactor,
        original_max_position_embeddings: scaling.originalMaxPositions,
      }
    case 'yarn':
      return {
        rope_type: 'yarn',
        factor: scaling.factor,
        beta_fast: scaling.betaFast,
        beta_slow: scaling.betaSlow,
        truncate: scaling.truncate,
        original_max_position_embeddings: scaling.originalMaxPositions,
        attention_factor: scaling.attentionFactor,
      }
    case 'longrope':
      return {
        rope_type: 'longrope',
        short_factor: scaling.short,
        long_factor: scaling.long,
        original_max_position_embeddings: scaling.originalMaxPositions,
        attention_factor: scaling.attentionFactor,
      }
    case 'divided':
      throw new ModelError(
        'the model divides rotary frequencies by factors of its own, which config.json has no way to say',
      )
  }
}

/** Where windows are, for the families that have them. */
function windowKeys({ modelType, windows }: DecoderConfig): Json {
  if (!families[modelType].windowOn) return {}
  const [size] = windows.filter((each) => each !== undefined)
  const types = windows.map((each) => (each === undefined ? 'full_attention' : 'sliding_attention'))
  if (modelType === 'mistral' || modelType === 'phi3') return { sliding_window: size ?? null }
  return {
    sliding_window: size ?? null,
    layer_types: types,
    ...(modelType.startsWith('gemma') ? {} : { use_sliding_window: size !== undefined }),
  }
}

/**
 * config.json's keys for a decoder, such that {@link parseConfig} reads the same configuration from them.
 * @throws ModelError for rotary frequencies that config.json cannot describe
 */
export function configJson(config: DecoderConfig): Json {
  const { modelType, biases, rotations } = config
  const family = families[modelType]
  const scaling = ropeScaling(config)
  return {
    architectures: [`${classes[modelType]}ForCausalLM`],
    model_type: modelType,
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headDim,
    rms_norm_eps: config.rmsNormEpsilon,
    rope_theta: config.ropeTheta,
    rope_scaling: scaling,
    max_position_embeddings: config.maxPositions,
    tie_word_embeddings: config.tiedHead,
    ...(family.gemma
      ? { hidden_act: 'gelu_pytorch_tanh', hidden_activation: 'gelu_pytorch_tanh' }
      : { hidden_act: 'silu' }),
    ...(family.fused ? {} : { attention_bias: biases.includes('o_proj'), mlp_bias: biases.includes('down_proj') }),
    ...windowKeys(config),
    ...(family.softcaps && {
      attn_logit_softcapping: config.attentionSoftcap ?? null,
      final_logit_softcapping: config.logitSoftcap ?? null,
    }),
    ...(family.queryScalar && { [family.queryScalar]: inverseSquare(config.queryScale) }),
    ...(family.multipliers && {
      embedding_multiplier: config.embeddingScale,
      attention_multiplier: config.queryScale,
      residual_multiplier: config.residualScale,
      logits_scaling: 1 / config.logitScale,
    }),
    ...(family.windowRope && { rope_local_base_freq: config.localRopeTheta }),
    ...(family.partialRotary && { partial_rotary_factor: config.rotaryDim / config.headDim }),
    ...(family.partialRotary &&
      config.ropeScaling.type === 'longrope' && {
        original_max_position_embeddings: config.ropeScaling.originalMaxPositions,
      }),
    ...(family.someUnrotated && { no_rope_layers: rotations.map((kind) => (kind === 'none' ? 0 : 1)) }),
    ...(config.bosTokenId === undefined ? {} : { bos_token_id: config.bosTokenId }),
    ...(config.eosTokenIds.length === 0 ? {} : { eos_token_id: config.eosTokenIds }),
  }
}

/** x where 1/√x is given, whole where it is so within rounding. */
function inverseSquare(scale: number): number {
  const value = scale ** -2
  return Math.abs(value - Math.round(value)) < 1e-6 * value ? Math.round(value) : value
}
