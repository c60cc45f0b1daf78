// The tokenizer that a GGUF file's metadata describe, as the contents of a tokenizer.json.
import { ModelError } from '../config/config'
import { preTokenizers } from './pre-tokenizers'
import type { MetadataReader } from './values'

/** What llama.cpp knows a token as. */
const kinds = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const

/** What `createTokenizer` of `@jora/data` takes. */
export interface TokenizerParts {
  readonly tokenizerJson: unknown
  readonly configJson: unknown
}

const addedTokens = (tokens: readonly string[], types: readonly number[]) =>
  tokens.flatMap((content, id) => {
    const kind = types[id] ?? kinds.normal
    if (kind !== kinds.control && kind !== kinds.userDefined && kind !== kinds.unknown) return []
    const special = kind !== kinds.userDefined
    return [{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special }]
  })

const vocabOf = (tokens: readonly string[], types: readonly number[]) =>
  Object.fromEntries(tokens.flatMap((text, id) => (types[id] === kinds.unused ? [] : [[text, id] as const])))

/**
 * Merges that join pieces as SentencePiece does, which joins the neighbours whose text together has the highest score: every
 * pair of tokens whose texts make a token, the best token's first.
 */
function mergesOf(tokens: readonly string[], types: readonly number[], scores: readonly number[]): [string, string][] {
  const normal = new Map<string, number>()
  tokens.forEach((text, id) => {
    if ((types[id] ?? kinds.normal) === kinds.normal) normal.set(text, id)
  })
  const found: { pair: [string, string]; id: number; left: number }[] = []
  for (const [text, id] of normal) {
    const characters = [...text]
    for (let at = 1, left = ''; at < characters.length; at++) {
      left += characters[at - 1]!
      const right = text.slice(left.length)
      const leftId = normal.get(left)
      if (leftId !== undefined && normal.has(right)) found.push({ pair: [left, right], id, left: leftId })
    }
  }
  found.sort((a, b) => (scores[b.id] ?? 0) - (scores[a.id] ?? 0) || a.id - b.id || a.left - b.left)
  return found.map(({ pair }) => pair)
}

function byteLevel(file: MetadataReader, tokens: readonly string[], types: readonly number[]) {
  const key = 'tokenizer.ggml.pre'
  const name = file.string(key) ?? 'default'
  const pre = Object.hasOwn(preTokenizers, name)
    ? preTokenizers[name]!
    : file.fail(key, `one of ${Object.keys(preTokenizers).join(', ')}`)
  const merges = file.strings('tokenizer.ggml.merges') ?? file.fail('tokenizer.ggml.merges', 'an array of texts')
  return {
    addsBos: pre.addsBos ?? false,
    json: {
      normalizer: pre.normalizer ?? null,
      pre_tokenizer: pre.preTokenizer,
      decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
      model: {
        type: 'BPE',
        vocab: vocabOf(tokens, types),
        merges: merges.map((merge) => merge.split(' ')),
        ignore_merges: pre.ignoreMerges ?? false,
      },
    },
  }
}

function sentencePiece(file: MetadataReader, tokens: readonly string[], types: readonly number[]) {
  const scores = file.numbers('tokenizer.ggml.scores') ?? file.fail('tokenizer.ggml.scores', 'an array of numbers')
  const prefixes = file.boolean('tokenizer.ggml.add_space_prefix') ?? true
  const unknown = tokens[file.number('tokenizer.ggml.unknown_token_id') ?? types.indexOf(kinds.unknown)]
  const spaces = { type: 'Replace', pattern: { String: ' ' }, content: '▁' }
  return {
    addsBos: true,
    json: {
      normalizer: prefixes ? { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, spaces] } : spaces,
      pre_tokenizer: null,
      decoder: {
        type: 'Sequence',
        decoders: [
          { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
          { type: 'ByteFallback' },
          { type: 'Fuse' },
          ...(prefixes ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
        ],
      },
      model: {
        type: 'BPE',
        vocab: vocabOf(tokens, types),
        merges: mergesOf(tokens, types, scores),
        unk_token: unknown ?? null,
        fuse_unk: true,
        byte_fallback: true,
      },
    },
  }
}

/** The post-processor that puts BOS before a text, as tokenizer.json writes it: nothing else decides that. */
function bosFirst(bos: string, id: number) {
  const sequence = (name: 'A' | 'B', type: number) => ({ Sequence: { id: name, type_id: type } })
  const token = { SpecialToken: { id: bos, type_id: 0 } }
  return {
    type: 'TemplateProcessing',
    single: [token, sequence('A', 0)],
    pair: [token, sequence('A', 0), { SpecialToken: { id: bos, type_id: 1 } }, sequence('B', 1)],
    special_tokens: { [bos]: { id: bos, ids: [id], tokens: [bos] } },
  }
}

/** @throws ModelError naming the key, for a vocabulary of a kind that is not supported */
export function tokenizerOf(file: MetadataReader): TokenizerParts {
  const key = 'tokenizer.ggml.model'
  const model = file.string(key)
  const tokens = file.strings('tokenizer.ggml.tokens')
  if (!tokens) throw new ModelError(`${file.source} holds no vocabulary (tokenizer.ggml.tokens)`)
  const types = file.numbers('tokenizer.ggml.token_type') ?? []
  const { json, addsBos } =
    model === 'gpt2'
      ? byteLevel(file, tokens, types)
      : model === 'llama'
        ? sentencePiece(file, tokens, types)
        : file.fail(key, '"gpt2" or "llama"')
  const textOf = (kind: string) => {
    const id = file.number(`tokenizer.ggml.${kind}_token_id`)
    return id === undefined ? {} : { [`${kind === 'padding' ? 'pad' : kind}_token`]: tokens[id] }
  }
  const template = file.string('tokenizer.chat_template')
  const bosId = file.number('tokenizer.ggml.bos_token_id')
  const bos = bosId === undefined ? undefined : tokens[bosId]
  const isFirst = file.boolean('tokenizer.ggml.add_bos_token') ?? addsBos
  return {
    tokenizerJson: {
      version: '1.0',
      added_tokens: addedTokens(tokens, types),
      post_processor: null,
      ...json,
      ...(isFirst && bos !== undefined ? { post_processor: bosFirst(bos, bosId!) } : {}),
    },
    configJson: {
      ...textOf('bos'),
      ...textOf('eos'),
      ...textOf('padding'),
      add_bos_token: isFirst,
      add_eos_token: file.boolean('tokenizer.ggml.add_eos_token') ?? false,
      ...(template === undefined ? {} : { chat_template: template }),
    },
  }
}
