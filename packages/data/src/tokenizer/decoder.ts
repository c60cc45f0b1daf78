// Token pieces back to text, one token at a time, with the decoders of the Llama and Gemma families.

import { charactersAsBytes } from './byte-characters'
import type { Place } from './json-place'
import { compilePattern, escapeRegExp } from './pattern'

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
  /** @param begins whether it is the first piece of a text */
  toBytes(piece: string, begins?: boolean): Uint8Array
  /** How many leading occurrences of `stripContent` the whole text loses. */
  stripStart: number
  stripContent: string
}

const BYTE_PIECE = /^<0x([0-9A-Fa-f]{2})>$/
const encoder = new TextEncoder()

/** What the steps that were read so far make of pieces. */
interface Steps {
  readonly replacements: [pattern: RegExp, content: string][]
  /** What the first piece of a text loses. */
  lostAtBeginning?: RegExp
  /** BERT's pieces: a space goes before each that does not continue a word. */
  wordPiece?: { readonly prefix: string; readonly cleanup: boolean }
  /** A space goes between pieces: what a file without a decoder means. */
  spaced: boolean
  byteLevel: boolean
  byteFallback: boolean
  fused: boolean
  stripStart: number
  stripContent: string
}

const kinds: Readonly<Record<string, (place: Place, steps: Steps) => void>> = {
  Sequence: (place, steps) => {
    for (const step of place.at('decoders').items()) read(step, steps)
  },
  ByteLevel: (_, steps) => void (steps.byteLevel = true),
  ByteFallback: (_, steps) => void (steps.byteFallback = true),
  Fuse: (_, steps) => void (steps.fused = true),
  Replace: (place, steps) => {
    if (steps.fused) throw place.unsupported('Replace behind Fuse')
    steps.replacements.push([compilePattern(place.at('pattern')), place.at('content').text()])
  },
  Metaspace: (place, steps) => {
    const mark = place.at('replacement').filled('▁')
    const pattern = new RegExp(escapeRegExp(mark), 'gu')
    steps.replacements.push([pattern, ' '])
    const old = place.at('add_prefix_space').flag(true) ? 'always' : 'never'
    if (place.at('prepend_scheme').choice(['first', 'always', 'never'], old) !== 'never')
      steps.lostAtBeginning = pattern
  },
  WordPiece: (place, steps) => {
    steps.wordPiece = { prefix: place.at('prefix').text('##'), cleanup: place.at('cleanup').flag(true) }
  },
  Strip: (place, steps) => {
    if (!steps.fused || place.at('stop').count(0) !== 0) throw place.unsupported('Strip before Fuse or at the end')
    steps.stripStart = place.at('start').count(0)
    steps.stripContent = place.at('content').filled(' ')
  },
}

const read = (place: Place, steps: Steps): void => place.kind(kinds, 'decoder')(place, steps)

/** The spaces that a WordPiece decoder's cleanup takes away, piece by piece. */
const cleanups: readonly (readonly [RegExp, string])[] = [
  [/ ([.?!,])/g, '$1'],
  [/ (n't|'m|'s|'ve|'re)/g, '$1'],
]

function wordPieceText(piece: string, begins: boolean, { prefix, cleanup }: NonNullable<Steps['wordPiece']>): string {
  const text = begins ? piece : piece.startsWith(prefix) ? piece.slice(prefix.length) : ` ${piece}`
  return cleanup ? cleanups.reduce((clean, [pattern, to]) => clean.replaceAll(pattern, to), text) : text
}

/**
 * Reads a tokenizer.json `decoder`: ByteLevel, Metaspace, WordPiece, or a Sequence of Replace, ByteFallback, Fuse and Strip;
 * without one, pieces are joined by spaces, as Rust's `tokenizers` does.
 *
 * @throws TokenizerError when the decoder is of another kind, naming it
 */
export function compileDecoder(place: Place): PieceDecoder {
  const steps: Steps = {
    replacements: [],
    spaced: place.isAbsent,
    byteLevel: false,
    byteFallback: false,
    fused: false,
    stripStart: 0,
    stripContent: ' ',
  }
  if (!steps.spaced) read(place, steps)
  const { replacements, lostAtBeginning, wordPiece, spaced, byteLevel, byteFallback, stripStart, stripContent } = steps
  const toBytes = (piece: string, begins = false) => {
    let text = begins && lostAtBeginning ? piece.replaceAll(lostAtBeginning, '') : piece
    if (spaced && !begins) text = ` ${text}`
    if (wordPiece) text = wordPieceText(text, begins, wordPiece)
    for (const [pattern, content] of replacements) text = text.replaceAll(pattern, () => content)
    const byte = byteFallback ? BYTE_PIECE.exec(text)?.[1] : undefined
    if (byte !== undefined) return Uint8Array.of(Number.parseInt(byte, 16))
    return byteLevel ? charactersAsBytes(text) : encoder.encode(text)
  }
  return { stripStart, stripContent, toBytes }
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
