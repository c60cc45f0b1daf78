// Prompt templates: how a row becomes the text before its answer.

import type { AlpacaRow, CompletionRow, ContextDocument, ContextRow } from '../rows/row-formats'

/**
 * `alpaca`: Stanford Alpaca's wording, and in the same style for contexts; `chat`: the model's own chat template; `none`: the
 * row's own text and nothing else.
 */
export const promptTemplates = ['alpaca', 'chat', 'none'] as const
export type PromptTemplate = (typeof promptTemplates)[number]

/**
 * How a context of several documents is written. `document`: each between `<DOCUMENT>` tags, as RAFT has them; `plain`: one
 * after another, a line break after each; `auto`: plain where questions see the first few of them only, as of a text's lines.
 */
export const contextTemplates = ['auto', 'document', 'plain'] as const
export type ContextTemplate = (typeof contextTemplates)[number]

/** @throws Error when `value` is no template, naming the flag. */
export function parsePromptTemplate(value: string): PromptTemplate {
  const known = promptTemplates.find((name) => name === value)
  if (known !== undefined) return known
  throw new Error(`--prompt-template: got ${JSON.stringify(value)}; expected alpaca, chat or none`)
}

function alpacaPrompt(instruction: string, input: string): string {
  if (input === '') {
    return (
      'Below is an instruction that describes a task. ' +
      'Write a response that appropriately completes the request.\n\n' +
      `### Instruction:\n${instruction}\n\n### Response:\n`
    )
  }
  return (
    'Below is an instruction that describes a task, paired with an input that provides further context. ' +
    'Write a response that appropriately completes the request.\n\n' +
    `### Instruction:\n${instruction}\n\n### Input:\n${input}\n\n### Response:\n`
  )
}

/** A row's own text: the instruction, and the input on a new line when there is one. */
export const plainText = ({ instruction, input = '' }: Omit<AlpacaRow, 'output'>): string =>
  input === '' ? instruction : `${instruction}\n${input}`

/**
 * The text a model sees before the answer. With `none` it is the row's own text; the answer follows directly. A
 * prompt/completion row's prompt is taken as it stands under either template.
 *
 * @throws Error for a template that needs a tokenizer (`chat`), or is none
 */
export function renderPrompt(
  template: PromptTemplate,
  row: Omit<AlpacaRow, 'output'> | Pick<CompletionRow, 'prompt'>,
): string {
  const known = parsePromptTemplate(template)
  if ('prompt' in row) return row.prompt
  if (known === 'chat') throw new Error('renderPrompt: a chat template belongs to a tokenizer; use tokenizeRow')
  return known === 'alpaca' ? alpacaPrompt(row.instruction, row.input ?? '') : plainText(row)
}

/** The documents of a context, each as the text it adds; a context given as text is one. */
export function renderDocuments({ context, questions }: ContextRow, template: ContextTemplate): string[] {
  if (typeof context === 'string') return [`${context}\n`]
  const plain = template === 'plain' || (template === 'auto' && questions.some((q) => q.documents !== undefined))
  return context.map((document) => (plain ? `${titled(document)}\n` : `<DOCUMENT>${titled(document)}</DOCUMENT>\n`))
}

const titled = ({ title, text }: ContextDocument): string => (title === undefined ? text : `${title}\n${text}`)

/** What stands before a context, and around a question up to its answer. The context comes first: it is what is shared. */
export const contextFrames: Readonly<
  Record<Exclude<PromptTemplate, 'chat'>, { readonly head: string; readonly before: string; readonly after: string }>
> = {
  alpaca: { head: '### Context:\n', before: '\n### Question:\n', after: '\n\n### Answer:\n' },
  none: { head: '', before: '', after: '\n' },
}
