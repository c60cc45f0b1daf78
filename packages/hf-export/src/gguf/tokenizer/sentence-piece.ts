// SentencePiece-style BPE with bytes to fall back on (Llama 2, Mistral, Gemma): llama.cpp's "llama" tokenizer.
import { bool, f32s, string } from '@jora/tensor/weights'
import { readPieces } from './sentence-piece-model'
import { list, record, type TokenizerFiles } from './tokenizer-files'
import { tokensById, type Token, type Vocabulary } from './tokens'

const isByte = (text: string): boolean => /^<0x[0-9A-F]{2}>$/.test(text)

/** llama.cpp's converter gives this to tokens that are no pieces of the vocabulary. */
const addedScore = -1000

/**
 * Scores from the order of merges. llama.cpp, as SentencePiece, joins neighbours whose text together is a token: those of
 * the highest score first, of equals the leftmost. Hugging Face's BPE joins pairs by the rank of their merge, of equals the
 * leftmost. With −rank for the token a merge makes the two walk the same way, when every pair that makes a token has a
 * merge; tokenizer.json files that were made from SentencePiece list them all ({@link cutOtherwise} looks at the rest). The first of a token's merges counts: a
 * piece's merges are one after another there. Tokens that no merge makes (single characters, bytes, special tokens) score below
 * all others, and would be joined last.
 */
function scoresFromMerges(tokens: readonly Token[], merges: readonly (readonly [string, string])[]): number[] {
  const rank = new Map<string, number>()
  merges.forEach(([left, right], i) => {
    const text = left + right
    if (!rank.has(text)) rank.set(text, i)
  })
  return tokens.map(({ text, kind }) => -((kind === 'normal' ? rank.get(text) : undefined) ?? merges.length + 1))
}

/** A text joined from its characters, the pair of least rank first, of equals the leftmost. */
function joined(text: string, rankOf: (left: string, right: string) => number | undefined): string[] {
  const parts = [...text]
  for (;;) {
    let [best, at] = [Infinity, -1]
    for (let i = 0; i + 1 < parts.length; i++) {
      const rank = rankOf(parts[i]!, parts[i + 1]!) ?? Infinity
      if (rank < best) [best, at] = [rank, i]
    }
    if (at < 0) return parts
    parts.splice(at, 2, parts[at]! + parts[at + 1]!)
  }
}

/**
 * Tokens whose own text llama.cpp would cut in another way, because it joins pairs that make a token though no merge says
 * so. A vocabulary that was trained as BPE lists one merge a token, and mostly loses nothing by it.
 */
function cutOtherwise(tokens: readonly Token[], merges: readonly (readonly [string, string])[]): string[] {
  const ranks = new Map(tokens.flatMap(({ text, kind }) => (kind === 'normal' ? [[text, merges.length + 1]] : [])))
  const pairs = new Map(merges.map((pair, i) => [pair.join('\0'), i]))
  for (const [i, pair] of [...merges.entries()].reverse()) ranks.set(pair.join(''), i)
  const hasOtherPair = (text: string): boolean => {
    for (let i = 1; i < text.length; i++) {
      const [left, right] = [text.slice(0, i), text.slice(i)]
      if (ranks.has(left) && ranks.has(right) && !pairs.has(`${left}\0${right}`)) return true
    }
    return false
  }
  return [...ranks.keys()].filter(
    (text) =>
      hasOtherPair(text) &&
      joined(text, (left, right) => pairs.get(`${left}\0${right}`)).join('\0') !==
        joined(text, (left, right) => ranks.get(left + right)).join('\0'),
  )
}

function readMerge(merge: unknown): readonly [string, string] {
  const [left = '', right = ''] = typeof merge === 'string' ? merge.split(' ') : list(merge).map(String)
  return [left, right]
}

/** Whether ▁ is put before a text. */
function prefixes(part: unknown): boolean {
  const { type, normalizers, pretokenizers, prepend, prepend_scheme: scheme, add_prefix_space: adds } = record(part)
  if (type === 'Sequence') return [...list(normalizers), ...list(pretokenizers)].some(prefixes)
  if (type === 'Prepend') return prepend === '▁'
  return type === 'Metaspace' && (typeof scheme === 'string' ? scheme !== 'never' : adds !== false)
}

/** Scores come from tokenizer.model where it is there and agrees on the pieces, else from the merges' order. */
export function sentencePieceVocabulary(files: TokenizerFiles, size: number): Vocabulary {
  const { json } = files
  const { tokens, notes } = tokensById(files, size, (text) => (isByte(text) ? 'byte' : 'normal'))
  const pieces = files.sentencePiece && readPieces(files.sentencePiece, files.path.replace(/json$/, 'model'))
  const agree = pieces && tokens.every(({ text, kind }, id) => kind !== 'normal' || pieces[id]?.text === text)
  if (pieces && !agree) notes.push('tokenizer.model has other pieces than tokenizer.json, which alone was used')
  const merges = list(record(json.model).merges).map(readMerge)
  const scores = agree
    ? tokens.map(({ kind }, id) => (kind === 'normal' || kind === 'byte' ? pieces[id]?.score : undefined) ?? addedScore)
    : scoresFromMerges(tokens, merges)
  const others = cutOtherwise(tokens, merges)
  if (others.length > 0)
    notes.push(
      `llama.cpp may cut words otherwise than tokenizer.json: it does so with ${others.length} tokens' own texts, e.g. ${JSON.stringify(others[0])}`,
    )
  return {
    tokens,
    notes,
    metadata: new Map([
      ['tokenizer.ggml.model', string('llama')],
      ['tokenizer.ggml.pre', string('default')],
      ['tokenizer.ggml.scores', f32s(scores)],
      ['tokenizer.ggml.add_space_prefix', bool(prefixes(json.normalizer) || prefixes(json.pre_tokenizer))],
    ]),
  }
}
