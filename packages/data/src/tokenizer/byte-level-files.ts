// Tokenizers whose folder has vocab.json and merges.txt, and no tokenizer.json, as those of GPT-2's kind were saved.

import { asRecord, asString } from '../records/json'
import { TokenizerError } from './json-place'

/** GPT-2's kind of tokenizers: what is before the model, and the special tokens where no file names them. */
interface Kind {
  readonly normalizer: object | null
  /** Where words end; GPT-2's own rule where absent. */
  readonly words?: string
  readonly special: Readonly<Record<string, string>>
}

const end = '<|endoftext|>'
const gpt2: Kind = { normalizer: null, special: { bos_token: end, eos_token: end, unk_token: end } }
const qwen2: Kind = {
  normalizer: { type: 'NFC' },
  words: String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  special: { eos_token: end, unk_token: end, pad_token: end },
}

/** By `tokenizer_class`, without "Fast". */
const byClass: Readonly<Record<string, Kind>> = { GPT2Tokenizer: gpt2, CodeGenTokenizer: gpt2, Qwen2Tokenizer: qwen2 }
/** By `model_type` of config.json, where no class is named. */
const byModel: Readonly<Record<string, Kind>> = { gpt2, qwen2, qwen3: qwen2 }

/** The texts and values that a folder without tokenizer.json is read from. */
export interface ByteLevelFiles {
  readonly vocab: unknown
  /** The text of merges.txt. */
  readonly merges: string
  /** That of tokenizer_config.json, and of config.json. */
  readonly config: unknown
  readonly model: unknown
}

/**
 * The tokenizer.json and tokenizer_config.json that such a folder amounts to.
 *
 * @param name what errors call the folder
 * @throws TokenizerError for a kind of tokenizer that is not known by its class
 */
export function byteLevelTokenizer(
  files: ByteLevelFiles,
  name: string,
): { readonly tokenizerJson: object; readonly configJson: object } {
  const config = asRecord(files.config)
  const named = asString(config.tokenizer_class)?.replace(/Fast$/, '')
  const kind = named === undefined ? byModel[String(asRecord(files.model).model_type)] : byClass[named]
  if (kind === undefined)
    throw new TokenizerError(
      `tokenizer ${name}: there is no tokenizer.json, and vocab.json and merges.txt are read for ${Object.keys(byClass).join(', ')} alone, not for ${named ?? 'a tokenizer without "tokenizer_class"'}; save the fast tokenizer beside them`,
    )
  const configJson = { ...kind.special, ...config }
  const bytes = {
    type: 'ByteLevel',
    add_prefix_space: config.add_prefix_space === true,
    use_regex: kind.words === undefined,
  }
  const split = { type: 'Split', pattern: { Regex: kind.words }, behavior: 'Isolated', invert: false }
  const bos = asString(asRecord(configJson.bos_token).content ?? configJson.bos_token)
  const bosId = bos === undefined ? undefined : asRecord(files.vocab)[bos]
  // Beside these files, unlike beside a tokenizer.json, the setting decides.
  const addsBos = config.add_bos_token === true && bosId !== undefined
  const tokenizerJson = {
    normalizer: kind.normalizer,
    pre_tokenizer: kind.words === undefined ? bytes : { type: 'Sequence', pretokenizers: [split, bytes] },
    post_processor: addsBos
      ? {
          type: 'TemplateProcessing',
          single: [{ SpecialToken: { id: bos } }],
          special_tokens: { [bos!]: { ids: [bosId] } },
        }
      : null,
    decoder: { type: 'ByteLevel' },
    model: { type: 'BPE', vocab: files.vocab, merges: mergesOf(files.merges) },
  }
  return { tokenizerJson, configJson }
}

/** The lines of a merges.txt, of which the first may tell a version. */
const mergesOf = (text: string): string[] =>
  text.split(/\r?\n/).filter((line, i) => line !== '' && !(i === 0 && line.startsWith('#version')))
