// The golden chunk of a question: the one that holds what its answer rests on.

import { canonical, canonicalCased, spelledIn } from '../retrieval/canonical'
import type { Corpus, CutDocument } from './corpus'
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

export interface GoldenSearch extends Corpus {
  /** Whether a question whose answer is nowhere in its document takes the chunk that is most like the question. */
  allowAbstractive: boolean
}

/** Numbers of the chunks of a document. */
const chunksOf = ({ first, count }: CutDocument): number[] => Array.from({ length: count }, (_, n) => first + n)

/** @returns the number of the chunk, or why there is none */
export function findGolden(question: RaftQuestion, search: GoldenSearch): number | string {
  if (question.question.trim() === '') return 'the question is empty'
  if (question.unanswerable) return nearestChunk(question, search)
  const { quotes, answer } = evidenceOf(question)
  if (answer === '') return 'the answer is empty'
  const [begun, ended] = ['begin', 'end'].map((mark) => question.answer.split(`##${mark}_quote##`).length)
  if (begun !== ended) return 'a ##begin_quote## of the answer has no ##end_quote##, or the reverse'

  const { document } = question
  const { documents, nearestId, words, chunks } = search
  const named = document === undefined ? undefined : documents.get(document)
  const own = named && chunksOf(named)
  if (document !== undefined) {
    if (own === undefined) {
      const near = nearestId(document)
      return `unknown document ${shown(document)}${near === undefined ? '' : ` (did you mean ${shown(near)}?)`}`
    }
    if (own.length === 0) return `document ${shown(document)} is empty`
  }
  /** The chunks that may hold a text, the one most like the question first. */
  const candidates = function* (needle: string, inWords: boolean): Generator<number> {
    const texts = own ?? words.index.holding(needle, inWords)
    for (const { text } of words.rankAmong(question.question, texts)) yield text
  }
  const first = (needle: string, inWords: boolean, fits: (chunk: number) => boolean): number | undefined => {
    for (const chunk of candidates(needle, inWords)) if (fits(chunk)) return chunk
    return undefined
  }
  const hasQuote = (chunk: number, { form, cased }: Quote): boolean =>
    chunks.formOf(chunk).includes(form) && canonicalCased(chunks.at(chunk).text).includes(cased)
  if (quotes.length > 0) {
    const longest = quotes.reduce((a, b) => (b.form.length > a.form.length ? b : a))
    const holding = first(longest.form, true, (chunk) => quotes.every((quote) => hasQuote(chunk, quote)))
    if (holding !== undefined) return holding
    const lost = quotes.find((quote) => first(quote.form, true, (chunk) => hasQuote(chunk, quote)) === undefined)
    if (lost === undefined) return 'no one chunk has all of its quotes'
    return missing(`quote ${shown(lost.shown)}`, (text) => canonicalCased(text).includes(lost.cased), {
      needle: lost.form,
      document,
      search,
    })
  }
  // Most answers are words of their own: only where none is, are longer words looked at.
  const whole = first(answer, false, (chunk) => holds(chunks.formOf(chunk), answer) === 'words')
  if (whole !== undefined) return whole
  let part: number | undefined
  for (const chunk of candidates(answer, true)) {
    const how: Holding = holds(chunks.formOf(chunk), answer)
    if (how === 'attached' || how === 'words') return chunk
    if (how === 'part') part ??= chunk
  }
  if (part !== undefined) return part
  if (own !== undefined && search.allowAbstractive) {
    const [best] = words.rankAmong(question.question, own)
    return best!.text
  }
  return missing(`answer ${shown(folded(question.answer))}`, (text) => canonical(text).includes(answer), {
    needle: answer,
    document,
    search,
  })
}

/** The chunk that an unanswerable question seems to be about: a context without it would be too easy to refuse. */
function nearestChunk({ question, document, chunk }: RaftQuestion, search: GoldenSearch): number | string {
  const { documents, words, chunks } = search
  const known = document === undefined ? undefined : documents.get(document)
  if (document !== undefined && (known === undefined || known.count === 0))
    return `unknown or empty document ${shown(document)}`
  const own = known && chunksOf(known)
  const named = chunk === undefined ? undefined : own?.find((each) => chunks.at(each).id === chunk)
  if (named !== undefined) return named
  const ranked = own === undefined ? words.rank(question, () => true) : words.rankAmong(question, own)
  for (const { text } of ranked) return text
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
  const isInDocument = (id: string) => {
    const named = search.documents.get(id)
    return named !== undefined && isIn(search.textOf(named))
  }
  const cut = document ?? likelyDocuments(needle, search).find(isInDocument)
  if (cut !== undefined && isInDocument(cut))
    return `${what} stands in document ${shown(cut)}, but whole in no chunk of it`
  return document === undefined ? `${what} stands in no document` : `${what} is not in document ${shown(document)}`
}

/** Documents of several chunks that share words with a text, the likeliest first. */
function likelyDocuments(needle: string, { words, chunks, documents }: GoldenSearch): string[] {
  const likely = new Set<string>()
  for (const { text } of words.rank(needle, () => true)) {
    const { document } = chunks.at(text)
    if (documents.get(document)!.count > 1) likely.add(document)
    if (likely.size >= mostCutDocuments) break
  }
  return [...likely]
}

/** White space folded. */
const folded = (text: string): string => text.replace(/\s+/g, ' ').trim()

const shown = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
