// Rows as the texts that are tokenised apart, each learned or not.

import { chatTemplateOf, type ChatTemplate, type Conversation, type Turn } from './chat'
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

/** The prompt template of rows. */
export interface TemplateOptions {
  /** The template, or its name for the tokenizer at hand. */
  readonly template: PromptTemplate | PromptTemplateName
  /** How documents of a context are written (default: as the template says; `auto` where `template` is a name). */
  readonly contextTemplate?: ContextTemplate
}

/** A row with one context, or none, as texts that follow one another. */
export type TextRow = Exclude<Row, ContextRow | TokenRow>

/** A row's conversation and the template it goes through; undefined where its prompt is plain text. */
function conversationOf(
  row: TextRow,
  tokenizer: Tokenizer,
  options: TemplateOptions,
): { readonly chat: ChatTemplate; readonly conversation: Conversation } | undefined {
  if ('messages' in row) return { chat: chatOf(tokenizer, options, row.tools), conversation: row }
  if ('prompt' in row) return undefined
  const { frames, chat, time } = templateFor(options.template, tokenizer)
  if (chat === undefined) return undefined
  const messages: ChatMessage[] = [
    ...earlierMessages(row),
    { role: 'user', content: framedInstruction(frames, row) },
    { role: 'assistant', content: row.output },
  ]
  return { chat: chatTemplateOf(tokenizer, chat, time), conversation: { messages } }
}

/**
 * The row's pieces; all of them together are its text. Undefined when it has no one text: its chat template renders an answer
 * otherwise once others follow, and each of its {@link rowTurns} is a text of its own.
 *
 * @throws DatasetError when the chat template cannot take it
 */
export function rowSegments(row: TextRow, tokenizer: Tokenizer, options: TemplateOptions): Segment[] | undefined {
  return located(row, () => {
    const through = conversationOf(row, tokenizer, options)
    if (through !== undefined) return through.chat.segments(through.conversation)
    const [turn] = rowTurns(row, tokenizer, options)
    return [{ text: turn!.prompt, learned: false }, turn!.answer]
  })
}

/** The row's answers, each with the text before it. @throws DatasetError when the chat template cannot take it */
export function rowTurns(row: TextRow, tokenizer: Tokenizer, options: TemplateOptions): Turn[] {
  return located(row, () => {
    const through = conversationOf(row, tokenizer, options)
    if (through !== undefined) return through.chat.turns(through.conversation)
    if ('prompt' in row) return [answered(row.prompt, row.completion)]
    if ('messages' in row) return []
    const { frames } = templateFor(options.template, tokenizer)
    return [answered(earlierText(row, frames) + framedInstruction(frames, row), row.output)]
  })
}

const answered = (prompt: string, text: string): Turn => ({ prompt, answer: { text, learned: true, ends: true } })

/** Conversations need a chat template whatever else is framed otherwise: the adapter's, else the model's. */
function chatOf(tokenizer: Tokenizer, { template }: TemplateOptions, tools: Conversation['tools']): ChatTemplate {
  const { chat, time }: Partial<PromptTemplate> = typeof template === 'string' ? {} : template
  const plain = chat ?? tokenizer.chatTemplate
  // Some models have a template of its own for tools, as transformers does take then.
  const source = tools !== undefined && plain === tokenizer.chatTemplate ? (tokenizer.toolTemplate ?? plain) : plain
  return chatTemplateOf(tokenizer, source, time)
}

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
    const { frames, chat: source, time, documents: written } = templateFor(template, tokenizer, contextTemplate)
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
    const chat = chatTemplateOf(tokenizer, source, time)
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
