// What is fuzzed, one format an entry: its seeds, how one is mutated, and the call that reads it.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ChatTemplate, createTokenizer, DatasetError, parseRows, TokenizerError } from '@jora/data'
import { ModelError, parseConfig } from '@jora/llama'
import { ConfigError, parsePeftConfig } from '@jora/lora'
import { parseSafetensors, SafetensorsError, serializeSafetensors } from '@jora/tensor/safetensors'
import { type Dice, mutateBytes, mutateJson, mutateText } from './mutate'

export interface Target {
  readonly name: string
  /** A mutated input, from dice alone, and the call that reads it. */
  readonly draw: (dice: Dice) => () => unknown
  /** The errors it may answer with. */
  readonly errors: readonly (abstract new (...args: never[]) => Error)[]
  /** What every message has to hold: the name of the file it was given. */
  readonly names?: string
}

const assets = join(import.meta.dirname, '..', '..', 'apps', 'cli', 'assets')
const json = (file: string): unknown => JSON.parse(readFileSync(join(assets, 'tiny-llama', file), 'utf8'))

/** Fewer tokens, so that one mutation costs little; the structure is the whole file's. */
function smallTokenizer(): Record<string, unknown> {
  const whole = json('tokenizer.json') as {
    model: { vocab: Record<string, number>; merges: (string | string[])[] }
    added_tokens: { content: string; id: number }[]
  }
  const kept = 400
  const vocab = Object.fromEntries(Object.entries(whole.model.vocab).filter(([, id]) => id < kept))
  const merges = whole.model.merges.filter((pair) => {
    const [a = '', b = ''] = typeof pair === 'string' ? pair.split(' ') : pair
    return a in vocab && b in vocab && a + b in vocab
  })
  return { ...whole, model: { ...whole.model, vocab, merges } }
}

const tokenizer = smallTokenizer()
const plainTokenizer = createTokenizer(tokenizer, { eos_token: '</s>' })
const texts = ['Hello, world! 123', '  two  spaces\n\ttab', 'Ünïcödé 漢字 ไทย 🙂', '<s></s> <|im_end|>']

const rows: readonly unknown[] = [
  { instruction: 'Name it.', input: 'France', output: 'Paris' },
  { context: ['One document.', 'Another.'], questions: [{ question: 'Which?', answer: 'One' }] },
  {
    messages: [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: 'Hello' },
    ],
  },
  {
    conversations: [
      { from: 'human', value: 'Hi' },
      { from: 'gpt', value: 'Hello' },
    ],
  },
  { prompt: 'a', completion: 'b' },
  { input_ids: [1, 2, 3], labels: [-100, 2, 3] },
]

const tokenizerConfig = {
  tokenizer_class: 'LlamaTokenizer',
  bos_token: '<s>',
  eos_token: { content: '</s>', special: true, lstrip: false },
  pad_token: null,
  additional_special_tokens: ['<unk>', { content: '<s>' }],
  added_tokens_decoder: {
    '0': { content: '<unk>', special: true, normalized: false, lstrip: false, rstrip: false, single_word: false },
    '1600': { content: '<tool>', special: false, normalized: true, lstrip: true, rstrip: true, single_word: true },
  },
  chat_template: [
    { name: 'default', template: '{{ messages }}' },
    { name: 'tool_use', template: '{{ tools }}' },
  ],
}

const adapterConfig = {
  peft_type: 'LORA',
  task_type: 'CAUSAL_LM',
  base_model_name_or_path: 'org/model',
  r: 8,
  lora_alpha: 16,
  lora_dropout: 0.05,
  target_modules: ['q_proj', 'v_proj'],
  bias: 'none',
  fan_in_fan_out: false,
  inference_mode: true,
  init_lora_weights: true,
  layers_to_transform: null,
  modules_to_save: null,
  use_rslora: false,
  use_dora: false,
  rank_pattern: { 'layers.0.self_attn.q_proj': 4 },
  alpha_pattern: {},
}

