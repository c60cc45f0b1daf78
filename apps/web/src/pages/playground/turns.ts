// A conversation: the turns so far, and what of them goes along with the next question.
import type { ChatRequest, Side } from '@jora/gui/client'
import type { Answers } from './answers'

export interface Turn {
  readonly question: string
  /** What each side answered; absent where it was not asked. */
  readonly answers: Readonly<Partial<Record<Side, string>>>
}

/** The server takes as many messages. */
const most = 60

/** A question and what came of it; undefined where nothing was answered. */
export function turnOf(question: string, { sides }: Pick<Answers, 'sides'>): Turn | undefined {
  const answers = Object.fromEntries(
    Object.entries(sides).flatMap(([side, { text }]) => (text.trim() === '' ? [] : [[side, text.trim()]])),
  )
  return Object.keys(answers).length === 0 ? undefined : { question, answers }
}

/** Turns as messages: each side goes on from its own answers. */
export const historyOf = (turns: readonly Turn[]): NonNullable<ChatRequest['history']> =>
  turns.slice(-most).flatMap(({ question, answers }) => [
    { role: 'user' as const, content: question },
    ...Object.entries(answers).map(([side, content]) => ({
      role: 'assistant' as const,
      content,
      side: side as Side,
    })),
  ])
