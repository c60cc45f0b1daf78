// What two models have answered so far. Pure: grown by the lines of the answer.
import type { ChatEvent, Side } from '@jora/gui/client'

export interface Answer {
  readonly text: string
  readonly done:
    | {
        readonly reason: 'stop' | 'length'
        readonly tokens: number
        readonly seconds: number
        /** Against the right answer, where that is known. */
        readonly score: { readonly right: boolean; readonly f1: number } | undefined
      }
    | undefined
}

export interface Answers {
  /** What is being waited for, before the first token. */
  readonly loading: string | undefined
  /** What the models see of the documents, best first or in their order; `text` where it is a passage of one. */
  readonly context: Extract<ChatEvent, { type: 'context' }>['documents']
  readonly prompt: { readonly text: string; readonly tokens: number } | undefined
  readonly sides: Readonly<Partial<Record<Side, Answer>>>
  readonly error: string | undefined
}

export const noAnswers: Answers = {
  loading: undefined,
  context: [],
  prompt: undefined,
  sides: {},
  error: undefined,
}

const blank: Answer = { text: '', done: undefined }

export function addChatEvent(answers: Answers, event: ChatEvent): Answers {
  switch (event.type) {
    case 'loading':
      return { ...answers, loading: event.text }
    case 'context':
      return { ...answers, context: event.documents }
    case 'prompt':
      return { ...answers, prompt: { text: event.text, tokens: event.tokens } }
    case 'token': {
      const side = answers.sides[event.side] ?? blank
      return {
        ...answers,
        loading: undefined,
        sides: { ...answers.sides, [event.side]: { ...side, text: side.text + event.text } },
      }
    }
    case 'done': {
      const { finishReason: reason, tokens, seconds, score } = event
      const side = { ...(answers.sides[event.side] ?? blank), done: { reason, tokens, seconds, score } }
      return { ...answers, loading: undefined, sides: { ...answers.sides, [event.side]: side } }
    }
    case 'error':
      return { ...answers, loading: undefined, error: event.message }
  }
}