const templates = [
  "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m.content | trim + '<|im_end|>' }}\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
  "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% else %}{{ message['content'] + eos_token }}{% endif %}{% endfor %}",
  "{%- set ns = namespace(n=0) -%}{%- macro show(x, y=1) -%}{{ x ~ y }}{%- endmacro -%}{% for m in messages if m.role != 'system' %}{% set ns.n = ns.n + 1 %}{{ show(m.content[:3]) | upper }}{% else %}none{% endfor %}{{ ns.n }}",
]

const configs: readonly Record<string, unknown>[] = [
  json('config.json') as Record<string, unknown>,
  {
    model_type: 'qwen3',
    vocab_size: 64,
    hidden_size: 16,
    intermediate_size: 32,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 8,
    rope_theta: 1e6,
    rms_norm_eps: 1e-6,
    max_position_embeddings: 128,
    tie_word_embeddings: true,
    use_sliding_window: false,
    layer_types: null,
    eos_token_id: [1, 2],
    torch_dtype: 'bfloat16',
  },
  {
    model_type: 'llama',
    vocab_size: 64,
    hidden_size: 16,
    intermediate_size: 32,
    num_hidden_layers: 1,
    num_attention_heads: 4,
    rope_scaling: {
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 64,
    },
  },
]

const weights = serializeSafetensors(
  [
    { name: 'a.weight', dtype: 'F32', shape: [2, 3], data: new Uint8Array(24) },
    { name: 'b.weight', dtype: 'BF16', shape: [4], data: new Uint8Array(8) },
    { name: 'empty', dtype: 'I64', shape: [0], data: new Uint8Array(0) },
  ],
  { format: 'pt' },
)

export const targets: readonly Target[] = [
  {
    name: 'safetensors',
    errors: [SafetensorsError],
    names: 'w.safetensors',
    draw: (dice) => {
      const bytes = mutateBytes(weights, dice)
      return () => parseSafetensors(bytes, 'w.safetensors')
    },
  },
  {
    name: 'tokenizer.json',
    errors: [TokenizerError],
    names: 'tokenizer.json',
    draw: (dice) => {
      const mutated = mutateJson(tokenizer, dice)
      const text = dice.pick(texts)
      return () => {
        const it = createTokenizer(mutated, { eos_token: '</s>' }, { name: 'm' })
        it.decode(it.encode(text))
      }
    },
  },
  {
    name: 'tokenizer_config.json',
    errors: [TokenizerError],
    names: 'tokenizer_config.json',
    draw: (dice) => {
      const mutated = mutateJson(tokenizerConfig, dice)
      const text = dice.pick(texts)
      return () => {
        const it = createTokenizer(tokenizer, mutated, { name: 'm' })
        it.decode(it.encode(text))
      }
    },
  },
  {
    name: 'chat template',
    errors: [Error],
    names: 'chat template',
    draw: (dice) => {
      const chatTemplate = mutateText(dice.pick(templates), dice)
      return () => {
        const template = new ChatTemplate({ ...plainTokenizer, chatTemplate })
        template.render(
          [
            { role: 'user', content: 'Hi' },
            { role: 'assistant', content: 'Hello' },
          ],
          false,
        )
      }
    },
  },
  {
    name: 'config.json',
    errors: [ModelError],
    names: 'config.json',
    draw: (dice) => {
      const mutated = mutateJson(dice.pick(configs), dice)
      return () => parseConfig(mutated, 'config.json')
    },
  },
  {
    name: 'adapter_config.json',
    errors: [ConfigError, ModelError],
    names: 'adapter_config.json',
    draw: (dice) => {
      const mutated = mutateJson(adapterConfig, dice)
      return () => parsePeftConfig(mutated, 'adapter_config.json')
    },
  },
  {
    name: 'rows, as values',
    errors: [DatasetError],
    names: 'rows.jsonl',
    draw: (dice) => {
      const text = [0, 1, 2].map(() => JSON.stringify(mutateJson(dice.pick(rows), dice))).join('\n')
      return () => parseRows(text, 'rows.jsonl')
    },
  },
  {
    name: 'rows, as text',
    errors: [DatasetError],
    names: 'rows.json',
    draw: (dice) => {
      const text = mutateText(JSON.stringify(rows.slice(0, 3)), dice)
      return () => parseRows(text, 'rows.json')
    },
  },
]
