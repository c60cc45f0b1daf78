// Rows as the texts that are tokenised apart, each learned or not.

import { chatTemplateOf } from './chat'
import { earlierMessages, earlierText } from './earlier'
import { DatasetError } from '../errors'
import { renderDocuments } from './prompt'
import type { Segment } from './segment'
import {
  framedInstruction,
  templateFor,
  type ContextTemplate,
  type PromptTemplate,
  type PromptTemplateName,
} from './template'
import type { ChatMessage, ContextRow, Row, TokenRow } from '../rows/row-formats'
import type { Tokenizer } from '../tokenizer/tokenizer'

export interface TemplateOptions {
  /** The template, or its name for the tokenizer at hand. */
  readonly template: PromptTemplate | PromptTemplateName
  /** How documents of a context are written (default: as the template says, `auto` where it is a name). */
  readonly contextTemplate?: ContextTemplate
}

/** A row with one context, or none, as texts that follow one another. */
export type TextRow = Exclude<Row, ContextRow | TokenRow>

/** The row's pieces; all of them together are its text. @throws DatasetError when the chat template cannot take it */
export function rowSegments(row: TextRow, tokenizer: Tokenizer, options: TemplateOptions): Segment[] {
  return located(row, () => {
    if ('messages' in row) return chatTemplateOf(tokenizer, chatSource(options)).segments(row.messages, row.tools)
    if ('prompt' in row) return answered(row.prompt, row.completion)
    const { frames, chat } = templateFor(options.template, tokenizer)
    const prompt = framedInstruction(frames, row)
    if (chat === undefined) return answered(earlierText(row, frames) + prompt, row.output)
    const messages: ChatMessage[] = [
      ...earlierMessages(row),
      { role: 'user', content: prompt },
      { role: 'assistant', content: row.output },
    ]
    return chatTemplateOf(tokenizer, chat).segments(messages)
  })
}

const answered = (prompt: string, answer: string): Segment[] => [
  { text: prompt, learned: false },
  { text: answer, learned: true, ends: true },
]

/** Conversations need a chat template whatever else is framed otherwise: the adapter's, else the model's. */
const chatSource = ({ template }: TemplateOptions): string | undefined =>
  typeof template === 'string' ? undefined : template.chat

/** A context in pieces, and for each question what follows the documents it sees. */
export interface ContextSegments {
  readonly head: string
  readonly documents: readonly string[]
  readonly branches: readonly { readonly question: string; readonly answer: Segment }[]
}

/** @throws DatasetError when the chat template cannot take it */
export function contextSegments(
  row: ContextRow,
  tokenizer: Tokenizer,
  { template, contextTemplate }: TemplateOptions,
): ContextSegments {
  return located(row, () => {
    const { frames, chat: source, documents: written } = templateFor(template, tokenizer, contextTemplate)
    const documents = renderDocuments(row, written)
    const { head, before, after } = frames.context
    if (source === undefined) {
      return {
        head,
        documents,
        branches: row.questions.map(({ question, answer }) => ({
          question: before + question + after,
          answer: { text: answer, learned: true, ends: true },
        })),
      }
    }
    const chat = chatTemplateOf(tokenizer, source)
    const user = chat.frame()
    return {
      head: user.before + head,
      documents,
      branches: row.questions.map(({ question, answer }) => ({
        question: `${before}${(question + after).trimEnd()}${user.after}`,
        answer: chat.answer(answer),
      })),
    }
  })
}

/** Whether the pieces spell BOS themselves where the model wants it. */
export const spellsBos = (row: Row, template: TemplateOptions['template']): boolean =>
  'messages' in row ||
  ((typeof template === 'string' ? template === 'chat' : template.chat !== undefined) &&
    !('prompt' in row) &&
    !('input_ids' in row))

/** Errors of `make` with the place of the row. */
function located<T>(row: Row, make: () => T): T {
  try {
    return make()
  } catch (error) {
    throw new DatasetError({ ...row.origin, problem: (error as Error).message })
  }
}
