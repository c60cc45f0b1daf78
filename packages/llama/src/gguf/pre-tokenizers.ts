// How byte-level tokenizers cut text into words, by the names that GGUF files give the ways.

const llama3 =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
const tekken =
  '[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+'

const o200kCase = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
const o200k = `[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+${o200kCase}|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*${o200kCase}|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`

/** Parts of a tokenizer.json that a name stands for. */
export interface PreTokenizer {
  readonly preTokenizer: unknown
  /** Whether a word that is a token is taken whole, whatever the merges say. */
  readonly ignoreMerges?: boolean
  readonly normalizer?: unknown
  /** Whether BOS is put first where the file does not say. */
  readonly addsBos?: boolean
}

const byteLevel = (useRegex: boolean) => ({
  type: 'ByteLevel',
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: useRegex,
})
const split = (regex: string) => ({
  type: 'Sequence',
  pretokenizers: [{ type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false }, byteLevel(false)],
})

const bpe = { preTokenizer: byteLevel(true) }
/** Every digit and other number character alone. */
const smollm: PreTokenizer = {
  preTokenizer: {
    type: 'Sequence',
    pretokenizers: [
      { type: 'Split', pattern: { Regex: '\\p{N}' }, behavior: 'Isolated', invert: false },
      byteLevel(true),
    ],
  },
}
const llamaBpe: PreTokenizer = { preTokenizer: split(llama3), ignoreMerges: true, addsBos: true }
const cl100k: PreTokenizer = { preTokenizer: split(llama3) }
const qwen2: PreTokenizer = { preTokenizer: split(llama3.replace('{1,3}', '')), normalizer: { type: 'NFC' } }

/** By `tokenizer.ggml.pre`, those of the families that are computed. */
export const preTokenizers: Readonly<Record<string, PreTokenizer>> = {
  'llama-bpe': llamaBpe,
  llama3: llamaBpe,
  'llama-v3': llamaBpe,
  dbrx: cl100k,
  'smaug-bpe': cl100k,
  qwen2,
  'deepseek-r1-qwen': qwen2,
  'gpt-4o': { preTokenizer: split(o200k) },
  'gpt-2': bpe,
  olmo: bpe,
  smollm,
  refact: smollm,
  starcoder: smollm,
  tekken: { preTokenizer: split(tekken), ignoreMerges: true, addsBos: true },
}
