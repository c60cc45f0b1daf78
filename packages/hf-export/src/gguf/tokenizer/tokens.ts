// The tokens of a vocabulary by id, each with what llama.cpp knows it as.
import { ConfigError } from '@jora/lora'
import type { GgufValue } from '@jora/tensor/weights'
import { contentOf, record, type TokenizerFiles } from './tokenizer-files'

/** What llama.cpp knows a token as. */
export const tokenKinds = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const

export interface Token {
  readonly text: string
  readonly kind: keyof typeof tokenKinds
}

/** Tokens by id, what else their kind of tokenizer needs, and remarks for people. */
export interface Vocabulary {
  readonly tokens: readonly Token[]
  readonly metadata: ReadonlyMap<string, GgufValue>
  readonly notes: readonly string[]
}

/** The tokens of tokenizer.json by id, gaps and what lacks to `size` filled with unused ones. */
export function tokensById(
  files: TokenizerFiles,
  size: number,
  kindOf: (text: string) => Token['kind'],
): { tokens: Token[]; notes: string[] } {
  const tokens = Array.from({ length: size }, (_, id): Token => ({ text: `[PAD${id}]`, kind: 'unused' }))
  let dropped = 0
  const put = (id: number, token: Token) => {
    if (id < size) tokens[id] = token
    else dropped++
  }
  for (const [text, id] of Object.entries(record(record(files.json.model).vocab))) {
    if (!Number.isInteger(id)) throw new ConfigError(`${files.path}: token ${JSON.stringify(text)} has no id`)
    put(id as number, { text, kind: kindOf(text) })
  }
  const unknown = contentOf(files.config.unk_token) ?? record(files.json.model).unk_token
  for (const { id, content, special } of files.addedTokens) {
    if (content === unknown) put(id, { text: content, kind: 'unknown' })
    else if (special || looksSpecial(content)) put(id, { text: content, kind: 'control' })
    // What is matched in the text itself has spaces, not ▁.
    else put(id, { text: content.replaceAll('▁', ' '), kind: 'userDefined' })
  }
  const notes = dropped > 0 ? [`${dropped} tokens past the model's vocabulary of ${size} were left out`] : []
  return { tokens, notes }
}

/** Control tokens that tokenizer.json does not mark as special, as llama.cpp's converter knows them. */
const looksSpecial = (text: string): boolean =>
  ['<pad>', '<mask>', '<2mass>', '[@BOS@]'].includes(text) ||
  /^<\|.*\|>$/s.test(text) ||
  /^<｜.*｜>$/s.test(text) ||
  /^<unused.*>$/s.test(text)
