// The golden chunk of a question: the one that holds what its answer rests on.

import { textHash } from '../hash'
import { canonical, canonicalCased, spelledIn } from '../retrieval/canonical'
import type { Bm25Index } from '../retrieval/lexical'
import type { Chunk } from './chunk'
import { holds, type Holding } from './holds'
import type { RaftQuestion } from './questions'

/** Words of a document that an answer rests on. */
export interface Quote {
  /** In canonical form. */
  form: string
  /** The same but for its case: a quote is one to the letter. */
  cased: string
  /** As it was written, white space folded. */
  shown: string
}

/** What a question's answer rests on. */
export interface Evidence {
  quotes: readonly Quote[]
  /** In canonical form. */
  answer: string
}

const QUOTE = /##begin_quote##([^]*?)##end_quote##/g

/** Reads an answer that may be written as RAFT writes them: reasoning with quotes, then `##Answer:` or `<ANSWER>:`. */
export function evidenceOf({ answer, quote }: Pick<RaftQuestion, 'answer' | 'quote'>): Evidence {
  const spans = [...answer.matchAll(QUOTE)].map((found) => found[1]!)
  const final = /^[^]*(?:##\s*answer:|<answer>:)([^]*)$/i.exec(answer)?.[1] ?? answer
  return {
    quotes: [quote ?? '', ...spans].map(folded).filter(Boolean).map(quoteOf),
    answer: canonical(final.replace(/##(?:begin|end)_quote##/g, ' ')),
  }
}

const quoteOf = (shown: string): Quote => ({ form: canonical(shown), cased: canonicalCased(shown), shown })

/** The answer with each of its quotes as the document spells it. */
export const withQuotesOf = (answer: string, text: string): string =>
  answer.replace(QUOTE, (whole, quote: string) => {
    const spelled = spelledIn(text, canonical(quote))
    return spelled === undefined ? whole : `##begin_quote##${spelled}##end_quote##`
  })

/** A chunk as it is looked for: its number in the index, and one for what it says. */
export interface Source extends Chunk {
  index: number
  /** Equal for chunks of one canonical form. */
  content: number
}

export const withContent = (chunk: Chunk): Omit<Source, 'index'> => ({
  ...chunk,
  content: textHash(canonical(chunk.text)),
})

/** All that questions are about. */
export interface Corpus {
  /** All chunks, by their number. */
  sources: readonly Source[]
  /** Chunks by document; none where it is empty. */
  byDocument: ReadonlyMap<string, readonly Source[]>
  /** Documents that are texts: what is in one may be cut in two by its chunks. */
  texts: ReadonlyMap<string, string>
  words: Bm25Index
  /** The canonical form of a chunk. */
  formOf: (source: Source) => string
  /** The document's id that may have been meant. */
  nearestId: (id: string) => string | undefined
}

export interface GoldenSearch extends Corpus {
  /** Whether a question whose answer is nowhere in its document takes the chunk that is most like the question. */
  allowAbstractive: boolean
}

/** @returns the chunk, or why there is none */
export function findGolden(question: RaftQuestion, search: GoldenSearch): Source | string {
  if (question.question.trim() === '') return 'the question is empty'
  if (question.unanswerable) return nearestChunk(question, search)
  const { quotes, answer } = evidenceOf(question)
  if (answer === '') return 'the answer is empty'
  const [begun, ended] = ['begin', 'end'].map((mark) => question.answer.split(`##${mark}_quote##`).length)
  if (begun !== ended) return 'a ##begin_quote## of the answer has no ##end_quote##, or the reverse'

  const { document } = question
  const { byDocument, nearestId, words, formOf } = search
  const own = document === undefined ? undefined : byDocument.get(document)
  if (document !== undefined) {
    if (own === undefined) {
      const near = nearestId(document)
      return `unknown document ${shown(document)}${near === undefined ? '' : ` (did you mean ${shown(near)}?)`}`
    }
    if (own.length === 0) return `document ${shown(document)} is empty`
  }
  /** The chunks that may hold a text, the one most like the question first. */
  const candidates = function* (needle: string, inWords: boolean): Generator<Source> {
    const texts = own?.map(({ index }) => index) ?? words.index.holding(needle, inWords)
    for (const { text } of words.rankAmong(question.question, texts)) yield search.sources[text]!
  }
  const first = (needle: string, inWords: boolean, fits: (source: Source) => boolean): Source | undefined => {
    for (const source of candidates(needle, inWords)) if (fits(source)) return source
    return undefined
  }
  const hasQuote = (source: Source, { form, cased }: Quote): boolean =>
    formOf(source).includes(form) && canonicalCased(source.text).includes(cased)
  if (quotes.length > 0) {
    const longest = quotes.reduce((a, b) => (b.form.length > a.form.length ? b : a))
    const holding = first(longest.form, true, (source) => quotes.every((quote) => hasQuote(source, quote)))
    if (holding !== undefined) return holding
    const lost = quotes.find((quote) => first(quote.form, true, (source) => hasQuote(source, quote)) === undefined)
    if (lost === undefined) return 'no one chunk has all of its quotes'
    return missing(`quote ${shown(lost.shown)}`, (text) => canonicalCased(text).includes(lost.cased), {
      needle: lost.form,
      document,
      search,
    })
  }
  // Most answers are words of their own: only where none is, are longer words looked at.
  const whole = first(answer, false, (source) => holds(formOf(source), answer) === 'words')
  if (whole !== undefined) return whole
  let part: Source | undefined
  for (const source of candidates(answer, true)) {
    const how: Holding = holds(formOf(source), answer)
    if (how === 'attached' || how === 'words') return source
    if (how === 'part') part ??= source
  }
  if (part !== undefined) return part
  if (own !== undefined && search.allowAbstractive) {
    const [best] = words.rankAmong(
      question.question,
      own.map(({ index }) => index),
    )
    return search.sources[best!.text]!
  }
  return missing(`answer ${shown(folded(question.answer))}`, (text) => canonical(text).includes(answer), {
    needle: answer,
    document,
    search,
  })
}

/** The chunk that an unanswerable question seems to be about: a context without it would be too easy to refuse. */
function nearestChunk({ question, document, chunk }: RaftQuestion, search: GoldenSearch): Source | string {
  const { byDocument, words, sources } = search
  const own = document === undefined ? undefined : byDocument.get(document)
  if (document !== undefined && (own === undefined || own.length === 0))
    return `unknown or empty document ${shown(document)}`
  const named = own?.find(({ id }) => id === chunk)
  if (named !== undefined) return named
  const ranked =
    own === undefined
      ? words.rank(question, () => true)
      : words.rankAmong(
          question,
          own.map(({ index }) => index),
        )
  for (const { text } of ranked) return sources[text]!
  return own?.[0] ?? 'no document shares a word with it'
}

/** Documents that are gone through for words that their chunks cut in two. */
const mostCutDocuments = 50

interface Missing {
  /** In canonical form. */
  needle: string
  document: string | undefined
  search: GoldenSearch
}

function missing(what: string, isIn: (text: string) => boolean, { needle, document, search }: Missing): string {
  const textOf = (id: string) => search.texts.get(id) ?? ''
  const cut = document ?? likelyDocuments(needle, search).find((id) => isIn(textOf(id)))
  if (cut !== undefined && isIn(textOf(cut)))
    return `${what} stands in document ${shown(cut)}, but whole in no chunk of it`
  return document === undefined ? `${what} stands in no document` : `${what} is not in document ${shown(document)}`
}

/** Documents of several chunks that share words with a text, the likeliest first. */
function likelyDocuments(needle: string, { words, sources, byDocument }: GoldenSearch): string[] {
  const likely = new Set<string>()
  for (const { text } of words.rank(needle, () => true)) {
    const { document } = sources[text]!
    if (byDocument.get(document)!.length > 1) likely.add(document)
    if (likely.size >= mostCutDocuments) break
  }
  return [...likely]
}

/** White space folded. */
const folded = (text: string): string => text.replace(/\s+/g, ' ').trim()

const shown = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
