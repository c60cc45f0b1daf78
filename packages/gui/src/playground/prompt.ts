// The prompt of an ask, built as training builds it, with the documents that answer it best in front.
import { questionsOf, Retriever, type Row, type Tokenizer } from '@jora/data'
import type { ChatEvent } from '../api'
import type { Ask } from './messages'

const defaultRetrieved = 3

export interface BuiltPrompt {
  readonly ids: readonly number[]
  /** What was retrieved, where documents were given. */
  readonly context: Extract<ChatEvent, { type: 'context' }> | undefined
}

/** The best documents by BM25; the first ones where none shares a word with the question. */
function retrieve({
  documents = [],
  text,
  retrieve: limit = defaultRetrieved,
}: Ask): { index: number; score: number }[] {
  const index = new Retriever(
    documents.map((document, i) => ({
      id: String(i),
      text: document.text,
      ...(document.title && { title: document.title }),
    })),
  )
  const hits = index.search(text, { limit }).map(({ id, score }) => ({ index: Number(id), score }))
  return hits.length > 0 ? hits : documents.slice(0, limit).map((_, i) => ({ index: i, score: 0 }))
}

/** The row that is asked; its answer, which nobody reads, stands for what is to come. */
function rowOf(ask: Ask, hits: readonly { readonly index: number }[]): Row {
  const { text, input, history = [], documents = [], mode } = ask
  if (hits.length > 0) {
    const context = hits.map(({ index }) => {
      const { title, text: content } = documents[index]!
      return title === undefined ? { text: content } : { title, text: content }
    })
    return { context, questions: [{ question: text, answer: '…' }] }
  }
  if (mode === 'chat')
    return { messages: [...history, { role: 'user', content: text }, { role: 'assistant', content: '…' }] }
  return { instruction: text, ...(input === undefined || input === '' ? {} : { input }), output: '…' }
}

/** @throws Error for a chat without a template, and the like, in words for people */
export function buildPrompt(ask: Ask, tokenizer: Tokenizer): BuiltPrompt {
  const { documents = [], mode, text, contextTemplate } = ask
  if (documents.length === 0 && mode === 'prompt') return { ids: tokenizer.encode(text), context: undefined }
  const hits = documents.length > 0 ? retrieve(ask) : []
  const template = mode === 'prompt' ? 'none' : mode === 'chat' ? 'chat' : 'alpaca'
  const [asked] = questionsOf(rowOf(ask, hits), tokenizer, { template, contextTemplate })
  const shown = hits.map(({ index, score }) => {
    const { title } = documents[index]!
    return { index, score, ...(title === undefined ? {} : { title }) }
  })
  return {
    ids: [...asked!.context, ...asked!.prompt],
    context: hits.length > 0 ? { type: 'context', documents: shown } : undefined,
  }
}
