// An Answerer that looks for passages first: questions without documents of their own get the best of a collection.

import { Retriever } from '../retrieval/lexical'
import type { ChatMessage, ContextDocument } from '../rows/row-formats'
import type { Ask } from '../prompt/ask'
import { answerOf, type Answer, type Answerer, type AnswerOptions, type Passage, type Piece } from './answerer'

/** How many documents {@link retrieving} and {@link passageFinder} take. */
export interface RetrievalOptions {
  /** How many documents a question gets (default 3). */
  readonly limit?: number
}

/**
 * A function that finds the documents for a question by BM25, best first. Where no document shares a word with the
 * question it returns the first ones, with score 0.
 */
export function passageFinder(
  documents: readonly ContextDocument[],
  { limit = 3 }: RetrievalOptions = {},
): (question: string) => Passage[] {
  const retriever = new Retriever(
    documents.map(({ title, text }, i) => ({ id: String(i), text, ...(title === undefined ? {} : { title }) })),
  )
  return (question) => {
    const hits = retriever.search(question, { limit })
    if (hits.length === 0) return documents.slice(0, limit).map((document, index) => ({ ...document, index, score: 0 }))
    return hits.map(({ id, score }) => ({ ...documents[Number(id)]!, index: Number(id), score }))
  }
}

/** What is looked for, where an ask may get documents: a prompt, an input or documents of its own stay as they are. */
function questionOf(ask: Ask): string | undefined {
  if ('prompt' in ask || 'ids' in ask) return undefined
  if ('instruction' in ask) return ask.input === undefined || ask.input === '' ? ask.instruction : undefined
  if (ask.documents !== undefined && ask.documents.length > 0) return undefined
  return 'question' in ask ? ask.question : ask.messages.findLast(({ role }) => role === 'user')?.content
}

/**
 * An answerer that finds documents for each question, puts them before it, and returns them as the answer's `passages`.
 * What brings documents, an input or a prompt of its own is passed on as it is.
 */
export function retrieving(
  answerer: Answerer,
  documents: readonly ContextDocument[],
  options?: RetrievalOptions,
): Answerer {
  const find = passageFinder(documents, options)
  const withPassages = (ask: Ask): { readonly ask: Ask; readonly passages?: readonly Passage[] } => {
    const question = questionOf(ask)
    if (question === undefined) return { ask }
    const passages = find(question)
    const shown = passages.map(({ title, text }) => (title === undefined ? { text } : { title, text }))
    return { passages, ask: 'messages' in ask ? { ...ask, documents: shown } : { question, documents: shown } }
  }
  const citing = (answer: Answer, passages: readonly Passage[] | undefined): Answer =>
    passages === undefined ? answer : { ...answer, passages }

  async function* stream(asked: Ask, answerOptions?: AnswerOptions): AsyncGenerator<Piece, void> {
    const { ask, passages } = withPassages(asked)
    for await (const piece of answerer.stream(ask, answerOptions))
      yield piece.answer ? { ...piece, answer: citing(piece.answer, passages) } : piece
  }
  return {
    stream,
    ask: (ask, answerOptions) => answerOf(stream(ask, answerOptions)),
    chat: (messages: readonly ChatMessage[], answerOptions) => stream({ messages }, answerOptions),
    async *askAll(asks, answerOptions) {
      const found = asks.map(withPassages)
      const answers = answerer.askAll(
        found.map(({ ask }) => ask),
        answerOptions,
      )
      for await (const { index, ...answer } of answers) yield { ...citing(answer, found[index]!.passages), index }
    },
  }
}
