// The golden chunk of a question: the one that holds what its answer rests on.

import type { Chunk } from './chunk'
import type { RaftQuestion } from './questions'
import type { Retriever } from './retriever'

/** White space folded, for comparing texts that were laid out differently. */
export const folded = (text: string): string => text.replace(/\s+/g, ' ').trim()

const LETTER = /^(?![\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}])[\p{L}\p{M}\p{N}]$/u
const isInsideWord = (left = '', right = ''): boolean => LETTER.test(left) && LETTER.test(right)

/** How `text` holds `needle`: as words of their own, only as part of longer ones (`ten` in `often`), or not at all. */
export function holds(text: string, needle: string): 'words' | 'part' | 'not' {
  const first = text.indexOf(needle)
  for (let at = first; at >= 0; at = text.indexOf(needle, at + 1)) {
    const end = at + needle.length
    if (!isInsideWord(text[at - 1], needle[0]) && !isInsideWord(needle.at(-1), text[end])) return 'words'
  }
  return first >= 0 ? 'part' : 'not'
}

/** What a question's answer rests on, folded as it is compared: quotes to the letter, the final answer in lower case. */
export interface Evidence {
  quotes: readonly string[]
  answer: string
}

/** Reads an answer that may be written as RAFT writes them: reasoning with quotes, then `##Answer:` or `<ANSWER>:`. */
export function evidenceOf({ answer, quote }: RaftQuestion): Evidence {
  const spans = [...answer.matchAll(/##begin_quote##([^]*?)##end_quote##/g)].map((found) => found[1]!)
  const final = /^[^]*(?:##\s*answer:|<answer>:)([^]*)$/i.exec(answer)?.[1] ?? answer
  return {
    quotes: [quote ?? '', ...spans].map(folded).filter(Boolean),
    answer: folded(final.replace(/##(?:begin|end)_quote##/g, ' ')).toLowerCase(),
  }
}

/** A chunk and its text as answers and quotes are looked for in it. */
export interface Source extends Chunk {
  folded: string
  lower: string
}

export const sourceOf = (chunk: Chunk): Source => {
  const text = folded(chunk.text)
  return { ...chunk, folded: text, lower: text.toLowerCase() }
}

export interface GoldenSearch {
  /** All chunks, by id. */
  sources: ReadonlyMap<string, Source>
  /** Chunks by document; none where it is empty. */
  byDocument: ReadonlyMap<string, readonly Source[]>
  /** Documents that are texts, folded: what stands in one may be cut in two by its chunks. */
  texts: ReadonlyMap<string, string>
  retriever: Retriever
  /** The document's id that may have been meant. */
  nearestId: (id: string) => string | undefined
  /** Whether a question whose answer stands nowhere in its document takes the chunk that is most like the question. */
  allowAbstractive: boolean
}

/** @returns the chunk, or why there is none */
export function findGolden(question: RaftQuestion, search: GoldenSearch): Source | string {
  if (question.question.trim() === '') return 'the question is empty'
  const { quotes, answer } = evidenceOf(question)
  if (answer === '') return 'the answer is empty'
  const [begun, ended] = ['begin', 'end'].map((mark) => question.answer.split(`##${mark}_quote##`).length)
  if (begun !== ended) return 'a ##begin_quote## of the answer has no ##end_quote##, or the reverse'

  const { document } = question
  const sources = document === undefined ? [...search.sources.values()] : search.byDocument.get(document)
  if (sources === undefined) {
    const near = search.nearestId(document!)
    return `unknown document ${shown(document!)}${near === undefined ? '' : ` (did you mean ${shown(near)}?)`}`
  }
  if (sources.length === 0) return `document ${shown(document!)} is empty`
  const missing = (what: string, isIn: (text: string) => boolean): string => {
    const cut = document === undefined ? [...search.texts].find(([, text]) => isIn(text))?.[0] : document
    if (cut !== undefined && isIn(search.texts.get(cut) ?? ''))
      return `${what} stands in document ${shown(cut)}, but whole in no chunk of it`
    return document === undefined ? `${what} stands in no document` : `${what} is not in document ${shown(document)}`
  }
  if (quotes.length > 0) {
    const holding = sources.filter((source) => quotes.every((quote) => source.folded.includes(quote)))
    if (holding.length > 0) return closest(question, holding, search)
    const lost = quotes.find((quote) => !sources.some((source) => source.folded.includes(quote)))
    return lost === undefined
      ? 'no one chunk has all of its quotes'
      : missing(`quote ${shown(lost)}`, (text) => text.includes(lost))
  }
  const found = sources.map((source) => holds(source.lower, answer))
  for (const how of ['words', 'part'] as const) {
    const holding = sources.filter((_, i) => found[i] === how)
    if (holding.length > 0) return closest(question, holding, search)
  }
  if (document !== undefined && search.allowAbstractive) return closest(question, sources, search)
  return missing(`answer ${shown(folded(question.answer))}`, (text) => text.toLowerCase().includes(answer))
}

/** The one most like the question. */
function closest({ question }: RaftQuestion, candidates: readonly Source[], { retriever }: GoldenSearch): Source {
  const byId = new Map(candidates.map((source) => [source.id, source]))
  const [best] = candidates.length === 1 ? [] : retriever.search(question, { limit: 1, among: (id) => byId.has(id) })
  return (best && byId.get(best.id)) ?? candidates[0]!
}

const shown = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
