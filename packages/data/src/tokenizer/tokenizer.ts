// The tokenizer of a Hugging Face model: text to ids and back, exact to the Rust tokenizers for Llama and Gemma.

import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers'
import { AddedTokens, type Section } from './added-tokens'
import { compileDecoder, PieceStream, type DecodeOptions, type TextStream } from './decoder'
import { asArray, asRecord, asString, isRecord, type JsonRecord } from '../records/json'
import { sectionEncoder, type SectionPlace } from './section-encoder'
import { findSpecialTokens, type ModelTokenIds } from './special-tokens'
import { fixPreTokenizer, wordSplitter } from './tokenizer-fixes'

/** How a text becomes ids. */
export interface EncodeOptions {
  /** Put BOS first (default: as the model's tokenizer does). A text that already begins with BOS gets no second one. */
  addBos?: boolean
  /**
   * The text continues an earlier segment (default false): no BOS, and no space is put before it, as Llama 2 does with the
   * beginning of a text. Ids of a prompt and of its continued answer are those of both written in one text, wherever no
   * token spans the seam; see also {@link Tokenizer.encodeParts}.
   */
  continuation?: boolean
}

/** The tokenizer of a model, with the ids that Hugging Face's tokenizers give. */
export interface Tokenizer {
  /** What error messages call it: its folder, usually. */
  readonly name: string
  /** Ids of a text. Added tokens are found in it wherever they are written. */
  encode(text: string, options?: EncodeOptions): number[]
  /**
   * Encodes a text that is given in parts: the ids of all parts together are those of the whole text. A token that
   * spans a seam belongs to the part behind it.
   */
  encodeParts(parts: readonly string[], options?: EncodeOptions): number[][]
  /** Whether the text ends with an added token, such as a template's end mark. */
  endsWithAddedToken(text: string): boolean
  /** Text of ids. Ids outside the vocabulary add nothing; bytes that are not UTF-8 become U+FFFD. */
  decode(ids: readonly number[], options?: DecodeOptions): string
  /** Decodes ids as they come; see {@link createTextStream}. */
  textStream(options?: DecodeOptions): TextStream
  /** The piece as the vocabulary writes it, such as `▁the` or `Ġthe`. */
  idToToken(id: number): string | undefined
  readonly bosId: number | undefined
  readonly eosId: number | undefined
  readonly padId: number | undefined
  /** Whether `encode` puts BOS first unless told otherwise. */
  readonly addsBos: boolean
  /** Largest id + 1. */
  readonly vocabSize: number
  /** The Jinja source of the (default) chat template. */
  readonly chatTemplate: string | undefined
}

/** What {@link createTokenizer} cannot read from the two files. */
export interface CreateTokenizerOptions extends ModelTokenIds {
  /** What error messages call the tokenizer (default `tokenizer.json`). */
  name?: string
}

/** The `chat_template` of a tokenizer_config.json: a string, or a list of named ones of which `default` counts. */
function readChatTemplate(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  const templates = asArray(value).map(asRecord)
  return asString((templates.find((entry) => entry.name === 'default') ?? templates[0])?.template)
}

/**
 * Builds a tokenizer from parsed files; runs in a browser.
 *
 * @param tokenizerJson the content of tokenizer.json
 * @param configJson the content of tokenizer_config.json, `{}` where there is none
 * @throws Error when tokenizer.json is none, or has a decoder that is not supported
 */
