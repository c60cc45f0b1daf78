// A tokenizer as GGUF holds it.
import { ConfigError } from '@jora/lora'
import { byteLevelVocabulary } from './byte-level'
import { i32s, string, strings, type GgufValue } from '@jora/tensor/weights'
import { sentencePieceVocabulary } from './sentence-piece'
import { additions, specialIds } from './special-tokens'
import { readTokenizerFiles, record, type TokenizerFiles } from './tokenizer-files'
import { tokenKinds, type Vocabulary } from './tokens'

/**
 * The metadata llama.cpp builds the tokenizer of the model in `folder` from, `size` tokens of it.
 * @throws ConfigError when there is no tokenizer.json, or one of a kind llama.cpp has no counterpart for
 */
export async function readVocabulary(
  folder: string,
  size: number,
): Promise<{ metadata: Map<string, GgufValue>; notes: readonly string[] }> {
  const files = await readTokenizerFiles(folder)
  const { tokens, metadata, notes } = vocabularyOf(files, size)
  const ids = specialIds(files, size)
  return {
    metadata: new Map([
      ...metadata,
      ['tokenizer.ggml.tokens', strings(tokens.map(({ text }) => text))],
      ['tokenizer.ggml.token_type', i32s(tokens.map(({ kind }) => tokenKinds[kind]))],
      ...ids,
      ...additions(files, ids),
      ...(files.chatTemplate === undefined ? [] : [['tokenizer.chat_template', string(files.chatTemplate)] as const]),
    ]),
    notes,
  }
}

function vocabularyOf(files: TokenizerFiles, size: number): Vocabulary {
  const { type, byte_fallback: byteFallback } = record(files.json.model)
  if (type !== 'BPE')
    throw new ConfigError(`${files.path}: a tokenizer of kind ${JSON.stringify(type)} cannot be exported, only BPE`)
  return byteFallback === true ? sentencePieceVocabulary(files, size) : byteLevelVocabulary(files, size)
}
