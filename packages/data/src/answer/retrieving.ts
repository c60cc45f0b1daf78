// An Answerer that looks for passages first: questions without documents of their own get the best of a collection.

import { Bm25Index, type RetrievedText } from '../retrieval/lexical'
import type { OpenRetriever, Ranking, Retriever } from '../retrieval/retriever'
import { bm25Retriever, openBm25, wordRanking } from '../retrieval/retrievers'
import type { ChatMessage, ContextDocument } from '../rows/row-formats'
import type { Ask } from '../prompt/ask'
import { answerOf, type Answer, type Answerer, type AnswerOptions, type Passage, type Piece } from './answerer'

/** How passages are found. */
export interface RetrievalOptions {
  /** How many documents a question gets (default 3). */
  readonly limit?: number
  /** What finds them (default: BM25 over the documents). */
  readonly retriever?: Retriever
}

const textsOf = (documents: readonly ContextDocument[]): RetrievedText[] =>
  documents.map(({ title, text }, i) => ({ id: String(i), text, ...(title === undefined ? {} : { title }) }))

/**
 * The retriever of a collection of documents, which it finds by their places.
 * @param open makes it (default: BM25)
 * @throws what `open` throws
 */
export async function documentRetriever(
  documents: readonly ContextDocument[],
  open: OpenRetriever = openBm25,
): Promise<Retriever> {
  const texts = textsOf(documents)
  return open(texts, new Bm25Index(texts))
}

/** The first texts of a ranking; where it has none, the first documents, with score 0. */
function passagesOf(documents: readonly ContextDocument[], ranking: Ranking, limit: number): Passage[] {
  const passages: Passage[] = []
  for (const { text, score } of limit > 0 ? ranking.best() : []) {
    passages.push({ ...documents[text]!, index: text, score })
    if (passages.length === limit) break
  }
  if (passages.length > 0) return passages
  return documents.slice(0, limit).map((document, index) => ({ ...document, index, score: 0 }))
}

/**
 * A function that finds the documents for each of several questions, best first. Where none is found it returns the first
 * ones, with score 0.
 */
export function findPassages(
  documents: readonly ContextDocument[],
  { limit = 3, retriever }: RetrievalOptions = {},
): (questions: readonly string[]) => Promise<readonly (readonly Passage[])[]> {
  const found = retriever ?? bm25Retriever(new Bm25Index(textsOf(documents)))
  return async (questions) => (await found.rank(questions)).map((ranking) => passagesOf(documents, ranking, limit))
}

/**
 * A function that finds the documents for a question by BM25, best first. Where no document shares a word with the
 * question it returns the first ones, with score 0.
 * @deprecated use {@link findPassages}, which takes any retriever
 */
export function passageFinder(
  documents: readonly ContextDocument[],
  { limit = 3 }: Pick<RetrievalOptions, 'limit'> = {},
): (question: string) => Passage[] {
  const index = new Bm25Index(textsOf(documents))
  return (question) => passagesOf(documents, wordRanking(index, question), limit)
}

/** What is looked for, where an ask may get documents: a prompt, an input or documents of its own stay as they are. */
function questionOf(ask: Ask): string | undefined {
  if ('prompt' in ask || 'ids' in ask) return undefined
  if ('instruction' in ask) return ask.input === undefined || ask.input === '' ? ask.instruction : undefined
  if (ask.documents !== undefined && ask.documents.length > 0) return undefined
  if ('question' in ask) return ask.question
  const last = ask.messages.at(-1)
  return last?.role === 'user' ? last.content : undefined
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
  const find = findPassages(documents, options)
  interface Found {
    readonly ask: Ask
    readonly passages?: readonly Passage[]
  }
  async function withPassages(asks: readonly Ask[]): Promise<readonly Found[]> {
    const questions = asks.map(questionOf)
    const found = await find(questions.filter((question) => question !== undefined))
    let next = 0
    return asks.map((ask, i) => {
      const question = questions[i]
      if (question === undefined) return { ask }
      const passages = found[next++]!
      const shown = passages.map(({ title, text }) => (title === undefined ? { text } : { title, text }))
      return { passages, ask: 'messages' in ask ? { ...ask, documents: shown } : { question, documents: shown } }
    })
  }
  const citing = (answer: Answer, passages: readonly Passage[] | undefined): Answer =>
    passages === undefined ? answer : { ...answer, passages }

  async function* stream(asked: Ask, answerOptions?: AnswerOptions): AsyncGenerator<Piece, void> {
    const [{ ask, passages } = { ask: asked }] = await withPassages([asked])
    for await (const piece of answerer.stream(ask, answerOptions))
      yield piece.answer ? { ...piece, answer: citing(piece.answer, passages) } : piece
  }
  return {
    stream,
    ask: (ask, answerOptions) => answerOf(stream(ask, answerOptions)),
    chat: (messages: readonly ChatMessage[], answerOptions) => stream({ messages }, answerOptions),
    ...(answerer.embed && { embed: answerer.embed.bind(answerer) }),
    async *askAll(asks, answerOptions) {
      const found = await withPassages(asks)
      const answers = answerer.askAll(
        found.map(({ ask }) => ask),
        answerOptions,
      )
      for await (const { index, ...answer } of answers) yield { ...citing(answer, found[index]!.passages), index }
    },
  }
}
