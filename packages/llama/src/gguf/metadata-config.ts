// The configuration that a GGUF file's metadata and tensors describe.
import type { GgufTensorInfo } from '@jora/tensor/weights'
import { ModelError, parseConfig, type DecoderConfig, type ModelType } from '../config/config'
import type { MetadataReader } from './values'

/** config.json's `model_type` of the architectures that llama.cpp names. */
const modelTypes: Readonly<Record<string, ModelType>> = {
  llama: 'llama',
  qwen2: 'qwen2',
  qwen3: 'qwen3',
  gemma: 'gemma',
  gemma2: 'gemma2',
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

/**
 * @param ropeFactors what rotary frequencies are divided by, `[headDim / 2]`, where the file has them
 * @throws ModelError naming the key at fault, or what is not computed
 */
export function configOf(
  file: MetadataReader,
  tensors: ReadonlyMap<string, GgufTensorInfo>,
  ropeFactors: readonly number[] | undefined,
): DecoderConfig {
  if (file.string('general.type') === 'adapter' || file.string('adapter.type') !== undefined)
    throw new ModelError(
      `${file.source} is a LoRA adapter in GGUF, not a model: give the model it was made for, and the adapter as a PEFT folder`,
    )
  const arch = file.string('general.architecture') ?? file.fail('general.architecture', 'a text')
  const modelType = Object.hasOwn(modelTypes, arch)
    ? modelTypes[arch]!
    : file.fail('general.architecture', `one of ${Object.keys(modelTypes).join(', ')}`)
  const number = (key: string) => file.number(`${arch}.${key}`)
  const needed = (key: string) => number(key) ?? file.fail(`${arch}.${key}`, 'a number')
  const tokens = file.strings('tokenizer.ggml.tokens')
  const embedding = tensors.get('token_embd.weight')
  const vocabSize = embedding?.shape[0] ?? tokens?.length
  if (tokens && embedding && tokens.length !== embedding.shape[0])
    throw new ModelError(
      `${file.source} has ${tokens.length} tokens, its embedding ${embedding.shape[0]} rows: one is not of this model`,
    )
  const [hidden, heads, layers] = [needed('embedding_length'), needed('attention.head_count'), needed('block_count')]
  const scaling = file.string(`${arch}.rope.scaling.type`) ?? 'none'
  if (scaling !== 'none' && scaling !== 'linear' && !ropeFactors)
    file.fail(`${arch}.rope.scaling.type`, '"none" or "linear"')
  const headDim = number('attention.key_length') ?? hidden / heads
  const rotated = number('rope.dimension_count')
  if (rotated !== undefined && rotated !== headDim)
    file.fail(`${arch}.rope.dimension_count`, `${headDim}: all of a head is rotated`)
  const has = (part: string) => tensors.has(`blk.0.${part}.bias`)
  const json = {
    model_type: modelType,
    vocab_size: vocabSize,
    hidden_size: hidden,
    intermediate_size: needed('feed_forward_length'),
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: number('attention.head_count_kv') ?? heads,
    head_dim: headDim,
    rms_norm_eps: needed('attention.layer_norm_rms_epsilon'),
    rope_theta: number('rope.freq_base') ?? 10_000,
    rope_scaling:
      scaling === 'linear'
        ? { rope_type: 'linear', factor: number('rope.scaling.factor') }
        : ropeFactors
          ? { rope_type: 'divided', factors: ropeFactors }
          : null,
    max_position_embeddings: needed('context_length'),
    tie_word_embeddings: !tensors.has('output.weight'),
    attention_bias: has('attn_output'),
    mlp_bias: has('ffn_down'),
    bos_token_id: file.number('tokenizer.ggml.bos_token_id'),
    eos_token_id: stopIds(file),
    ...(modelType === 'gemma2' && {
      sliding_window: number('attention.sliding_window'),
      attn_logit_softcapping: number('attn_logit_softcapping'),
      final_logit_softcapping: number('final_logit_softcapping'),
      // Gemma 2 27B, by its depth, is scaled by hidden size over heads.
      query_pre_attn_scalar: layers === 46 ? hidden / heads : headDim,
    }),
  }
  return parseConfig(json, file.source)
}
