// Documents cut into chunks of so many tokens at most, where a text may be cut.

import type { TableFormat } from '../import/imported'
import { tableText } from '../import/tables'
import type { Tokenizer } from '../tokenizer/tokenizer'
import { chunkBlocks, type Passage } from '../documents/chunk-blocks'
import type { BlockDocument, RaftDocument } from './documents'
import type { Table } from './table'
import { counterOf, placeAfter, type TokenCounter } from '../tokenizer/token-counter'

/** A part of a document, short enough to be put into a context. */
export interface Chunk {
  /** `<document>#<n>`, n from 1, or `<document>#p<page>.<n>`; the document's own id where it is one chunk. */
  id: string
  /** Title of the document and the headings above the chunk, with ` › ` between. */
  title?: string
  /** The headings that it is under, outermost first; those in its text are not among them. */
  path?: readonly string[]
  /** Page or slide that it begins on, from 1, where the document has such. */
  page?: number
  text: string
  /** Id of the document that it is part of. */
  document: string
  /** Length of `text` on its own, BOS and title not counted. */
  tokens: number
}

/** How {@link chunkDocument} cuts a document. */
export interface ChunkOptions {
  tokenizer: Pick<Tokenizer, 'encode'>
  /** Longest chunk, in tokens; at least 16. */
  chunkTokens: number
  /**
   * Most tokens that a chunk of text repeats from the end of the one before it (default 0). Rows of tables and whole sections
   * are never repeated.
   */
  overlapTokens?: number
  /** How a table is written (default markdown). */
  tableFormat?: TableFormat
}

/**
 * Cuts a document along its headings, where its format has such; between paragraphs, else between sentences or lines, else between words; a longer word is cut where it has
 * to be. A table is cut between rows, each part with the header. A document of white space only has no chunks.
 *
 * @throws RangeError when `chunkTokens` or `overlapTokens` is out of range
 */
export function chunkDocument(document: RaftDocument, options: ChunkOptions): Chunk[] {
  const { tokenizer, chunkTokens, overlapTokens = 0, tableFormat = 'markdown' } = options
  if (!(Number.isInteger(chunkTokens) && chunkTokens >= 16))
    throw new RangeError(`chunkTokens: got ${chunkTokens}, expected an integer ≥ 16`)
  if (!(Number.isInteger(overlapTokens) && overlapTokens >= 0 && overlapTokens < chunkTokens))
    throw new RangeError(`overlapTokens: got ${overlapTokens}, expected an integer from 0 to ${chunkTokens - 1}`)
  const counter = counterOf(tokenizer)
  if ('blocks' in document) return blockChunks(document, options, counter)
  const texts =
    'table' in document
      ? cutTable(document.table, tableFormat, counter, chunkTokens)
      : cutText(document.text, counter, chunkTokens, overlapTokens)
  const { id, title } = document
  return texts.map((text, i) => ({
    id: texts.length === 1 ? id : `${id}#${i + 1}`,
    ...(title === undefined ? {} : { title }),
    text,
    document: id,
    tokens: counter.count(text),
  }))
}

function blockChunks(document: BlockDocument, options: ChunkOptions, counter: TokenCounter): Chunk[] {
  const { chunkTokens: limit, overlapTokens = 0, tableFormat: format = 'markdown' } = options
  const passages = chunkBlocks(document.blocks, {
    limit,
    format,
    count: (text) => counter.count(text),
    cutText: (text, most) => cutText(text, counter, most, Math.min(overlapTokens, most - 1)),
    cutTable: (table, most) => cutTable(table, format, counter, most),
  })
  const { id } = document
  const onPage = new Map<number | undefined, number>()
  const nameOf = ({ page }: Passage): string => {
    const n = (onPage.get(page) ?? 0) + 1
    onPage.set(page, n)
    return page === undefined ? `${id}#${n}` : `${id}#p${page}.${n}`
  }
  return passages.map((passage) => {
    const { text, path, page } = passage
    const titles = document.title === undefined || document.title === path[0] ? path : [document.title, ...path]
    return {
      id: passages.length === 1 ? id : nameOf(passage),
      ...(titles.length === 0 ? {} : { title: titles.join(' › ') }),
      ...(path.length === 0 ? {} : { path }),
      ...(page === undefined ? {} : { page }),
      text,
      document: id,
      tokens: counter.count(text),
    }
  })
}

/**
 * The largest n in [low, high] whose `size`, in tokens, is at most `limit`; that of `low` is. Sizes grow about evenly, so a
 * few tries find it; halving takes over where they do not.
 */
