// The configuration that a GGUF file's metadata and tensors describe.
import type { GgufTensorInfo } from '@jora/tensor/weights'
import { ModelError, parseConfig, type DecoderConfig, type ModelType } from '../config/config'
import { inverseFrequencies } from '../config/rope-frequencies'
import type { MetadataReader } from './values'

/** config.json's `model_type` of the architectures that llama.cpp names. */
const modelTypes: Readonly<Record<string, ModelType>> = {
  llama: 'llama',
  qwen2: 'qwen2',
  qwen3: 'qwen3',
  gemma: 'gemma',
  gemma2: 'gemma2',
  gemma3: 'gemma3_text',
  phi3: 'phi3',
  granite: 'granite',
  olmo2: 'olmo2',
  smollm3: 'smollm3',
}

/** Tokens that end a turn, by the names that llama.cpp knows them by. */
const turnEnds = ['<|eot_id|>', '<|im_end|>', '<|end|>', '<end_of_turn>', '<|endoftext|>', '<|eom_id|>', '<EOT>']

const control = 3

function stopIds(file: MetadataReader): number[] {
  const kinds = file.numbers('tokenizer.ggml.token_type') ?? []
  const tokens = file.strings('tokenizer.ggml.tokens') ?? []
  const named = ['eos', 'eot', 'eom'].map((kind) => file.number(`tokenizer.ggml.${kind}_token_id`))
  const known = tokens.flatMap((text, id) => (kinds[id] === control && turnEnds.includes(text) ? [id] : []))
  return [...new Set([...named.filter((id) => id !== undefined), ...known])]
}

/** What a file's own tensors divide rotary frequencies by, `[rotaryDim / 2]` each. */
export interface RopeFactors {
  /** `rope_freqs.weight`: what llama3 scaling comes to. */
  readonly all?: readonly number[] | undefined
  /** `rope_factors_short.weight` and `rope_factors_long.weight`: LongRoPE's. */
  readonly short?: readonly number[] | undefined
  readonly long?: readonly number[] | undefined
}

/** Metadata under the architecture's name. */
class ArchReader {
  constructor(
    readonly file: MetadataReader,
    readonly arch: string,
  ) {}

  number(key: string): number | undefined {
    return this.file.number(`${this.arch}.${key}`)
  }

  needed(key: string): number {
    return this.number(key) ?? this.fail(key, 'a number')
  }

  fail(key: string, expected: string): never {
    return this.file.fail(`${this.arch}.${key}`, expected)
  }
}

/** config.json's `rope_scaling`. */
function scalingOf(own: ArchReader, { all, short, long }: RopeFactors): Readonly<Record<string, unknown>> | null {
  const key = 'rope.scaling.type'
  const type = own.file.string(`${own.arch}.${key}`) ?? 'none'
  const original = own.number('rope.scaling.original_context_length')
  if (short && long)
    return {
      rope_type: 'longrope',
      short_factor: short,
      long_factor: long,
      original_max_position_embeddings: original,
      attention_factor: own.number('rope.scaling.attn_factor'),
    }
  if (type === 'linear') return { rope_type: 'linear', factor: own.number('rope.scaling.factor') }
  if (type === 'yarn')
    return {
      rope_type: 'yarn',
      factor: own.number('rope.scaling.factor'),
      original_max_position_embeddings: original,
      beta_fast: own.number('rope.scaling.yarn_beta_fast'),
      beta_slow: own.number('rope.scaling.yarn_beta_slow'),
    }
  if (all) return llama3Of(own, all) ?? { rope_type: 'divided', factors: all }
  return type === 'none' ? null : own.fail(key, '"none", "linear" or "yarn"')
}

/** Llama 3's scaling where that is what the factors come to: the one way in which models are made that have any. */
function llama3Of(own: ArchReader, factors: readonly number[]): Readonly<Record<string, unknown>> | undefined {
  const factor = Math.max(...factors)
  if (!(factor > 1)) return undefined
  const [low, high] = [1, 4]
  const sizes = { rotaryDim: 2 * factors.length, ropeTheta: own.number('rope.freq_base') ?? 10_000 }
  const plain = inverseFrequencies({ ...sizes, ropeScaling: { type: 'default' } })
  // A factor between the two says how often its pair turns over the trained length.
  const between = factors.findIndex((each) => each > 1 && each < factor)
  const keep = (1 / factors[between]! - 1 / factor) / (1 - 1 / factor)
  const original = between < 0 ? 8192 : Math.round((2 * Math.PI * (low + keep * (high - low))) / plain[between]!)
  const names = { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalMaxPositions: original }
  const scaled = inverseFrequencies({ ...sizes, ropeScaling: { type: 'llama3', ...names } })
  if (factors.some((each, i) => Math.abs((each * scaled[i]!) / plain[i]! - 1) > 1e-3)) return undefined
  return {
    rope_type: 'llama3',
    factor,
    low_freq_factor: low,
    high_freq_factor: high,
    original_max_position_embeddings: original,
  }
}

