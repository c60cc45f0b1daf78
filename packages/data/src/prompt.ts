// Prompt templates: how a row becomes the text before its answer.

import type { AlpacaRow, CompletionRow } from './row-formats'

/** `alpaca`: Stanford Alpaca's wording; `none`: the row's own text and nothing else. */
export type PromptTemplate = 'alpaca' | 'none'

/** @throws Error when `value` is no template that can be used, naming the flag. */
export function parsePromptTemplate(value: string): PromptTemplate {
  if (value === 'alpaca' || value === 'none') return value
  if (value === 'chat') {
    throw new Error('--prompt-template chat is not available yet; use --prompt-template alpaca or none')
  }
  throw new Error(`--prompt-template: got ${JSON.stringify(value)}; expected alpaca or none`)
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

/**
 * The text a model sees before the answer. With `none` it is the instruction, and the input on a new line when there is one;
 * the answer follows directly. A prompt/completion row's prompt is taken as it stands under either template.
 *
 * @throws Error for a template that is not available
 */
export function renderPrompt(
  template: PromptTemplate,
  row: Omit<AlpacaRow, 'output'> | Pick<CompletionRow, 'prompt'>,
): string {
  const known = parsePromptTemplate(template)
  if ('prompt' in row) return row.prompt
  const { instruction, input = '' } = row
  if (known === 'alpaca') return alpacaPrompt(instruction, input)
  return input === '' ? instruction : `${instruction}\n${input}`
}
