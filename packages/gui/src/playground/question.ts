// What the page asks, as a question to a model.
import type { Ask as Question } from '@jora/data'
import type { ChatEvent, Side } from '../api'
import type { LoadedModel } from './loaded-model'
import type { Ask } from './messages'

/** What each side is asked, with the passages that answer it best: sides differ in what they answered before. */
export async function questionOf(
  ask: Omit<Ask, 'modelDir' | 'adapterDir' | 'sides'>,
  { prompt, passages: finder }: Pick<LoadedModel, 'prompt' | 'passages'>,
  tell: (event: ChatEvent) => void,
): Promise<(side: Side) => Question> {
  const { text, input, history = [], documents = [] } = ask
  const mode =
    ask.mode ?? ({ none: 'prompt', chat: 'chat', alpaca: 'instruction', raft: 'instruction' } as const)[prompt.name]
  const messagesOf = (side: Side) => [
    ...history.flatMap(({ side: whose, ...turn }) => (whose === undefined || whose === side ? [turn] : [])),
    { role: 'user' as const, content: text },
  ]
  if (documents.length === 0) {
    if (mode === 'prompt') return () => ({ prompt: text })
    if (mode === 'chat') return (side) => ({ messages: messagesOf(side) })
    return () => ({ instruction: text, ...(input === undefined || input === '' ? {} : { input }) })
  }
  const read = await finder.find(ask, documents, tell)
  tell({
    type: 'context',
    documents: read.map(({ isPart, title, text: passage, ...found }) => ({
      ...found,
      ...(title === undefined ? {} : { title }),
      ...(isPart ? { text: passage } : {}),
    })),
  })
  const seen = read.map(({ title, text: passage }) =>
    title === undefined ? { text: passage } : { title, text: passage },
  )
  return mode === 'chat'
    ? (side) => ({ messages: messagesOf(side), documents: seen })
    : () => ({ question: text, documents: seen })
}
