// What llama.cpp makes of each decoder family: metadata keys, and what it cannot compute.
import { architectureOf, inverseFrequencies, type DecoderConfig } from '@jora/llama'
import { ConfigError } from '@jora/lora'
import { f32, string, u32, type GgufValue } from '@jora/tensor/weights'

/**
 * Holds a model against what llama.cpp computes for its family, and says where the two part without harm in most uses.
 * @throws ConfigError naming what llama.cpp has no way to compute
 */
export function checkArchitecture(config: DecoderConfig): string[] {
  const { arch, biases, activation, ropeFactors, ownHead } = architectureOf(config)
  const refuse = (what: string): never => {
    throw new ConfigError(`llama.cpp's ${arch} architecture has no ${what}: this model cannot become GGUF`)
  }
  const strange = config.biases.find((name) => !biases.includes(name))
  if (strange !== undefined) refuse(`bias for ${strange}`)
  if (config.activation !== activation) refuse(`${config.activation} in its MLP, only ${activation}`)
  if (['llama3', 'divided'].includes(config.ropeScaling.type) && !ropeFactors) refuse('rotary factors')
  if (!ownHead && !config.tiedHead) refuse('head of its own beside the embedding')
  const { headDim, heads, hiddenSize, layers, queryScale } = config
  // Gemma 2 27B, by its depth, is scaled by hidden size over heads.
  const scale = (arch === 'gemma2' && layers === 46 ? hiddenSize / heads : headDim) ** -0.5
  if (Math.abs(queryScale / scale - 1) > 1e-6)
    refuse(`query scale of ${queryScale}, only ${scale} (query_pre_attn_scalar ${Math.round(scale ** -2)})`)
  if (arch === 'gemma2') {
    if (config.attentionSoftcap === undefined || config.logitSoftcap === undefined) refuse('way to leave out soft caps')
    const window = config.windows[0]
    const alternates = config.windows.every((size, layer) => size === (layer % 2 === 0 ? window : undefined))
    if (window === undefined || !alternates) refuse('sliding windows but in every other layer, from the first')
    return []
  }
  const [window] = config.windows.filter((size) => size !== undefined)
  return window === undefined || window >= config.maxPositions
    ? []
    : [
        `llama.cpp's ${arch} has no sliding window: past ${window} tokens it attends to more than the model was made for`,
      ]
}

/** The metadata llama.cpp reads an architecture's sizes from, under its own name. */
export function architectureMetadata(config: DecoderConfig): Map<string, GgufValue> {
  const { arch } = architectureOf(config)
  const entries: (readonly [key: string, value: GgufValue | undefined])[] = [
    ['vocab_size', u32(config.vocabSize)],
    ['context_length', u32(config.maxPositions)],
    ['embedding_length', u32(config.hiddenSize)],
    ['block_count', u32(config.layers)],
    ['feed_forward_length', u32(config.intermediateSize)],
    ['attention.head_count', u32(config.heads)],
    ['attention.head_count_kv', u32(config.kvHeads)],
    ['attention.key_length', u32(config.headDim)],
    ['attention.value_length', u32(config.headDim)],
    ['attention.layer_norm_rms_epsilon', f32(config.rmsNormEpsilon)],
    ['rope.dimension_count', u32(config.headDim)],
    ['rope.freq_base', f32(config.ropeTheta)],
    ...(config.ropeScaling.type === 'linear'
      ? [
          ['rope.scaling.type', string('linear')] as const,
          ['rope.scaling.factor', f32(config.ropeScaling.factor)] as const,
        ]
      : []),
    ['attn_logit_softcapping', optional(config.attentionSoftcap, f32)],
    ['final_logit_softcapping', optional(config.logitSoftcap, f32)],
    ['attention.sliding_window', arch === 'gemma2' ? optional(config.windows[0], u32) : undefined],
  ]
  return new Map(entries.flatMap(([key, value]) => (value ? [[`${arch}.${key}`, value] as const] : [])))
}

const optional = (value: number | undefined, make: (value: number) => GgufValue): GgufValue | undefined =>
  value === undefined ? undefined : make(value)

/**
 * What Llama 3's scaling divides each rotary frequency by, `[headDim / 2]`: llama.cpp keeps the plain frequencies and reads
 * these from `rope_freqs.weight`. Undefined for models without it.
 */
export function ropeFactors(config: DecoderConfig): Float32Array | undefined {
  if (config.ropeScaling.type !== 'llama3' && config.ropeScaling.type !== 'divided') return undefined
  const plain = inverseFrequencies({ ...config, ropeScaling: { type: 'default' } })
  return Float32Array.from(inverseFrequencies(config), (scaled, i) => plain[i]! / scaled)
}
