// What two models have answered so far. Pure: grown by the lines of the answer.
import type { ChatEvent, Side } from '@jora/gui/client'

export interface Answer {
  readonly text: string
  readonly done: { readonly reason: 'stop' | 'length'; readonly tokens: number; readonly seconds: number } | undefined
}

export interface Answers {
  /** What is being waited for, before the first token. */
  readonly loading: string | undefined
  /** Indices of the documents that the models see, best first. */
  readonly context: readonly { readonly index: number; readonly score: number }[]
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
      const { finishReason: reason, tokens, seconds } = event
      const side = { ...(answers.sides[event.side] ?? blank), done: { reason, tokens, seconds } }
      return { ...answers, loading: undefined, sides: { ...answers.sides, [event.side]: side } }
    }
    case 'error':
      return { ...answers, loading: undefined, error: event.message }
  }
}