export function createTokenizer(
  tokenizerJson: unknown,
  configJson: unknown = {},
  options: CreateTokenizerOptions = {},
): Tokenizer {
  const name = options.name ?? 'tokenizer.json'
  if (!isRecord(tokenizerJson) || !isRecord(tokenizerJson.model)) {
    throw new Error(`tokenizer ${name}: no "model" found; expected the content of a tokenizer.json`)
  }
  const config = asRecord(configJson)
  const library = createLibraryTokenizer(tokenizerJson, config)
  const special = findSpecialTokens(tokenizerJson, config, options, (token) => library.token_to_id(token))
  const { bosId, addsBos } = special

  const added = asArray(tokenizerJson.added_tokens).map(asRecord)
  const addedTokens = new AddedTokens(added, library.normalizer !== null)
  const encodeSection = sectionEncoder(library, tokenizerJson, (built, step) => fixPreTokenizer(built, step) ?? built)
  const encodeSections = (text: string, continuation: boolean, each: (ids: number[], section: Section) => void) => {
    for (const section of addedTokens.split(text)) {
      const { start, end, id } = section
      each(id === undefined ? encodeSection(text.slice(start, end), placeOf(start, continuation)) : [id], section)
    }
  }

  const decoder = compileDecoder(tokenizerJson.decoder, name)
  const specialIds = new Set<unknown>(added.filter((token) => token.special === true).map((token) => token.id))
  const noBytes = new Uint8Array()
  const textStream = ({ skipSpecialTokens = false, continuation = false }: DecodeOptions = {}) =>
    new PieceStream(
      (id) => {
        const piece = skipSpecialTokens && specialIds.has(id) ? undefined : library.id_to_token(id)
        return piece === undefined ? noBytes : decoder.toBytes(piece)
      },
      continuation ? 0 : decoder.stripStart,
      decoder.stripContent,
    )

  return {
    name,
    ...special,
    vocabSize: largestId(tokenizerJson) + 1,
    chatTemplate: readChatTemplate(config.chat_template),
    idToToken: (id) => library.id_to_token(id),
    encode(text, options) {
      return this.encodeParts([text], options)[0]!
    },
    encodeParts(parts, { continuation = false, addBos = addsBos && !continuation } = {}) {
      if (addBos && bosId === undefined) throw new Error(`tokenizer ${name} has no BOS token`)
      const encoded = parts.map((): number[] => [])
      const ends: number[] = []
      for (const part of parts) ends.push((ends.at(-1) ?? 0) + part.length)
      const text = parts.join('')
      let part = 0
      encodeSections(text, continuation, (ids, { start, end, id: token }) => {
        let taken = 0
        for (; part < parts.length - 1 && ends[part]! < end; part++) {
          // The part ends within this section, or at its beginning.
          if (ends[part]! <= start || token !== undefined) continue
          const prefix = encodeSection(text.slice(start, ends[part]), placeOf(start, continuation))
          const until = tokensWithin(ids, prefix, (id) => decoder.toBytes(library.id_to_token(id) ?? '').length)
          for (const id of ids.slice(taken, Math.max(taken, until))) encoded[part]!.push(id)
          taken = Math.max(taken, until)
        }
        for (const id of ids.slice(taken)) encoded[part]!.push(id)
      })
      const first = encoded.find((ids) => ids.length > 0)?.[0]
      if (addBos && bosId !== undefined && first !== bosId) encoded[0]!.unshift(bosId)
      return encoded
    },
    endsWithAddedToken: (text) => addedTokens.endsWithOne(text),
    decode(ids, decodeOptions) {
      const stream = textStream(decodeOptions)
      let text = ''
      for (const id of ids) text += stream.push(id)
      return text + stream.flush()
    },
    textStream,
  }
}

const placeOf = (start: number, continuation: boolean): SectionPlace =>
  start > 0 ? 'inside' : continuation ? 'continued' : 'start'

/**
 * How many of the whole's tokens lie within its prefix, which is tokenised apart.
 *
 * @param size bytes of a token
 */
function tokensWithin(whole: readonly number[], prefix: readonly number[], size: (id: number) => number): number {
  let same = 0
  while (same < prefix.length && whole[same] === prefix[same]) same++
  if (same === prefix.length) return same
  let room = prefix.slice(same).reduce((sum, id) => sum + size(id), 0)
  let count = same
  for (; count < whole.length; count++) {
    room -= size(whole[count]!)
    if (room < 0) break
  }
  return count
}

function createLibraryTokenizer(json: JsonRecord, config: JsonRecord): LibraryTokenizer {
  const library = new LibraryTokenizer(
    { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, added_tokens: [], ...json },
    config,
  )
  library.pre_tokenizer = fixPreTokenizer(library.pre_tokenizer, json.pre_tokenizer) ?? wordSplitter(json.model)
  return library
}

function largestId(json: JsonRecord): number {
  const vocab = asRecord(json.model).vocab
  let largest = Array.isArray(vocab) ? vocab.length - 1 : -1
  const candidates = [
    ...Object.values(asRecord(vocab)),
    ...asArray(json.added_tokens).map((token) => asRecord(token).id),
  ]
  for (const id of candidates) if (typeof id === 'number' && id > largest) largest = id
  return largest
}

/**
 * The id that ends an answer.
 *
 * @throws Error when the tokenizer names none: without it a model could not learn to stop.
 */
export function requireEos(tokenizer: Tokenizer): number {
  if (tokenizer.eosId === undefined) {
    throw new Error(
      `tokenizer ${tokenizer.name} has no EOS token: expected "eos_token" in tokenizer_config.json or "eos_token_id" in config.json`,
    )
  }
  return tokenizer.eosId
}

/**
 * Decodes ids one at a time. Only complete characters are returned, and all pieces together are exactly
 * `tokenizer.decode(ids, options)`.
 */
export function createTextStream(tokenizer: Tokenizer, options?: DecodeOptions): TextStream {
  return tokenizer.textStream(options)
}
