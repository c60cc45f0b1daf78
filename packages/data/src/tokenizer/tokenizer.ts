// The tokenizer of a Hugging Face model: text to ids and back, exact to the Rust tokenizers for Llama and Gemma.

import { AddedTokens, readAddedTokens, type Section } from './added-tokens'
import { compileDecoder, PieceStream, type DecodeOptions, type TextStream } from './decoder'
import { asRecord, isRecord } from '../records/json'
import { Place, TokenizerError } from './json-place'
import { compileTextModel, type SectionPlace } from './section-encoder'
import { findSpecialTokens, type ModelTokenIds } from './special-tokens'
import { largestId } from './models/vocabulary'

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
  /** What a token is in the middle of a text; of no bytes for an id outside the vocabulary. */
  idToBytes(id: number): Uint8Array
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
  /** That of the template for conversations with tools, where there is one of its own (`tool_use`). */
  readonly toolTemplate: string | undefined
}

/** What {@link createTokenizer} cannot read from the two files. */
export interface CreateTokenizerOptions extends ModelTokenIds {
  /** What error messages call the tokenizer (default `tokenizer.json`). */
  name?: string
}

/** The templates of a `chat_template`: one text, or several by name, as a list or an object. */
function chatTemplates(place: Place): ReadonlyMap<string, string> {
  if (place.isAbsent) return new Map()
  if (typeof place.value === 'string') return new Map([['default', place.value]])
  const entries = Array.isArray(place.value)
    ? place.items().map((entry) => [entry.at('name').text(), entry.at('template').text()] as const)
    : Object.keys(place.record()).map((name) => [name, place.at(name).text()] as const)
  return new Map(entries)
}

/**
 * Builds a tokenizer from parsed files; runs in a browser.
 *
 * @param tokenizerJson the content of tokenizer.json
 * @param configJson the content of tokenizer_config.json, `{}` where there is none
 * @throws TokenizerError when a file is not what it has to be, or asks for what is not supported, naming the place in it
 */
export function createTokenizer(
  tokenizerJson: unknown,
  configJson: unknown = {},
  options: CreateTokenizerOptions = {},
): Tokenizer {
  const name = options.name ?? 'tokenizer.json'
  const json = Place.of(tokenizerJson, name, 'tokenizer.json')
  if (!isRecord(tokenizerJson) || !isRecord(tokenizerJson.model)) {
    throw new TokenizerError(`tokenizer ${name}: no "model" found; expected the content of a tokenizer.json`)
  }
  const config = Place.of(configJson, name, 'tokenizer_config.json')
  const model = compileTextModel(json)
  const added = readAddedTokens(json, config, model.ids)
  const { normalized } = model
  const addedTokens = new AddedTokens(added.filter((token) => normalized === undefined || !token.normalized))
  // Those that are looked for in normalised text are there as it makes them, and decode to that.
  const inNormalized = added
    .filter((token) => token.normalized)
    .flatMap((token) => (normalized === undefined ? [] : [{ ...token, content: normalized(token.content) }]))
  const encodeSection = model.encoder(inNormalized.length === 0 ? undefined : new AddedTokens(inNormalized))
  const encodeSections = (text: string, continuation: boolean, each: (ids: number[], section: Section) => void) => {
    for (const section of addedTokens.split(text)) {
      const { start, end, id } = section
      each(id === undefined ? encodeSection(text.slice(start, end), placeOf(start, continuation)) : [id], section)
    }
  }

  const ids = new Map([...model.ids, ...added.map(({ content, id }) => [content, id] as const)])
  const pieces = new Map(model.pieces)
  for (const { content, id } of [...added, ...inNormalized]) pieces.set(id, content)
  const special = findSpecialTokens(tokenizerJson, asRecord(configJson), options, (token) => ids.get(token))
  const { bosId, addsBos } = special
  const decoder = compileDecoder(json.at('decoder'))
  const specialIds = new Set(added.filter((token) => token.special).map(({ id }) => id))
  const noBytes = new Uint8Array()
  const textStream = ({ skipSpecialTokens = false, continuation = false }: DecodeOptions = {}) => {
    let begins = !continuation
    const bytesOf = (id: number): Uint8Array => {
      const piece = skipSpecialTokens && specialIds.has(id) ? undefined : pieces.get(id)
      if (piece === undefined) return noBytes
      const bytes = decoder.toBytes(piece, begins)
      begins = false
      return bytes
    }
    return new PieceStream(bytesOf, continuation ? 0 : decoder.stripStart, decoder.stripContent)
  }
  const templates = chatTemplates(config.at('chat_template'))

  return {
    name,
    ...special,
    vocabSize: largestId(pieces.keys()) + 1,
    chatTemplate: templates.get('default') ?? templates.values().next().value,
    toolTemplate: templates.get('tool_use'),
    idToBytes: (id) => decoder.toBytes(pieces.get(id) ?? '', false),
    idToToken: (id) => pieces.get(id),
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
          const until = tokensWithin(ids, prefix, (id) => decoder.toBytes(pieces.get(id) ?? '').length)
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
 * How many of the whole's tokens are within its prefix, which is tokenised apart.
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
