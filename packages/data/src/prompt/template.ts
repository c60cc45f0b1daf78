// Prompt templates: all that decides how a row or a question becomes text, and what ends an answer.

import { asRecord, isRecord } from '../records/json'
import type { Row } from '../rows/row-formats'
import type { Tokenizer } from '../tokenizer/tokenizer'
import { chatTemplateOf } from './chat'

/**
 * `alpaca`: Stanford Alpaca's wording, and in the same style for contexts; `raft`: context, question and answer under
 * headings, instructions too; `chat`: the model's own chat template; `none`: the row's own text and nothing else.
 */
export const promptTemplates = ['alpaca', 'raft', 'chat', 'none'] as const
/** A name of {@link promptTemplates}. */
export type PromptTemplateName = (typeof promptTemplates)[number]

/** What a run may be told: a template by name, or to choose one by rows and model; see {@link choosePromptTemplate}. */
export const promptChoices = ['auto', ...promptTemplates] as const
/** A name of {@link promptChoices}. */
export type PromptChoice = (typeof promptChoices)[number]

/**
 * How a context of several documents is written. `tags`: each between `<DOCUMENT>` tags, as RAFT has them; `plain`: one
 * after another, a line break after each; `auto`: plain where questions see the first few of them only, as of a text's lines.
 */
export const contextTemplates = ['auto', 'tags', 'plain'] as const
/** A name of {@link contextTemplates}. */
export type ContextTemplate = (typeof contextTemplates)[number]

/** The context template that a file names, `document` being the earlier name of `tags`; undefined for anything else. */
export const contextTemplateOf = (value: unknown): ContextTemplate | undefined =>
  contextTemplates.find((known) => known === (value === 'document' ? 'tags' : value))

/**
 * The text around what a row holds: the whole prompt, or with a chat template the user's message. In `instruction` and
 * `instructionWithInput`, `{instruction}` and `{input}` stand for the row's.
 */
export interface Frames {
  readonly instruction: string
  readonly instructionWithInput: string
  /** Before a context, and around a question up to its answer. The context comes first: it is what is shared. */
  readonly context: { readonly head: string; readonly before: string; readonly after: string }
}

/**
 * The text around what rows hold. It is chosen once, when an adapter is trained; `prompt.json` beside the adapter keeps
 * it for everything that asks the adapter.
 */
export interface PromptTemplate {
  readonly name: PromptTemplateName
  readonly frames: Frames
  /** How the documents of a context are written. */
  readonly documents: ContextTemplate
  /** Jinja source of the chat template, where conversations go through one. */
  readonly chat?: string
  /**
   * The time, ISO 8601, that the chat template writes into its text (`strftime_now`): that of the training, so that a run
   * that is resumed, and whoever asks later, has the prompt that was learned. Absent where the template asks for no time.
   */
  readonly time?: string
  /** Texts that end an answer, beside the model's own EOS. */
  readonly stops: readonly string[]
}

const raftContext = { head: '### Context:\n', before: '\n### Question:\n', after: '\n\n### Answer:\n' }
const plain = { instruction: '{instruction}', instructionWithInput: '{instruction}\n{input}' }

/** The frames of each template. */
export const frames = {
  alpaca: {
    instruction:
      'Below is an instruction that describes a task. ' +
      'Write a response that appropriately completes the request.\n\n' +
      '### Instruction:\n{instruction}\n\n### Response:\n',
    instructionWithInput:
      'Below is an instruction that describes a task, paired with an input that provides further context. ' +
      'Write a response that appropriately completes the request.\n\n' +
      '### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n',
    context: raftContext,
  },
  raft: {
    instruction: '### Question:\n{instruction}\n\n### Answer:\n',
    instructionWithInput: '### Context:\n{input}\n\n### Question:\n{instruction}\n\n### Answer:\n',
    context: raftContext,
  },
  chat: { ...plain, context: { head: '', before: '\n', after: '' } },
  none: { ...plain, context: { head: '', before: '', after: '\n' } },
} satisfies Record<PromptTemplateName, Frames>

/**
 * Checks the name of a template, as `--prompt-template` has it.
 * @throws Error for any other text, naming the flag and what it takes
 */
export function parsePromptTemplate(value: string): PromptTemplateName {
  const known = promptTemplates.find((name) => name === value)
  if (known !== undefined) return known
  throw new Error(`--prompt-template: got ${JSON.stringify(value)}; expected alpaca, raft, chat or none`)
}

/**
 * The template of this name for a model's tokenizer.
 * @param documents how the documents of a context are written
 * @throws Error for `chat` when the tokenizer has no chat template, or one that cannot be parsed
 */
export function promptTemplate(
  name: PromptTemplateName,
  tokenizer: Tokenizer,
  documents: ContextTemplate = 'auto',
): PromptTemplate {
  const framed = { name: parsePromptTemplate(name), frames: frames[name], documents }
  if (name !== 'chat') return { ...framed, stops: [] }
  const chat = chatTemplateOf(tokenizer)
  const end = chat.endMark()
  const time = chat.source.includes('strftime_now') ? { time: new Date().toISOString() } : {}
  return { ...framed, chat: chat.source, ...time, stops: end === '' ? [] : [end] }
}

/** A template itself, or its name for a tokenizer. */
export const templateFor = (
  template: PromptTemplate | PromptTemplateName,
  tokenizer: Tokenizer,
  documents?: ContextTemplate,
): PromptTemplate =>
  typeof template === 'string'
    ? promptTemplate(template, tokenizer, documents)
    : documents === undefined
      ? template
      : { ...template, documents }

