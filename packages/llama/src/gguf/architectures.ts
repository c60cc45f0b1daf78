// What llama.cpp calls each decoder family, and its tensors.
import { ModelError, type DecoderConfig } from '../config/config'

/** How llama.cpp computes one of its architectures, where that differs from family to family. */
export interface Architecture {
  readonly arch: 'llama' | 'qwen2' | 'qwen3' | 'gemma' | 'gemma2' | 'gemma3' | 'phi3' | 'granite' | 'olmo2' | 'smollm3'
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
  gemma3_text: { ...gemma, arch: 'gemma3', ownHead: true },
  phi3: { ...qwen2, arch: 'phi3', biases: [] },
  granite: { ...llama, arch: 'granite' },
  olmo2: { ...qwen2, arch: 'olmo2', biases: [] },
  smollm3: { ...llama, arch: 'smollm3', biases: [], ropeFactors: false },
}

/** How llama.cpp names and stores models of this family. */
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
  'self_attn.qkv_proj': 'attn_qkv',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.gate_up_proj': 'ffn_up',
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

/**
 * llama.cpp's name of a weight, e.g. `blk.0.attn_q.weight` for `model.layers.0.self_attn.q_proj.weight`.
 * @throws ModelError for a weight that llama.cpp has no name for
 */
export function tensorName(name: string, { norms }: Pick<DecoderConfig, 'norms'>): string {
  const [, module = '', kind = ''] = /^(.*)\.(weight|bias)$/.exec(name) ?? []
  const outer = outerNames[module]
  if (outer !== undefined) return `${outer}.${kind}`
  const [, layer = '', part = ''] = /^model\.layers\.(\d+)\.(.*)$/.exec(module) ?? []
  const inner = (norms === 'before' ? undefined : outputNormNames[part]) ?? layerNames[part]
  if (inner === undefined) throw new ModelError(`llama.cpp has no name for ${name}`)
  return `blk.${layer}.${inner}.${kind}`
}

/**
 * How many heads the tensor has whose rows GGUF stores in another order (rotary pairs side by side); 0 for tensors
 * stored alike.
 */
export function interleavedHeads(name: string, config: DecoderConfig): number {
  if (!architectureOf(config).interleaved) return 0
  if (/\.q_proj\.(weight|bias)$/.test(name)) return config.heads
  return /\.k_proj\.(weight|bias)$/.test(name) ? config.kvHeads : 0
}
