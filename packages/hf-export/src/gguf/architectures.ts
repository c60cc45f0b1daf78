// What llama.cpp makes of each decoder family: metadata keys, and what it cannot compute.
import { architectureOf, inverseFrequencies, type DecoderConfig } from '@jora/llama'
import { ConfigError } from '@jora/lora'
import { f32, string, u32, type GgufValue } from '@jora/tensor/weights'

/**
 * Holds a model against what llama.cpp computes for its family, and says where the two part without harm in most uses.
 * @throws ConfigError naming what llama.cpp has no way to compute
 */
export function checkArchitecture(config: DecoderConfig): string[] {
  const { arch, biases, activation, ownHead } = architectureOf(config)
  const refuse = (what: string): never => {
    throw new ConfigError(`llama.cpp's ${arch} architecture has no ${what}: this model cannot become GGUF`)
  }
  const strange = config.biases.find((name) => !biases.includes(name))
  if (strange !== undefined) refuse(`bias for ${strange}`)
  if (config.activation !== activation) refuse(`${config.activation} in its MLP, only ${activation}`)
  if (!ownHead && !config.tiedHead) refuse('head of its own beside the embedding')
  checkRope(config, refuse)
  const { headDim, heads, hiddenSize, layers, queryScale, windows } = config
  // The largest of Gemma 2 and 3, by their depth, are scaled by hidden size over heads.
  const largest = { gemma2: 46, gemma3: 62 }[arch as string]
  const scale = (layers === largest ? hiddenSize / heads : headDim) ** -0.5
  if (arch !== 'granite' && Math.abs(queryScale / scale - 1) > 1e-6)
    refuse(`query scale of ${queryScale}, only ${scale} (query_pre_attn_scalar ${Math.round(scale ** -2)})`)
  const period = { gemma2: 2, gemma3: 6 }[arch as string]
  if (period !== undefined) {
    if (arch === 'gemma2' && (config.attentionSoftcap === undefined || config.logitSoftcap === undefined))
      refuse('way to leave out soft caps')
    if (arch === 'gemma3' && config.attentionSoftcap !== undefined) refuse('soft cap on attention scores')
    const alternates = windows.every((size, layer) => size === ((layer + 1) % period === 0 ? undefined : windows[0]))
    if (windows[0] === undefined || !alternates)
      refuse(`sliding windows except in all layers but every ${period === 2 ? 'second' : `${period}th`} one`)
    return []
  }
  const [window] = windows.filter((size) => size !== undefined)
  return window === undefined || window >= config.maxPositions
    ? []
    : [
        `llama.cpp's ${arch} has no sliding window: past ${window} tokens it attends to more than the model was made for`,
      ]
}

/** Every so many layers of SmolLM3 do not rotate. */
const unrotatedEvery = 4

function checkRope(config: DecoderConfig, refuse: (what: string) => never): void {
  const { ropeScaling: scaling, rotations } = config
  const { arch, ropeFactors } = architectureOf(config)
  if ((scaling.type === 'llama3' || scaling.type === 'divided') && !ropeFactors) refuse('rotary factors')
  if (scaling.type === 'dynamic') refuse('dynamic rotary scaling')
  if (scaling.type === 'longrope' && arch !== 'phi3') refuse('LongRoPE')
  if (scaling.type === 'yarn' && Math.abs(scaling.attentionFactor - (0.1 * Math.log(scaling.factor) + 1)) > 1e-6)
    refuse(`YaRN with an attention factor of ${scaling.attentionFactor}`)
  if (arch === 'gemma3' && config.localRopeTheta !== 10_000)
    refuse(`rotary base of ${config.localRopeTheta} in layers with a window`)
  const unrotated = (layer: number) => arch === 'smollm3' && (layer + 1) % unrotatedEvery === 0
  if (rotations.some((kind, layer) => (kind === 'none') !== unrotated(layer)))
    refuse(`unrotated layers but every ${unrotatedEvery}th`)
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
    ['rope.dimension_count', u32(config.rotaryDim)],
    ['rope.freq_base', f32(config.ropeTheta)],
    ...scalingMetadata(config.ropeScaling),
    ['attn_logit_softcapping', optional(config.attentionSoftcap, f32)],
    ['final_logit_softcapping', optional(config.logitSoftcap, f32)],
    ['attention.sliding_window', /^(gemma[23]|phi3)$/.test(arch) ? optional(config.windows[0], u32) : undefined],
    ...(arch === 'granite'
      ? [
          ['attention.scale', f32(config.queryScale)] as const,
          ['embedding_scale', f32(config.embeddingScale)] as const,
          ['residual_scale', f32(config.residualScale)] as const,
          ['logit_scale', f32(1 / config.logitScale)] as const,
        ]
      : []),
  ]
  return new Map(entries.flatMap(([key, value]) => (value ? [[`${arch}.${key}`, value] as const] : [])))
}

const optional = (value: number | undefined, make: (value: number) => GgufValue): GgufValue | undefined =>
  value === undefined ? undefined : make(value)

function scalingMetadata(scaling: DecoderConfig['ropeScaling']): (readonly [key: string, value: GgufValue])[] {
  switch (scaling.type) {
    case 'linear':
      return [
        ['rope.scaling.type', string('linear')],
        ['rope.scaling.factor', f32(scaling.factor)],
      ]
    case 'yarn':
      return [
        ['rope.scaling.type', string('yarn')],
        ['rope.scaling.factor', f32(scaling.factor)],
        ['rope.scaling.original_context_length', u32(scaling.originalMaxPositions)],
        ['rope.scaling.yarn_beta_fast', f32(scaling.betaFast)],
        ['rope.scaling.yarn_beta_slow', f32(scaling.betaSlow)],
      ]
    case 'longrope':
      return [
        ['rope.scaling.attn_factor', f32(scaling.attentionFactor)],
        ['rope.scaling.original_context_length', u32(scaling.originalMaxPositions)],
      ]
    default:
      return []
  }
}

/**
 * What rotary frequencies are divided by, `[rotaryDim / 2]`, by the tensor that llama.cpp reads it from: what Llama 3's scaling
 * comes to, or LongRoPE's two. None for other models.
 */
export function ropeFactors(config: DecoderConfig): ReadonlyMap<string, Float32Array> {
  const { ropeScaling: scaling } = config
  if (scaling.type === 'longrope')
    return new Map([
      ['rope_factors_long.weight', Float32Array.from(scaling.long)],
      ['rope_factors_short.weight', Float32Array.from(scaling.short)],
    ])
  if (scaling.type !== 'llama3' && scaling.type !== 'divided') return new Map()
  const plain = inverseFrequencies({ ...config, ropeScaling: { type: 'default' } })
  return new Map([
    ['rope_freqs.weight', Float32Array.from(inverseFrequencies(config), (scaled, i) => plain[i]! / scaled)],
  ])
}
