// What the page asks, as a question to a model.
import type { Ask as Question } from '@jora/data'
import type { ChatEvent } from '../api'
import type { LoadedModel } from './loaded-model'
import type { Ask } from './messages'

/** What is asked, with the documents that answer it best. */
export async function questionOf(
  ask: Omit<Ask, 'modelDir' | 'adapterDir' | 'sides'>,
  { prompt, passages: finder }: Pick<LoadedModel, 'prompt' | 'passages'>,
  tell: (event: ChatEvent) => void,
): Promise<Question> {
  const { text, input, history = [], documents = [] } = ask
  const mode =
    ask.mode ?? ({ none: 'prompt', chat: 'chat', alpaca: 'instruction', raft: 'instruction' } as const)[prompt.name]
  if (documents.length === 0) {
    if (mode === 'prompt') return { prompt: text }
    if (mode === 'chat') return { messages: [...history, { role: 'user', content: text }] }
    return { instruction: text, ...(input === undefined || input === '' ? {} : { input }) }
  }
  const given = documents.map(({ title, text: content }) =>
    title === undefined ? { text: content } : { title, text: content },
  )
  const passages = await finder.find(ask, given, tell)
  const shown = passages.map(({ index, score, title }) => ({ index, score, ...(title === undefined ? {} : { title }) }))
  tell({ type: 'context', documents: shown })
  const seen = passages.map(({ index }) => given[index]!)
  return mode === 'chat'
    ? { messages: [...history, { role: 'user', content: text }], documents: seen }
    : { question: text, documents: seen }
}
