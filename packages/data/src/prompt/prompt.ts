// How a row becomes the text before its answer.

import type { AlpacaRow, CompletionRow, ContextDocument, ContextRow } from '../rows/row-formats'
import {
  framedInstruction,
  frames,
  parsePromptTemplate,
  type ContextTemplate,
  type PromptTemplateName,
} from './template'

/**
 * The text a model sees before the answer. With `none` it is the row's own text; the answer follows directly. A
 * prompt/completion row's prompt is used as it is under any template.
 *
 * @throws Error for a template that needs a tokenizer (`chat`), or is none
 */
export function renderPrompt(
  template: PromptTemplateName,
  row: Omit<AlpacaRow, 'output'> | Pick<CompletionRow, 'prompt'>,
): string {
  const known = parsePromptTemplate(template)
  if ('prompt' in row) return row.prompt
  if (known === 'chat') throw new Error('renderPrompt: a chat template belongs to a tokenizer; use tokenizeRow')
  return framedInstruction(frames[known], row)
}

/** The documents of a context, each as the text it adds; a context given as text is one. */
export function renderDocuments({ context, questions }: ContextRow, template: ContextTemplate): string[] {
  if (typeof context === 'string') return [`${context}\n`]
  const plain = template === 'plain' || (template === 'auto' && questions.some((q) => q.documents !== undefined))
  return context.map((document) => (plain ? `${titled(document)}\n` : `<DOCUMENT>${titled(document)}</DOCUMENT>\n`))
}

const titled = ({ title, text }: ContextDocument): string => (title === undefined ? text : `${title}\n${text}`)
