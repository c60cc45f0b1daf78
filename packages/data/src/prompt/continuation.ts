// Encoding a segment that continues a text: without the space that SentencePiece-style tokenizers put before a text.

import {
  Normalizer,
  SequenceNormalizer,
  SequencePreTokenizer,
  type PreTokenizer,
  type Tokenizer as LibraryTokenizer,
} from '@huggingface/tokenizers'
import { asArray, asRecord, type JsonRecord } from '../rows/json'

type NormalizerConfig = ConstructorParameters<typeof SequenceNormalizer>[0]
type PreTokenizerConfig = ConstructorParameters<typeof SequencePreTokenizer>[0]

/** The normalizer configuration without its Prepend steps; undefined when it has none. */
function withoutPrepend(config: unknown): JsonRecord[] | undefined {
  const record = asRecord(config)
  if (record.type === 'Prepend') return []
  if (record.type !== 'Sequence') return undefined
  const parts = asArray(record.normalizers)
  const plain = parts.map(withoutPrepend)
  if (plain.every((part) => part === undefined)) return undefined
  return parts.flatMap((part, i) => plain[i] ?? [asRecord(part)])
}

/** The pre-tokenizer configuration with prefix spaces switched off; undefined when it adds none. */
function withoutPrefixSpace(config: unknown): JsonRecord | undefined {
  const record = asRecord(config)
  if (record.type === 'ByteLevel' && record.add_prefix_space === true) return { ...record, add_prefix_space: false }
  if (record.type === 'Metaspace' && record.prepend_scheme !== 'never') return { ...record, prepend_scheme: 'never' }
  if (record.type !== 'Sequence') return undefined
  const parts = asArray(record.pretokenizers)
  const plain = parts.map(withoutPrefixSpace)
  if (plain.every((part) => part === undefined)) return undefined
  return { ...record, pretokenizers: parts.map((part, i) => plain[i] ?? part) }
}

/** Plain for the first section of a text; sections behind an added token keep the prefix, as in one whole text. */
class FirstSectionPlain extends Normalizer {
  first = true
  readonly #plain: Normalizer
  readonly #full: Normalizer

  constructor(plain: Normalizer, full: Normalizer) {
    super(full.config)
    this.#plain = plain
    this.#full = full
  }

  override normalize(text: string): string {
    const normalizer = this.first ? this.#plain : this.#full
    this.first = false
    return normalizer.normalize(text)
  }
}

/**
 * Builds the encoder of continued segments. It equals the plain one when the tokenizer adds no prefix space.
 *
 * @param library the library's tokenizer, whose fields are exchanged during a call and put back
 * @param startsWithAddedToken whether a text begins with an added token; its text then has no section to continue
 */
export function continuationEncoder(
  library: LibraryTokenizer,
  json: JsonRecord,
  startsWithAddedToken: (text: string) => boolean,
): (text: string) => number[] {
  const plainConfigs = withoutPrepend(json.normalizer)
  const preTokenizerConfig = withoutPrefixSpace(json.pre_tokenizer)
  const { normalizer, pre_tokenizer: preTokenizer } = library
  const encode = (text: string) => library.encode(text, { add_special_tokens: false }).ids
  if (plainConfigs === undefined && preTokenizerConfig === undefined) return encode

  const continued =
    plainConfigs === undefined || normalizer === null
      ? undefined
      : new FirstSectionPlain(
          new SequenceNormalizer({ type: 'Sequence', normalizers: plainConfigs } as unknown as NormalizerConfig),
          normalizer,
        )
  const plainPreTokenizer: PreTokenizer | null =
    preTokenizerConfig === undefined
      ? preTokenizer
      : new SequencePreTokenizer({
          type: 'Sequence',
          pretokenizers: [preTokenizerConfig],
        } as unknown as PreTokenizerConfig)

  return (text) => {
    if (startsWithAddedToken(text)) return encode(text)
    if (continued !== undefined) {
      continued.first = true
      library.normalizer = continued
    }
    library.pre_tokenizer = plainPreTokenizer
    try {
      return encode(text)
    } finally {
      library.normalizer = normalizer
      library.pre_tokenizer = preTokenizer
    }
  }
}
