// Tiny models of the templates that are compared: a tokenizer of each kind with the family's own marks, and noise for weights.
import { mkdir, writeFile } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { byteLevelTokenizer, spmTokenizer } from '../../../../packages/hf-export/test/gguf-models'
import { byteLevel, llamaLike } from '../../../../packages/data/test/tiny-tokenizers'
import { tinyConfig, writeTinyModel } from '../../../../packages/llama/test/tiny-model'

const goldens = join(import.meta.dirname, '../../../../packages/data/test/goldens/chat-templates.json')
const { templates: chats } = JSON.parse(readFileSync(goldens, 'utf8')) as {
  templates: Record<string, { source: string }>
}

/** What sets a family's tokenizer apart. */
interface Marks {
  readonly kind: 'byte-level' | 'sentence-piece'
  readonly bos?: string
  readonly eos: string
  readonly others?: readonly string[]
}

/** A model and how rows for it become text. */
export interface PromptCase extends Marks {
  /** As the table calls it. */
  readonly title: string
  /** Name of the chat template among the goldens; absent: the model has none, and `frames` are those of this name. */
  readonly chat?: string
  readonly frames?: 'alpaca' | 'raft'
}

const im = ['<|im_start|>', '<|im_end|>']
const chatMl = { kind: 'byte-level', eos: '<|im_end|>', others: ['<|im_start|>'] } as const
const llama2 = { kind: 'sentence-piece', bos: '<s>', eos: '</s>' } as const
const gemma = {
  kind: 'sentence-piece',
  bos: '<bos>',
  eos: '<eos>',
  others: ['<start_of_turn>', '<end_of_turn>'],
} as const

/** The templates of the table. Chat templates are in the manner of the models' own (tooling/reference/chat/chat_templates.py). */
export const promptCases: readonly PromptCase[] = [
  { title: 'ChatML', chat: 'chatml', kind: 'byte-level', eos: '<|endoftext|>', others: im },
  { title: 'Llama 2', chat: 'llama2', ...llama2 },
  {
    title: 'Llama 3',
    chat: 'llama3',
    kind: 'byte-level',
    bos: '<|begin_of_text|>',
    eos: '<|end_of_text|>',
    others: ['<|start_header_id|>', '<|end_header_id|>', '<|eot_id|>'],
  },
  { title: 'Gemma 2', chat: 'gemma', ...gemma },
  { title: 'Gemma 3', chat: 'gemma3', ...gemma },
  { title: 'Mistral 0.3', chat: 'mistral-v0.3', ...llama2, others: ['[INST]', '[/INST]'] },
  {
    title: 'Phi-3',
    chat: 'phi3',
    kind: 'sentence-piece',
    bos: '<s>',
    eos: '<|endoftext|>',
    others: ['<|user|>', '<|assistant|>', '<|system|>', '<|end|>'],
  },
  { title: 'Phi-4', chat: 'phi4', kind: 'byte-level', eos: '<|endoftext|>', others: [...im, '<|im_sep|>'] },
  { title: 'Qwen 2.5', chat: 'qwen2.5', ...chatMl },
  { title: 'Qwen 3', chat: 'qwen3', ...chatMl },
  { title: 'SmolLM2', chat: 'smollm2', ...chatMl },
  { title: 'SmolLM3', chat: 'smollm3', ...chatMl },
  { title: 'Alpaca', frames: 'alpaca', ...llama2 },
  { title: 'RAFT', frames: 'raft', ...llama2 },
]

interface TokenizerJson {
  added_tokens: { id: number; content: string; special: boolean; normalized?: boolean }[]
  post_processor: unknown
  decoder: unknown
  model: { vocab: Record<string, number> }
}

/** A tokenizer of the kind, its BOS and EOS under the family's names, the other marks behind them. */
function tokenizerOf({ kind, bos, eos, others = [] }: Marks): TokenizerJson {
  const [own, ...ownEos] = kind === 'byte-level' ? ['<|begin|>', '<|end|>'] : ['<s>', '</s>']
  const plain = JSON.stringify(kind === 'byte-level' ? byteLevelTokenizer() : spmTokenizer())
  const named = plain.replaceAll(JSON.stringify(own), JSON.stringify(bos ?? own))
  const json = JSON.parse(named.replaceAll(JSON.stringify(ownEos[0]), JSON.stringify(eos))) as TokenizerJson
  if (bos === undefined) json.post_processor = null
  json.decoder = (kind === 'byte-level' ? byteLevel() : llamaLike()).decoder
  let next = Math.max(...json.added_tokens.map(({ id }) => id), ...Object.values(json.model.vocab)) + 1
  for (const content of others) json.added_tokens.push({ id: next++, content, special: true, normalized: false })
  return json
}

/** Writes the model of a case, and returns its folder. */
export async function writePromptModel(folder: string, promptCase: PromptCase): Promise<string> {
  await mkdir(folder, { recursive: true })
  const tokenizer = tokenizerOf(promptCase)
  const ids = [...tokenizer.added_tokens.map(({ id }) => id), ...Object.values(tokenizer.model.vocab)]
  const idOf = (content: string | undefined) => tokenizer.added_tokens.find((token) => token.content === content)?.id
  const { bos, eos, chat } = promptCase
  await writeTinyModel(folder, {
    ...tinyConfig,
    architectures: ['LlamaForCausalLM'],
    vocab_size: Math.max(...ids) + 1,
    max_position_embeddings: 2048,
    bos_token_id: idOf(bos) ?? null,
    eos_token_id: idOf(eos),
  })
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer))
  const config = {
    ...(bos !== undefined && { bos_token: bos }),
    eos_token: eos,
    ...(chat !== undefined && { chat_template: chats[chat]!.source }),
  }
  await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify(config))
  return folder
}