/**
 * Resolves `auto` to a template. Rows that bring their prompts as text or ids are used as they are (`none`).
 * Conversations, and any rows for a model with a chat template, go through that (`chat`). Otherwise rows that are all
 * contexts with questions are `raft`, and everything else is `alpaca`.
 * @param choice a template's name, or `auto`
 * @param documents how the documents of a context are written (default `auto`)
 * @throws Error as {@link promptTemplate} does
 */
export function choosePromptTemplate(
  choice: PromptChoice,
  rows: readonly Row[] | RowKinds,
  tokenizer: Tokenizer,
  documents?: ContextTemplate,
): PromptTemplate {
  return promptTemplate(
    choice === 'auto' ? fitting('texts' in rows ? rows : kindsOf(rows), tokenizer) : choice,
    tokenizer,
    documents,
  )
}

/** How many rows there are, and how many of the kinds that a template is chosen by. */
export interface RowKinds {
  rows: number
  /** Those that bring their prompts as text or ids. */
  texts: number
  conversations: number
  /** Contexts with questions. */
  contexts: number
}

/** Of no rows. */
export const noKinds = (): RowKinds => ({ rows: 0, texts: 0, conversations: 0, contexts: 0 })

/** Counts one row more. */
export function addKind(kinds: RowKinds, row: Row): void {
  kinds.rows++
  if ('prompt' in row || 'input_ids' in row) kinds.texts++
  if ('messages' in row) kinds.conversations++
  if ('questions' in row) kinds.contexts++
}

function kindsOf(rows: readonly Row[]): RowKinds {
  const kinds = noKinds()
  for (const row of rows) addKind(kinds, row)
  return kinds
}

function fitting({ rows, texts, conversations, contexts }: RowKinds, tokenizer: Tokenizer): PromptTemplateName {
  if (rows > 0 && texts === rows) return 'none'
  if (tokenizer.chatTemplate !== undefined || conversations > 0) return 'chat'
  return rows > 0 && contexts === rows ? 'raft' : 'alpaca'
}

/** The text of an instruction in its frame. */
export const framedInstruction = (
  { instruction: alone, instructionWithInput }: Frames,
  { instruction, input = '' }: { readonly instruction: string; readonly input?: string },
): string =>
  // One pass over the frame: braces in what is put in stay as they are.
  (input === '' ? alone : instructionWithInput).replace(/\{(instruction|input)\}/g, (_, key) =>
    key === 'input' ? input : instruction,
  )

/**
 * The ids that end an answer: the template's end marks that are single tokens, the tokenizer's EOS, and the model's own.
 *
 * @param modelIds EOS ids of the model's configuration
 */
export function stopIdsOf(
  { stops }: Pick<PromptTemplate, 'stops'>,
  tokenizer: Tokenizer,
  modelIds: readonly number[] = [],
): number[] {
  const marks = stops.map((stop) => tokenizer.encode(stop, { continuation: true })).filter((ids) => ids.length === 1)
  const eos = tokenizer.eosId === undefined ? [] : [tokenizer.eosId]
  return [...new Set([...modelIds, ...eos, ...marks.flat()])]
}

/** The end marks that are several tokens: they can be found only in the decoded text (see {@link StopText}). */
export const stopTextsOf = ({ stops }: Pick<PromptTemplate, 'stops'>, tokenizer: Tokenizer): string[] =>
  stops.filter((stop) => tokenizer.encode(stop, { continuation: true }).length !== 1)

/**
 * Reads a template from the parsed JSON of a `prompt.json`.
 * @param source the file's name, for errors
 * @throws Error naming the key that is wrong, and what was expected
 */
export function parseTemplateJson(json: unknown, source: string): PromptTemplate {
  const fail = (key: string, expected: string) => new Error(`${source}: "${key}": expected ${expected}`)
  if (!isRecord(json)) throw new Error(`${source}: expected an object`)
  const { name, documents, chat, time, stops } = json
  const knownName = promptTemplates.find((known) => known === name)
  const knownDocuments = contextTemplateOf(documents)
  if (knownName === undefined) throw fail('name', promptTemplates.join(', '))
  if (knownDocuments === undefined) throw fail('documents', contextTemplates.join(', '))
  if (chat !== undefined && typeof chat !== 'string') throw fail('chat', 'text')
  if (knownName === 'chat' && chat === undefined) throw fail('chat', 'the Jinja source of the chat template')
  if (time !== undefined && (typeof time !== 'string' || Number.isNaN(Date.parse(time))))
    throw fail('time', 'a time as 2026-01-31T12:00:00Z')
  if (!Array.isArray(stops) || !stops.every((stop) => typeof stop === 'string')) throw fail('stops', 'a list of texts')
  const given = asRecord(json.frames)
  const context = asRecord(given.context)
  const textAt = (record: Readonly<Record<string, unknown>>, key: string, path: string): string => {
    const value = record[key]
    if (typeof value !== 'string') throw fail(`${path}${key}`, 'text')
    return value
  }
  return {
    name: knownName,
    frames: {
      instruction: textAt(given, 'instruction', 'frames.'),
      instructionWithInput: textAt(given, 'instructionWithInput', 'frames.'),
      context: {
        head: textAt(context, 'head', 'frames.context.'),
        before: textAt(context, 'before', 'frames.context.'),
        after: textAt(context, 'after', 'frames.context.'),
      },
    },
    documents: knownDocuments,
    ...(chat === undefined ? {} : { chat }),
    ...(time === undefined ? {} : { time }),
    stops: stops as string[],
  }
}
