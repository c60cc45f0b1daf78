// Token pieces back to text, one token at a time, with the decoders of the Llama and Gemma families.

import { asArray, asRecord, asString, type JsonRecord } from '../records/json'

/** How ids become text. */
export interface DecodeOptions {
  /** Leave out special tokens such as BOS and EOS (default false, as in transformers). */
  skipSpecialTokens?: boolean
  /** The ids continue an earlier text: the leading space of the first piece stays (default false). */
  continuation?: boolean
}

/** Text of a growing sequence of ids. The concatenation of all returned strings is `decode` of all ids. */
export interface TextStream {
  /** The text that became complete with this id; '' while a character is still missing bytes. */
  push(id: number): string
  /** What is left at the end: incomplete bytes as U+FFFD. */
  flush(): string
}

/** How one tokenizer.json `decoder` turns pieces into bytes. */
export interface PieceDecoder {
  toBytes(piece: string): Uint8Array
  /** How many leading occurrences of `stripContent` the whole text loses. */
  stripStart: number
  stripContent: string
}

const BYTE_PIECE = /^<0x([0-9A-Fa-f]{2})>$/
const encoder = new TextEncoder()

/** GPT-2's printable alphabet for bytes, inverted: character → byte. */
const byteOfCharacter: ReadonlyMap<string, number> = (() => {
  const map = new Map<string, number>()
  let next = 256
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
    map.set(String.fromCharCode(printable ? byte : next++), byte)
  }
  return map
})()

function byteLevelBytes(piece: string): Uint8Array {
  const bytes = new Uint8Array(piece.length)
  for (let i = 0; i < piece.length; i++) {
    const byte = byteOfCharacter.get(piece[i] ?? '')
    if (byte === undefined) return encoder.encode(piece)
    bytes[i] = byte
  }
  return bytes
}

/**
 * Reads a tokenizer.json `decoder`: ByteLevel, Metaspace, or a Sequence of Replace, ByteFallback, Fuse and Strip.
 *
 * @throws Error when the decoder is of another kind, naming it.
 */
export function compileDecoder(config: unknown, name: string): PieceDecoder {
  const replacements: [from: string, to: string][] = []
  const result = { stripStart: 0, stripContent: ' ' }
  let byteLevel = false
  let byteFallback = false
  let fused = false
  const steps: JsonRecord[] = [asRecord(config)]
  for (let step = steps.shift(); step !== undefined; step = steps.shift()) {
    const unsupported = (what: string) => new Error(`tokenizer ${name}: decoder ${what} is not supported`)
    switch (step.type) {
      case 'Sequence':
        steps.unshift(...asArray(step.decoders).map(asRecord))
        break
      case 'ByteLevel':
        byteLevel = true
        break
      case 'ByteFallback':
        byteFallback = true
        break
      case 'Fuse':
        fused = true
        break
      case 'Replace': {
        const from = asString(asRecord(step.pattern).String)
        if (from === undefined || fused) throw unsupported('Replace with a regular expression or after Fuse')
        replacements.push([from, asString(step.content) ?? ''])
        break
      }
      case 'Metaspace':
        replacements.push([asString(step.replacement) ?? '▁', ' '])
        if (step.prepend_scheme !== 'never' && step.add_prefix_space !== false) result.stripStart = 1
        break
      case 'Strip':
        if (!fused || (step.stop !== 0 && step.stop !== undefined)) throw unsupported('Strip before Fuse or at the end')
        result.stripStart = typeof step.start === 'number' ? step.start : 0
        result.stripContent = asString(step.content) ?? ' '
        break
      default:
        throw unsupported(asString(step.type) ?? JSON.stringify(step.type ?? null))
    }
  }
  const toBytes = (piece: string) => {
    let text = piece
    for (const [from, to] of replacements) text = text.replaceAll(from, to)
    const byte = byteFallback ? BYTE_PIECE.exec(text)?.[1] : undefined
    if (byte !== undefined) return Uint8Array.of(Number.parseInt(byte, 16))
    return byteLevel ? byteLevelBytes(text) : encoder.encode(text)
  }
  return { ...result, toBytes }
}

/** Joins the bytes of pieces into text, holding back incomplete UTF-8 and stripping the leading space once. */
export class PieceStream implements TextStream {
  // ignoreBOM keeps a U+FEFF that the text itself holds.
  readonly #utf8 = new TextDecoder('utf-8', { ignoreBOM: true })
  readonly #bytesOf: (id: number) => Uint8Array
  readonly #stripContent: string
  #strip: number

  /** @param bytesOf the bytes an id adds; none for ids that are left out */
  constructor(bytesOf: (id: number) => Uint8Array, strip: number, stripContent: string) {
    this.#bytesOf = bytesOf
    this.#strip = strip
    this.#stripContent = stripContent
  }

  push(id: number): string {
    return this.#emit(this.#utf8.decode(this.#bytesOf(id), { stream: true }))
  }

  flush(): string {
    return this.#emit(this.#utf8.decode())
  }

  #emit(text: string): string {
    let start = 0
    while (this.#strip > 0 && start < text.length) {
      if (text.startsWith(this.#stripContent, start)) {
        start += this.#stripContent.length
        this.#strip--
      } else this.#strip = 0
    }
    return text.slice(start)
  }
}
