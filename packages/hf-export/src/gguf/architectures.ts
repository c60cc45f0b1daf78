// What llama.cpp calls each decoder family: tensor names, metadata keys, and what it cannot compute.
import { inverseFrequencies, type DecoderConfig } from '@jora/llama'
import { ConfigError } from '@jora/lora'
import { f32, string, u32, type GgufValue } from '@jora/tensor/weights'

/** How llama.cpp computes one of its architectures, where that differs from family to family. */
interface Architecture {
  readonly arch: 'llama' | 'qwen2' | 'qwen3' | 'gemma' | 'gemma2'
  /**
   * Whether rotary pairs are neighbours (2i, 2i + 1) where Hugging Face has them half a head apart: rows of the query and
   * key projections then change places.
   */
  readonly interleaved: boolean
  /** Linear layers it gives a bias where the file has one. */
  readonly biases: readonly string[]
  /** Whether it reads `rope_freqs.weight`. */
  readonly ropeFactors: boolean
  readonly activation: DecoderConfig['activation']
  /** Whether it has a head of its own beside the embedding. */
  readonly ownHead: boolean
}

const qkv = ['q_proj', 'k_proj', 'v_proj']
const llama: Architecture = {
  arch: 'llama',
  interleaved: true,
  biases: [...qkv, 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],
  ropeFactors: true,
  activation: 'silu',
  ownHead: true,
}
const qwen2: Architecture = { ...llama, arch: 'qwen2', interleaved: false, biases: qkv, ropeFactors: false }
const gemma: Architecture = { ...qwen2, arch: 'gemma', biases: [], activation: 'gelu', ownHead: false }

/** By config.json's `model_type`. */
const architectures: Readonly<Record<DecoderConfig['modelType'], Architecture>> = {
  llama,
  mistral: llama,
  qwen2,
  qwen3: { ...qwen2, arch: 'qwen3', biases: [] },
  gemma,
  gemma2: { ...gemma, arch: 'gemma2' },
}

export const architectureOf = ({ modelType }: DecoderConfig): Architecture => architectures[modelType]

/** llama.cpp's names of a layer's parts, after `blk.N.`. */
const layerNames: Readonly<Record<string, string>> = {
  input_layernorm: 'attn_norm',
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.o_proj': 'attn_output',
  'self_attn.q_norm': 'attn_q_norm',
  'self_attn.k_norm': 'attn_k_norm',
  post_attention_layernorm: 'ffn_norm',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
}

/** Where attention and MLP are normalised on their way out, one name means another norm. */
const outputNormNames: Readonly<Record<string, string>> = {
  post_attention_layernorm: 'post_attention_norm',
  pre_feedforward_layernorm: 'ffn_norm',
  post_feedforward_layernorm: 'post_ffw_norm',
}

const outerNames: Readonly<Record<string, string>> = {
  'model.embed_tokens': 'token_embd',
  'model.norm': 'output_norm',
  lm_head: 'output',
}

/** llama.cpp's name of a weight, e.g. `blk.0.attn_q.weight` of `model.layers.0.self_attn.q_proj.weight`. */
export function tensorName(name: string, { outputNorms }: Pick<DecoderConfig, 'outputNorms'>): string {
  const [, module = '', kind = ''] = /^(.*)\.(weight|bias)$/.exec(name) ?? []
  const outer = outerNames[module]
  if (outer !== undefined) return `${outer}.${kind}`
  const [, layer = '', part = ''] = /^model\.layers\.(\d+)\.(.*)$/.exec(module) ?? []
  const inner = (outputNorms ? outputNormNames[part] : undefined) ?? layerNames[part]
  if (inner === undefined) throw new ConfigError(`llama.cpp has no name for ${name}`)
  return `blk.${layer}.${inner}.${kind}`
}

/** Heads whose rows change places in the tensor of that name; 0 where none do. */
export function interleavedHeads(name: string, config: DecoderConfig): number {
  if (!architectureOf(config).interleaved) return 0
  if (/\.q_proj\.(weight|bias)$/.test(name)) return config.heads
  return /\.k_proj\.(weight|bias)$/.test(name) ? config.kvHeads : 0
}

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
  if (config.ropeScaling.type === 'llama3' && !ropeFactors) refuse('llama3 rotary scaling')
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
  if (config.ropeScaling.type !== 'llama3') return undefined
  const plain = inverseFrequencies({ ...config, ropeScaling: { type: 'default' } })
  return Float32Array.from(inverseFrequencies(config), (scaled, i) => plain[i]! / scaled)
}
