// Tiny random models of every family, with tokenizers, for the GGUF tests.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseConfig } from '@jora/llama'
import { adaptedModules, loraRank, savePeftAdapter, type Adapter, type LoraConfig } from '@jora/lora'
import { tensor } from '@jora/tensor'
import { exportGguf } from '../src/index'
import { noise, tinyConfig, writeTinyModel } from '../../llama/test/tiny-model'

const added = (tokens: readonly string[]) =>
  tokens.map((content, id) => ({ id, content, special: true, normalized: false }))

const bos = (content: string, id: number) => ({
  type: 'TemplateProcessing',
  single: [{ SpecialToken: { id: content, type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
  pair: [],
  special_tokens: { [content]: { id: content, ids: [id], tokens: [content] } },
})

/** SentencePiece-style: 3 special tokens, 256 bytes, letters, a few merges. 300 tokens. */
export function spmTokenizer({ prefix = true } = {}): Record<string, unknown> {
  const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`)
  const merges = ['▁ t', 'h e', '▁t he', 'a n', 'an d', '▁ and', 'i n', 'e r', '▁ a', 'o n']
  const pieces = ['▁', ...'abcdefghijklmnopqrstuvwxyz', ...merges.map((merge) => merge.replace(' ', ''))]
  const tokens = ['<unk>', '<s>', '</s>', ...bytes, ...pieces]
  const replace = { type: 'Replace', pattern: { String: ' ' }, content: '▁' }
  return {
    added_tokens: added(['<unk>', '<s>', '</s>']),
    normalizer: prefix ? { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, replace] } : replace,
    pre_tokenizer: null,
    post_processor: bos('<s>', 1),
    model: {
      type: 'BPE',
      unk_token: '<unk>',
      byte_fallback: true,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
    },
  }
}

/** The characters byte-level BPE writes bytes as. */
const byteCharacters = ((): string[] => {
  const printable = (b: number) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174
  let next = 256
  return Array.from({ length: 256 }, (_, b) => String.fromCodePoint(printable(b) ? b : next++))
})()

export const llama3Split =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/** Byte-level: 256 bytes, a few merges, 2 special tokens. */
export function byteLevelTokenizer(split = llama3Split): Record<string, unknown> {
  const merges = [
    ['Ġ', 't'],
    ['h', 'e'],
    ['Ġt', 'he'],
    ['a', 'n'],
  ]
  const tokens = [...byteCharacters, ...merges.map((pair) => pair.join(''))]
  const special = ['<|begin|>', '<|end|>'].map((content, i) => ({ id: tokens.length + i, content, special: true }))
  return {
    added_tokens: special,
    normalizer: null,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: split }, behavior: 'Isolated', invert: false },
        { type: 'ByteLevel', add_prefix_space: false, use_regex: false },
      ],
    },
    post_processor: bos('<|begin|>', 260),
    model: { type: 'BPE', vocab: Object.fromEntries(tokens.map((token, id) => [token, id])), merges },
  }
}

const sizes = {
  ...tinyConfig,
  vocab_size: 304,
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 4,
  head_dim: 16,
  max_position_embeddings: 128,
}
const byteLevel = { bos_token_id: 260, eos_token_id: 261 }
const llama3Scaling = {
  rope_type: 'llama3',
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 32,
}

export interface TinyFamily {
  readonly config: Record<string, unknown>
  readonly tokenizer: Record<string, unknown>
}

/** A config and a tokenizer of each family, with what sets it apart. */
export const tinyFamilies: Readonly<Record<string, TinyFamily>> = {
  llama: { config: sizes, tokenizer: spmTokenizer() },
  'llama, tied head, linear scaling': {
    config: { ...sizes, tie_word_embeddings: true, rope_scaling: { type: 'linear', factor: 2 } },
    tokenizer: spmTokenizer(),
  },
  'llama, llama3 scaling, biases': {
    config: { ...sizes, ...byteLevel, attention_bias: true, mlp_bias: true, rope_scaling: llama3Scaling },
    tokenizer: byteLevelTokenizer(),
  },
  mistral: { config: { ...sizes, model_type: 'mistral', sliding_window: null }, tokenizer: spmTokenizer() },
  qwen2: {
    config: { ...sizes, ...byteLevel, model_type: 'qwen2' },
    tokenizer: byteLevelTokenizer(llama3Split.replace('{1,3}', '')),
  },
  qwen3: {
    config: { ...sizes, ...byteLevel, model_type: 'qwen3' },
    tokenizer: byteLevelTokenizer(llama3Split.replace('{1,3}', '')),
  },
  gemma: {
    config: { ...sizes, model_type: 'gemma', tie_word_embeddings: true },
    tokenizer: spmTokenizer({ prefix: false }),
  },
  gemma2: {
    config: {
      ...sizes,
      model_type: 'gemma2',
      tie_word_embeddings: true,
      query_pre_attn_scalar: 16,
      sliding_window: 12,
    },
    tokenizer: spmTokenizer({ prefix: false }),
  },
  gemma3: {
    config: {
      ...sizes,
      model_type: 'gemma3_text',
      num_hidden_layers: 7,
      tie_word_embeddings: true,
      query_pre_attn_scalar: 16,
      sliding_window: 12,
      rope_theta: 1_000_000,
      rope_scaling: { rope_type: 'linear', factor: 8 },
    },
    tokenizer: spmTokenizer({ prefix: false }),
  },
  phi3: { config: { ...sizes, model_type: 'phi3', sliding_window: null }, tokenizer: spmTokenizer() },
  'phi3, longrope, partial rotary': {
    config: {
      ...sizes,
      ...byteLevel,
      model_type: 'phi3',
      tie_word_embeddings: true,
      partial_rotary_factor: 0.75,
      // llama.cpp chooses by the length of its context, of which 256 is the shortest.
      max_position_embeddings: 512,
      original_max_position_embeddings: 256,
      rope_scaling: {
        type: 'longrope',
        short_factor: [1, 1.1, 1.2, 1.4, 1.7, 2],
        long_factor: [1, 2, 3, 5, 8, 12],
      },
    },
    tokenizer: byteLevelTokenizer(),
  },
  granite: {
    config: {
      ...sizes,
      ...byteLevel,
      model_type: 'granite',
      embedding_multiplier: 6,
      attention_multiplier: 0.2,
      residual_multiplier: 0.4,
      logits_scaling: 3,
    },
    tokenizer: byteLevelTokenizer(),
  },
  olmo2: { config: { ...sizes, ...byteLevel, model_type: 'olmo2' }, tokenizer: byteLevelTokenizer() },
  smollm3: {
    config: { ...sizes, ...byteLevel, model_type: 'smollm3', rope_theta: 50_000, tie_word_embeddings: true },
    tokenizer: byteLevelTokenizer(),
  },
  'qwen2, yarn': {
    config: {
      ...sizes,
      ...byteLevel,
      model_type: 'qwen2',
      rope_scaling: { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 32 },
    },
    tokenizer: byteLevelTokenizer(llama3Split.replace('{1,3}', '')),
  },
}

/** Writes config, weights and tokenizer. */
export async function writeFamily(folder: string, { config, tokenizer }: TinyFamily): Promise<void> {
  await writeTinyModel(folder, config)
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer))
}

/** Writes the model, and a GGUF file of it. */
export async function writeFamilyAndGguf(folder: string, file: string, family: TinyFamily): Promise<void> {
  await writeFamily(folder, family)
  await exportGguf({ modelDir: folder, output: file, dtype: 'q8_0' })
}

export const allTargets: LoraConfig = { r: 3, alpha: 6, dropout: 0, targetModules: 'all-linear', useRslora: false }

/** Saves an adapter whose A and B are both random, by JORA's own writer; returns it, on the default device. */
export async function writeRandomAdapter(
  folder: string,
  model: Parameters<typeof adaptedModules>[0],
  config: LoraConfig = allTargets,
  size = 0.1,
): Promise<Adapter> {
  const random = (name: string, shape: readonly [number, number]) =>
    tensor(
      noise(name, shape[0] * shape[1]).map((x) => size * x),
      { shape },
    )
  const adapter: Adapter = Object.fromEntries(
    adaptedModules(model, config).map(({ name, inFeatures, outFeatures }) => {
      const r = loraRank(config, name)
      return [name, { loraA: random(`${name}.a`, [r, inFeatures]), loraB: random(`${name}.b`, [outFeatures, r]) }]
    }),
  )
  await mkdir(folder, { recursive: true })
  await savePeftAdapter(folder, adapter, config, { baseModel: 'tiny' })
  return adapter
}

export const familyConfig = (family: TinyFamily) => parseConfig(family.config)
