// llama2.c's tokenizer.bin, SentencePiece's pieces and scores, as a Hugging Face tokenizer.json.
import { ModelError } from '../config/config'

const special = ['<unk>', '<s>', '</s>']

interface Piece {
  readonly text: string
  readonly score: number
}

function readPieces(bytes: Uint8Array, source: string): Piece[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const pieces: Piece[] = []
  const fail = (reason: string): never => {
    throw new ModelError(`${source} is not a llama2.c tokenizer: ${reason}`)
  }
  if (bytes.length < 4) fail(`it has ${bytes.length} bytes`)
  const longest = view.getUint32(0, true)
  for (let at = 4; at < bytes.length;) {
    if (at + 8 > bytes.length) fail(`it ends within token ${pieces.length}`)
    const [score, length] = [view.getFloat32(at, true), view.getUint32(at + 4, true)]
    at += 8
    if (length > longest) fail(`token ${pieces.length} has ${length} bytes, the header says ${longest} at most`)
    if (at + length > bytes.length) fail(`it ends within token ${pieces.length}`)
    try {
      pieces.push({ text: decoder.decode(bytes.subarray(at, at + length)), score })
    } catch {
      fail(`token ${pieces.length} is not UTF-8`)
    }
    at += length
  }
  return pieces
}

const byteName = (byte: number): string => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`

/** The pieces as SentencePiece has them: llama2.c writes spaces for ▁, and line ends around the marks of a text's ends. */
function pieceNames(pieces: readonly Piece[]): string[] {
  // Early versions wrote the byte pieces as the characters of those numbers.
  const areCharacters = pieces.slice(3, 259).every(({ text }, byte) => text === String.fromCodePoint(byte))
  return pieces.map(({ text }, id) => {
    if (id < special.length) return special[id]!
    if (areCharacters && id < 259) return byteName(id - 3)
    return text.replaceAll(' ', '▁')
  })
}

/** Pairs that join to a piece, best score first: what SentencePiece joins first. */
function merges(names: readonly string[], pieces: readonly Piece[]): [string, string][] {
  const known = new Set(names)
  const joined = names
    .map((name, id) => ({ characters: [...name], score: pieces[id]!.score, id }))
    .filter(
      ({ characters, id }) => id >= special.length && characters.length > 1 && !/^<0x[0-9A-F]{2}>$/.test(names[id]!),
    )
    .sort((a, b) => b.score - a.score || a.id - b.id)
  return joined.flatMap(({ characters }) => {
    const pairs: [string, string][] = []
    for (let cut = characters.length - 1; cut > 0; cut--) {
      const [left, right] = [characters.slice(0, cut).join(''), characters.slice(cut).join('')]
      if (known.has(left) && known.has(right)) pairs.push([left, right])
    }
    return pairs
  })
}

/**
 * The tokenizer.json of a tokenizer.bin: byte-pair encoding with a byte for what no piece has, as Llama's.
 * @param source what errors call the file
 * @throws ModelError when the file is broken, or has not one token for each of the model's `vocabSize`
 */
export function llama2cTokenizer(bytes: Uint8Array, vocabSize: number, source: string): Record<string, unknown> {
  const pieces = readPieces(bytes, source)
  if (pieces.length !== vocabSize)
    throw new ModelError(`${source} has ${pieces.length} tokens, the model ${vocabSize}: it is another model's`)
  const names = pieceNames(pieces)
  const vocab = Object.fromEntries(names.map((name, id) => [name, id]))
  const twice = names.find((name, id) => vocab[name] !== id)
  if (twice !== undefined) throw new ModelError(`${source} has the token ${JSON.stringify(twice)} twice`)
  const bos = (type: number) => ({ SpecialToken: { id: '<s>', type_id: type } })
  const sequence = (id: string, type: number) => ({ Sequence: { id, type_id: type } })
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '▁' },
        { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      ],
    },
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single: [bos(0), sequence('A', 0)],
      pair: [bos(0), sequence('A', 0), bos(1), sequence('B', 1)],
      special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
    },
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: '<unk>',
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab,
      merges: merges(names, pieces),
    },
  }
}
