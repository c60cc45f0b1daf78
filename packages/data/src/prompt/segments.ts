// Rows as the texts that are tokenised apart, each learned or not.

import { chatTemplateOf } from './chat'
import { DatasetError } from '../errors'
import {
  contextFrames,
  parsePromptTemplate,
  plainText,
  renderDocuments,
  renderPrompt,
  type ContextTemplate,
  type PromptTemplate,
} from './prompt'
import type { ChatMessage, ContextRow, Row, TokenRow } from '../rows/row-formats'
import type { Tokenizer } from '../tokenizer/tokenizer'

export interface Segment {
  readonly text: string
  readonly learned: boolean
  /** The model stops after it: EOS follows, unless the text itself spells it. */
  readonly ends?: boolean
}

export interface TemplateOptions {
  readonly template: PromptTemplate
  /** How documents of a context are written (default `auto`). */
  readonly contextTemplate?: ContextTemplate
}

/** A row with one context, or none, as texts that follow one another. */
export type TextRow = Exclude<Row, ContextRow | TokenRow>

/** The row's pieces; all of them together are its text. @throws DatasetError when the chat template cannot take it */
export function rowSegments(row: TextRow, tokenizer: Tokenizer, { template }: TemplateOptions): Segment[] {
  if ('messages' in row) return chatSegments(row, row.messages, tokenizer)
  const answer = 'completion' in row ? row.completion : row.output
  if ('instruction' in row && parsePromptTemplate(template) === 'chat') {
    const messages: ChatMessage[] = [
      { role: 'user', content: plainText(row) },
      { role: 'assistant', content: answer },
    ]
    return chatSegments(row, messages, tokenizer)
  }
  return [
    { text: renderPrompt(template, row), learned: false },
    { text: answer, learned: true, ends: true },
  ]
}

const chatSegments = (row: Row, messages: readonly ChatMessage[], tokenizer: Tokenizer): Segment[] =>
  located(row, () => chatTemplateOf(tokenizer).segments(messages))

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
  { template, contextTemplate = 'auto' }: TemplateOptions,
): ContextSegments {
  const known = parsePromptTemplate(template)
  const documents = renderDocuments(row, contextTemplate)
  if (known !== 'chat') {
    const { head, before, after } = contextFrames[known]
    return {
      head,
      documents,
      branches: row.questions.map(({ question, answer }) => ({
        question: before + question + after,
        answer: { text: answer, learned: true, ends: true },
      })),
    }
  }
  return located(row, () => {
    const chat = chatTemplateOf(tokenizer)
    const { before, after } = chat.frame()
    return {
      head: before,
      documents,
      branches: row.questions.map(({ question, answer }) => ({
        question: `\n${question.trimEnd()}${after}`,
        answer: chat.answer(answer),
      })),
    }
  })
}

/** Whether the pieces spell BOS themselves where the model wants it. */
export const spellsBos = (row: Row, template: PromptTemplate): boolean =>
  'messages' in row || (template === 'chat' && !('prompt' in row) && !('input_ids' in row))

/** Errors of `make` with the place of the row. */
function located<T>(row: Row, make: () => T): T {
  try {
    return make()
  } catch (error) {
    throw new DatasetError({ ...row.origin, problem: (error as Error).message })
  }
}
