// What a model is asked, as the row that training would have made of it: a question has the ids it has in training.

import type { JsonRecord } from '../records/json'
import type { ChatMessage, ContextDocument, Row } from '../rows/row-formats'
import type { Tokenizer } from '../tokenizer/tokenizer'
import { questionsOf } from './asked'
import { renderDocuments } from './prompt'
import { framedInstruction, type PromptTemplate } from './template'

/** Something to answer. The prompt template decides how it becomes text; a `prompt` is continued as it is. */
export type Ask =
  | { readonly prompt: string }
  /** Ids, as `questionsOf` makes them of rows. */
  | { readonly ids: AskedIds }
  | { readonly instruction: string; readonly input?: string }
  /** A question, on documents where there are any. */
  | { readonly question: string; readonly documents?: readonly ContextDocument[] }
  | AskedConversation

/** A conversation whose last message is answered. */
export interface AskedConversation {
  readonly messages: readonly ChatMessage[]
  /** What that message is about. */
  readonly documents?: readonly ContextDocument[]
  /** Tools that the answer may call, as JSON schemas; only chat templates show them. */
  readonly tools?: readonly JsonRecord[]
}

/** Ids of a prompt. */
export interface AskedIds {
  /** The context, which other questions may share; empty without one. */
  readonly context: readonly number[]
  /** How many tokens of `context`, from its beginning, the prompt continues; all when absent. */
  readonly contextLength?: number
  /** What follows it, up to where the answer begins. */
  readonly prompt: readonly number[]
}

/** The answer that nobody reads: it marks where the real one begins. */
const placeholder = '…'

/**
 * The ids of what is asked, up to where the answer begins: the same ids that a training row with this question has.
 * @throws DatasetError | Error when the chat template refuses it, or a conversation does not end with a user message
 */
export function askedIds(ask: Ask, tokenizer: Tokenizer, template: PromptTemplate): AskedIds {
  if ('ids' in ask) return ask.ids
  if ('prompt' in ask) return { context: [], prompt: tokenizer.encode(ask.prompt) }
  const [asked] = questionsOf(rowOf(ask, template), tokenizer, { template })
  return { context: asked!.context, prompt: asked!.prompt }
}

/** The row that is asked. */
function rowOf(ask: Exclude<Ask, { prompt: string } | { ids: AskedIds }>, template: PromptTemplate): Row {
  if ('messages' in ask) return conversation(ask, template)
  if ('instruction' in ask) return { ...ask, output: placeholder }
  const { question, documents = [] } = ask
  if (documents.length === 0) return { instruction: question, output: placeholder }
  return { context: documents, questions: [{ question, answer: placeholder }] }
}

function conversation({ messages, documents = [], tools = [] }: AskedConversation, template: PromptTemplate): Row {
  const last = messages.at(-1)
  if (last?.role !== 'user' && (documents.length > 0 || template.chat === undefined))
    throw new Error('the last message of a conversation must be the user’s')
  if (tools.length > 0 && template.chat === undefined)
    throw new RangeError('the model is asked without a chat template, which tools need')
  // A lone question is what rows hold: it has their ids.
  const isLone = tools.length === 0 && messages.length === 1
  if (last !== undefined && isLone && (documents.length > 0 || template.chat === undefined))
    return rowOf({ question: last.content, documents }, template)
  if (template.chat === undefined)
    return { prompt: framedConversation(messages, documents, template), completion: placeholder }
  const asked =
    documents.length === 0
      ? messages
      : [...messages.slice(0, -1), { ...last!, content: aboutDocuments(last!.content, documents, template) }]
  const whole: ChatMessage[] = [...asked, { role: 'assistant', content: placeholder }]
  return tools.length === 0 ? { messages: whole } : { messages: whole, tools }
}

/** A question behind its documents, as the text of a message or of a whole prompt. */
function aboutDocuments(question: string, documents: readonly ContextDocument[], template: PromptTemplate): string {
  const { head, before, after } = template.frames.context
  const context = renderDocuments({ context: documents, questions: [] }, template.documents).join('')
  return head + context + before + question + after
}

/** Without a chat template: one turn after another, each in its frame, the system's text before all. */
function framedConversation(
  messages: readonly ChatMessage[],
  documents: readonly ContextDocument[],
  template: PromptTemplate,
): string {
  return messages
    .map(({ role, content }, i) => {
      if (role !== 'user') return `${content}\n\n`
      return i === messages.length - 1 && documents.length > 0
        ? aboutDocuments(content, documents, template)
        : framedInstruction(template.frames, { instruction: content })
    })
    .join('')
}