/** Keys of config.json that some families alone have. */
const ownKeys: Partial<Record<ModelType, (own: ArchReader, headDim: number) => Readonly<Record<string, unknown>>>> = {
  gemma2: (own, headDim) => gemmaKeys(own, headDim, 46),
  gemma3_text: (own, headDim) => ({
    ...gemmaKeys(own, headDim, 62),
    sliding_window_pattern: own.number('attention.sliding_window_pattern'),
    rope_local_base_freq: own.number('rope.freq_base_swa'),
  }),
  phi3: (own) => ({ sliding_window: own.number('attention.sliding_window') || null }),
  granite: (own) => ({
    embedding_multiplier: own.number('embedding_scale'),
    attention_multiplier: own.number('attention.scale') ?? own.fail('attention.scale', 'a number'),
    residual_multiplier: own.number('residual_scale'),
    logits_scaling: own.number('logit_scale'),
  }),
  olmo2: (own) =>
    own.number('attention.sliding_window') ? own.fail('attention.sliding_window', 'none: OLMo 3 is not computed') : {},
}

/** The largest of Gemma's models, by its depth, is scaled by hidden size over heads. */
const gemmaKeys = (own: ArchReader, headDim: number, largest: number) => ({
  sliding_window: own.number('attention.sliding_window'),
  attn_logit_softcapping: own.number('attn_logit_softcapping'),
  final_logit_softcapping: own.number('final_logit_softcapping'),
  query_pre_attn_scalar:
    own.needed('block_count') === largest
      ? own.needed('embedding_length') / own.needed('attention.head_count')
      : headDim,
})

/** @throws ModelError naming the key at fault, or what is not computed */
export function configOf(
  file: MetadataReader,
  tensors: ReadonlyMap<string, GgufTensorInfo>,
  ropeFactors: RopeFactors,
): DecoderConfig {
  if (file.string('general.type') === 'adapter' || file.string('adapter.type') !== undefined)
    throw new ModelError(
      `${file.source} is a LoRA adapter in GGUF, not a model: pass the model it was made for, and the adapter as a PEFT folder`,
    )
  const arch = file.string('general.architecture') ?? file.fail('general.architecture', 'a text')
  const modelType = Object.hasOwn(modelTypes, arch)
    ? modelTypes[arch]!
    : file.fail('general.architecture', `one of ${Object.keys(modelTypes).join(', ')}`)
  const own = new ArchReader(file, arch)
  const tokens = file.strings('tokenizer.ggml.tokens')
  const embedding = tensors.get('token_embd.weight')
  const vocabSize = embedding?.shape[0] ?? tokens?.length
  if (tokens && embedding && tokens.length !== embedding.shape[0])
    throw new ModelError(
      `${file.source} has ${tokens.length} tokens, its embedding ${embedding.shape[0]} rows: one is not of this model`,
    )
  const [hidden, heads] = [own.needed('embedding_length'), own.needed('attention.head_count')]
  const headDim = own.number('attention.key_length') ?? hidden / heads
  const rotated = own.number('rope.dimension_count') ?? headDim
  const has = (part: string) => tensors.has(`blk.0.${part}.bias`)
  const json = {
    model_type: modelType,
    vocab_size: vocabSize,
    hidden_size: hidden,
    intermediate_size: own.needed('feed_forward_length'),
    num_hidden_layers: own.needed('block_count'),
    num_attention_heads: heads,
    num_key_value_heads: own.number('attention.head_count_kv') ?? heads,
    head_dim: headDim,
    rms_norm_eps: own.needed('attention.layer_norm_rms_epsilon'),
    rope_theta: own.number('rope.freq_base') ?? 10_000,
    rope_scaling: scalingOf(own, ropeFactors),
    // Elsewhere one that is not whole is refused.
    ...(rotated !== headDim && { partial_rotary_factor: rotated / headDim }),
    max_position_embeddings: own.needed('context_length'),
    tie_word_embeddings: !tensors.has('output.weight'),
    attention_bias: has('attn_output'),
    mlp_bias: has('ffn_down'),
    bos_token_id: file.number('tokenizer.ggml.bos_token_id'),
    eos_token_id: stopIds(file),
    ...ownKeys[modelType]?.(own, headDim),
  }
  return parseConfig(json, file.source)
}