function largest(low: number, high: number, limit: number, size: (n: number) => number): number {
  let reached = low < high ? size(low) : 0
  let rate = 1.5
  for (let tries = 0; low < high; tries++) {
    const likely = tries < 6 ? low + Math.floor((limit - reached) / rate) : Math.ceil((low + high) / 2)
    const n = Math.max(low + 1, Math.min(likely, high))
    const tokens = size(n)
    rate = Math.max(1, tokens - reached) / (n - low)
    if (tokens > limit) high = n - 1
    else [low, reached] = [n, tokens]
  }
  return low
}

/** Characters that a token hardly ever exceeds: no need to try more of a text without spaces. */
const LONGEST_TOKEN = 16

const PARAGRAPH = /\n[^\S\n]*\n\s*/g
/** A line counts as a sentence: lists and verses have no full stops. An initial or a title before a name ends none. */
const SENTENCE =
  /(?<!(?<!\p{L})(?:\p{Lu}|Mr|Mrs|Ms|Dr|St|Rev|Prof))[.!?…]["'”’»)\]]*\s+(?![\s\p{Ll}])|[。！？]["”’」』）]*\s*|\n\s*/gu
const WORD = /\s+|[。！？]["”’」』）]*\s*/g

/** As `String.trim` has it. */
const isSpace = (code: number): boolean =>
  code === 32 || (code > 8 && code < 14) || (code > 127 && /\s/.test(String.fromCharCode(code)))

/** Where each match of a global pattern ends, and the text. */
function endsOf(text: string, pattern: RegExp): number[] {
  const ends: number[] = []
  pattern.lastIndex = 0
  while (pattern.test(text)) ends.push(pattern.lastIndex)
  ends.push(text.length)
  return ends
}

function cutText(source: string, counter: TokenCounter, limit: number, overlap: number): string[] {
  const text = source.trim()
  if (text === '') return []
  const part = counter.of(text)
  if (part(0, text.length) <= limit) return [text]
  const tokens = (from: number, to: number): number => {
    while (from < to && isSpace(text.charCodeAt(from))) from++
    while (to > from && isSpace(text.charCodeAt(to - 1))) to--
    return part(from, to)
  }
  const [paragraphs, sentences, words] = [endsOf(text, PARAGRAPH), endsOf(text, SENTENCE), endsOf(text, WORD)]
  const chunks: string[] = []
  let start = 0
  // Up to here all text is in a chunk; `start` is before it where text is repeated.
  let covered = 0
  let next = 0
  while (covered < text.length) {
    const size = (end: number) => tokens(start, end)
    const word = Math.min(words[next]!, covered + limit * LONGEST_TOKEN)
    let end: number
    if (size(word) <= limit) {
      const last = word < words[next]! ? word : words[largest(next, words.length - 1, limit, (i) => size(words[i]!))]!
      // A heading is not left alone: what ends in the first quarter of what fits is passed over.
      const least = Math.max(covered, start + (last - start) / 4)
      const within = (ends: readonly number[]) =>
        ends.slice(placeAfter(ends, least), placeAfter(ends, last - 1)).reverse()
      const coarse = last === text.length ? [] : [...within(paragraphs), ...within(sentences)]
      end = coarse.find((at) => size(at) <= limit) ?? last
    } else if (start < covered) {
      // What is repeated leaves no room for the word that follows.
      start = covered
      continue
    } else {
      const characters = Array.from(text.slice(start, word))
      const endOf = (n: number) => start + characters.slice(0, n).join('').length
      end = endOf(largest(1, characters.length, limit, (n) => size(endOf(n))))
    }
    chunks.push(text.slice(start, end).trim())
    covered = end
    while (next < words.length && words[next]! <= covered) next++
    let most = 0
    while (most < overlap && words[next - most - 1]! > start) most++
    const repeated = largest(0, most, overlap, (n) => (n === 0 ? 0 : tokens(words[next - n]!, end)))
    start = repeated === 0 ? end : words[next - repeated]!
  }
  return chunks
}

function cutTable({ header, rows }: Table, format: TableFormat, counter: TokenCounter, limit: number): string[] {
  const chunks: string[] = []
  let at = 0
  while (at < rows.length) {
    const part = (rowCount: number) => tableText([header, ...rows.slice(at, at + rowCount)], format)
    const size = (rowCount: number) => counter.count(part(rowCount))
    const fits = size(1) <= limit
    const taken = fits ? largest(1, rows.length - at, limit, size) : 1
    // A row that does not fit beside the header is cut as the text it is.
    for (const chunk of fits ? [part(taken)] : cutText(part(1), counter, limit, 0)) chunks.push(chunk)
    at += taken
  }
  return chunks
}
