// Byte-level BPE (Llama 3, Qwen): llama.cpp's "gpt2" tokenizer.
import { ConfigError } from '@jora/lora'
import { string, strings } from '@jora/tensor/weights'
import { list, record, type TokenizerFiles } from './tokenizer-files'
import { tokensById, type Vocabulary } from './tokens'

const llama3 =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/** How text is cut into words, as {@link cutOf} has it, with llama.cpp's name for each way. */
const preTokenizers: Readonly<Record<string, string>> = {
  [`split ${llama3}`]: 'llama-bpe',
  [`split ${llama3.replace('{1,3}', '')}`]: 'qwen2',
  'split [^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+':
    'tekken',
  words: 'gpt-2',
  'digits, words': 'smollm',
}

/** The pre-tokenizer in a line: what cuts, in order. ByteLevel's own regular expression is "words". */
function cutOf(preTokenizer: unknown): string {
  const { type, pretokenizers, pattern, behavior, invert, ...options } = record(preTokenizer)
  if (type === 'Sequence')
    return list(pretokenizers)
      .map(cutOf)
      .filter((part) => part !== '')
      .join(', ')
  if (type === 'Split' && behavior === 'Isolated' && invert !== true)
    return `split ${String(record(pattern).Regex ?? record(pattern).String)}`
  if (type === 'ByteLevel' && options.add_prefix_space !== true) return options.use_regex === false ? '' : 'words'
  if (type === 'Digits' && options.individual_digits === true) return 'digits'
  return JSON.stringify(preTokenizer)
}

/** @throws ConfigError for a pre-tokenizer that llama.cpp has no name for: with another the ids would not be the model's */
export function byteLevelVocabulary(files: TokenizerFiles, size: number): Vocabulary {
  const { json, path } = files
  const cut = cutOf(json.pre_tokenizer)
  const name = Object.hasOwn(preTokenizers, cut) ? preTokenizers[cut]! : undefined
  if (name === undefined)
    throw new ConfigError(
      `${path}: llama.cpp has no counterpart that JORA knows for its pre-tokenizer, ${cut}; known are ${Object.values(preTokenizers).join(', ')}`,
    )
  const { tokens, notes } = tokensById(files, size, () => 'normal')
  return {
    tokens,
    notes,
    metadata: new Map([
      ['tokenizer.ggml.model', string('gpt2')],
      ['tokenizer.ggml.pre', string(name)],
      ['tokenizer.ggml.merges', strings(list(record(json.model).merges).map(mergeText))],
    ]),
  }
}

/** A merge as one string: in tokenizer.json it is that, or a pair. */
const mergeText = (merge: unknown): string =>
  typeof merge === 'string'
    ? merge
    : list(merge)
        .map((part) => String(part).replaceAll(' ', 'Ġ'))
        .join(' ')
