// Encoding a section of a text: with the space that SentencePiece-style tokenizers put before a text, or without.

import {
  SequenceNormalizer,
  SequencePreTokenizer,
  type Normalizer,
  type PreTokenizer,
  type Tokenizer as LibraryTokenizer,
} from '@huggingface/tokenizers'
import { asArray, asRecord, type JsonRecord } from '../records/json'

type NormalizerConfig = ConstructorParameters<typeof SequenceNormalizer>[0]
type PreTokenizerConfig = ConstructorParameters<typeof SequencePreTokenizer>[0]

/**
 * Where a section stands: at the beginning of a text; behind an added token; or as the continuation of text that is
 * tokenised already.
 */
export type SectionPlace = 'start' | 'inside' | 'continued'

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

/** The pre-tokenizer configuration with the prefix spaces that `drops` says switched off; undefined when it has none. */
function withoutPrefixSpace(config: unknown, drops: (step: JsonRecord) => boolean): JsonRecord | undefined {
  const record = asRecord(config)
  if (record.type === 'ByteLevel' && drops(record)) return { ...record, add_prefix_space: false }
  if (record.type === 'Metaspace' && drops(record))
    return { ...record, prepend_scheme: 'never', add_prefix_space: false }
  if (record.type !== 'Sequence') return undefined
  const parts = asArray(record.pretokenizers)
  const plain = parts.map((part) => withoutPrefixSpace(part, drops))
  if (plain.every((part) => part === undefined)) return undefined
  return { ...record, pretokenizers: parts.map((part, i) => plain[i] ?? part) }
}

const anyPrefix = ({ type, add_prefix_space: adds, prepend_scheme: scheme }: JsonRecord): boolean =>
  type === 'ByteLevel' ? adds === true : scheme !== 'never'

/** Behind an added token only what is put before the first section alone is left out. */
const firstPrefix = ({ type, prepend_scheme: scheme }: JsonRecord): boolean =>
  type === 'Metaspace' && scheme === 'first'

/**
 * Builds the encoder of sections, which hold no added token of unnormalised text.
 *
 * @param library the library's tokenizer, whose fields are exchanged during a call and put back
 * @param fix what sets right the pre-tokenizers that the library makes
 */
export function sectionEncoder(
  library: LibraryTokenizer,
  json: JsonRecord,
  fix: (built: PreTokenizer, config: unknown) => PreTokenizer,
): (text: string, place: SectionPlace) => number[] {
  const { normalizer, pre_tokenizer: preTokenizer } = library
  const plainConfigs = withoutPrepend(json.normalizer)
  const plainNormalizer: Normalizer | null =
    plainConfigs === undefined
      ? normalizer
      : new SequenceNormalizer({ type: 'Sequence', normalizers: plainConfigs } as unknown as NormalizerConfig)
  const without = (drops: (step: JsonRecord) => boolean): PreTokenizer | null => {
    const step = withoutPrefixSpace(json.pre_tokenizer, drops)
    if (step === undefined) return preTokenizer
    const config = { type: 'Sequence', pretokenizers: [step] }
    return fix(new SequencePreTokenizer(config as unknown as PreTokenizerConfig), config)
  }
  const steps: Readonly<Record<SectionPlace, readonly [Normalizer | null, PreTokenizer | null]>> = {
    start: [normalizer, preTokenizer],
    inside: [normalizer, without(firstPrefix)],
    continued: [plainNormalizer, without(anyPrefix)],
  }
  // The library would look for added tokens again, and heeds fewer of their flags.
  ;(library as unknown as { splitter_unnormalized: { split(text: string): string[] } }).splitter_unnormalized = {
    split: (text) => [text],
  }
  return (text, place) => {
    ;[library.normalizer, library.pre_tokenizer] = steps[place]
    try {
      return library.encode(text, { add_special_tokens: false }).ids
    } finally {
      library.normalizer = normalizer
      library.pre_tokenizer = preTokenizer
    }
  }
}
