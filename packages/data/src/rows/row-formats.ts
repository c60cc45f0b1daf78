// The shapes a row of a dataset may have, told by their keys, and their checks.

import { DatasetError, describeValue, type RowOrigin } from '../errors'
import { asArray, isRecord, type JsonRecord } from './json'

interface RowBase {
  /** Fixes where the row goes; a run's own split is for rows without it. */
  split?: 'train' | 'test'
  origin?: RowOrigin
}

/** Instruction, optional input, answer: the format of Stanford Alpaca. */
export interface AlpacaRow extends RowBase {
  instruction: string
  input?: string
  output: string
}

/** A prompt used as it stands and its continuation, as TRL has them. */
export interface CompletionRow extends RowBase {
  prompt: string
  completion: string
}

/** Pre-tokenised; labels as in transformers: same length, −100 = no loss, shifted inside. */
export interface TokenRow extends RowBase {
  input_ids: readonly number[]
  labels: readonly number[]
}

export const chatRoles = ['system', 'user', 'assistant', 'tool'] as const
export type ChatRole = (typeof chatRoles)[number]

export interface ChatMessage {
  role: ChatRole
  content: string
}

/** A conversation for the model's chat template; what assistants say is learned. */
export interface ChatRow extends RowBase {
  messages: readonly ChatMessage[]
}

/** A retrieved document. */
export interface ContextDocument {
  id?: string
  title?: string
  text: string
}

export interface ContextQuestion {
  id?: string
  question: string
  /** What is learned. */
  answer: string
  /** All answers that an evaluation counts as right; `[answer]` when absent. */
  answers?: readonly string[]
  /** Sees the first so many documents of the context only; all of them when absent. */
  documents?: number
  /** Ids of the documents that answer it; kept where the context lacks them on purpose. */
  golden?: readonly string[]
}

/** How answers are judged beyond exact match and F1: as the denotation of a table question, or as a reply link. */
export const answerMetrics = ['denotation', 'reply'] as const
export type AnswerMetric = (typeof answerMetrics)[number]

/** RAFT (Zhang et al. 2024): a context and the questions that share it. */
export interface ContextRow extends RowBase {
  /** Retrieved documents, or a text taken as it stands. */
  context: string | readonly ContextDocument[]
  questions: readonly ContextQuestion[]
  metric?: AnswerMetric
}

export type Row = AlpacaRow | CompletionRow | TokenRow | ChatRow | ContextRow

/** Each shape, by the keys that tell it; the first that has one of its keys counts. */
const formats: readonly {
  readonly keys: readonly string[]
  readonly check: (row: JsonRecord, origin: RowOrigin) => Row
}[] = [
  { keys: ['input_ids', 'labels'], check: checkTokens },
  { keys: ['questions'], check: checkContext },
  { keys: ['messages', 'conversations'], check: checkChat },
  { keys: ['instruction', 'output'], check: checkAlpaca },
  { keys: ['prompt', 'completion'], check: checkCompletion },
]

const EXPECTED =
  '"instruction" and "output", "prompt" and "completion", "context" and "questions", "messages", or "input_ids" and "labels"'

/**
 * Checks one parsed row and attaches where it stood. Unknown keys are ignored; `"input": null` counts as absent.
 *
 * @throws DatasetError naming row and key
 */
export function checkRow(value: unknown, origin: RowOrigin): Row {
  if (!isRecord(value))
    throw new DatasetError({ ...origin, problem: `got ${describeValue(value)}; expected an object with ${EXPECTED}` })
  const format = formats.find(({ keys }) => keys.some((key) => key in value))
  if (format === undefined) {
    const keys = Object.keys(value).slice(0, 8)
    const got = keys.length === 0 ? 'no keys' : `the keys ${keys.map((key) => `"${key}"`).join(', ')}`
    throw new DatasetError({ ...origin, problem: `got ${got}; expected ${EXPECTED}` })
  }
  const { split } = value
  if (split === undefined || split === null) return format.check(value, origin)
  const fixed = splitNames.get(typeof split === 'string' ? split : '')
  if (fixed === undefined)
    throw new DatasetError({ ...origin, key: 'split', problem: `got ${describeValue(split)}; expected train or test` })
  return { ...format.check(value, origin), split: fixed }
}

/** As datasets call them; what is not trained is held out. */
const splitNames: ReadonlyMap<string, 'train' | 'test'> = new Map([
  ['train', 'train'],
  ['test', 'test'],
  ['validation', 'test'],
  ['dev', 'test'],
])

function checkAlpaca(row: JsonRecord, origin: RowOrigin): AlpacaRow {
  const instruction = stringAt(row, 'instruction', origin)
  const output = stringAt(row, 'output', origin)
  const input = optionalString(row, 'input', origin) ?? ''
  return input === '' ? { instruction, output, origin } : { instruction, input, output, origin }
}

function checkCompletion(row: JsonRecord, origin: RowOrigin): CompletionRow {
  return { prompt: stringAt(row, 'prompt', origin), completion: stringAt(row, 'completion', origin), origin }
}

/** Names of speakers in ShareGPT files. */
const shareGptRoles: Readonly<Record<string, ChatRole>> = {
  human: 'user',
  gpt: 'assistant',
  chatgpt: 'assistant',
  bard: 'assistant',
  bing: 'assistant',
  function_response: 'tool',
  observation: 'tool',
}

function checkChat(row: JsonRecord, origin: RowOrigin): ChatRow {
  const key = 'messages' in row ? 'messages' : 'conversations'
  const names = key === 'messages' ? (['role', 'content'] as const) : (['from', 'value'] as const)
  const messages = arrayAt(row, key, origin).map((entry, i) => {
    const at = `${key}[${i}]`
    if (!isRecord(entry))
      throw new DatasetError({ ...origin, key: at, problem: `got ${describeValue(entry)}; expected an object` })
    // Some ShareGPT files use the newer names.
    const [roleKey, textKey] = names[0] in entry ? names : (['role', 'content'] as const)
    const name = entry[roleKey]
    const known =
      typeof name === 'string' ? (chatRoles.find((role) => role === name) ?? shareGptRoles[name]) : undefined
    if (known === undefined) {
      const expected = key === 'messages' ? chatRoles : [...chatRoles, ...Object.keys(shareGptRoles)]
      const problem = `got ${describeValue(name)}; expected ${expected.join(', ')}`
      throw new DatasetError({ ...origin, key: `${at}.${roleKey}`, problem })
    }
    return { role: known, content: messageText(entry[textKey], `${at}.${textKey}`, origin) }
  })
  if (!messages.some(({ role }) => role === 'assistant'))
    throw new DatasetError({ ...origin, key, problem: 'nothing is learned; expected at least one assistant message' })
  return { messages, origin }
}

/** Text, or the text parts of a list as chat APIs write it. */
function messageText(value: unknown, key: string, origin: RowOrigin): string {
  if (typeof value === 'string') return value
  const parts = asArray(value)
  const texts = parts.map((part) => (isRecord(part) && part.type === 'text' ? part.text : undefined))
  if (parts.length > 0 && texts.every((text) => typeof text === 'string')) return texts.join('')
  throw new DatasetError({ ...origin, key, problem: `got ${describeValue(value)}; expected text` })
}

function checkContext(row: JsonRecord, origin: RowOrigin): ContextRow {
  const context = contextOf(row, origin)
  const count = typeof context === 'string' ? undefined : context.length
  const questions = arrayAt(row, 'questions', origin).map((entry, i) => {
    const key = `questions[${i}]`
    if (!isRecord(entry))
      throw new DatasetError({ ...origin, key, problem: `got ${describeValue(entry)}; expected an object` })
    return checkQuestion(entry, key, count, origin)
  })
  if (questions.length === 0)
    throw new DatasetError({ ...origin, key: 'questions', problem: 'got an empty array; expected a question' })
  const metric = row.metric ?? undefined
  if (metric === undefined) return { context, questions, origin }
  const known = answerMetrics.find((name) => name === metric)
  if (known === undefined) {
    const problem = `got ${describeValue(metric)}; expected ${answerMetrics.join(' or ')}`
    throw new DatasetError({ ...origin, key: 'metric', problem })
  }
  return { context, questions, metric: known, origin }
}

function contextOf(row: JsonRecord, origin: RowOrigin): string | ContextDocument[] {
  const { context } = row
  if (typeof context === 'string') return context
  const ids = new Set<string>()
  return arrayAt(row, 'context', origin, 'text or an array of documents').map((entry, i) => {
    const key = `context[${i}]`
    if (typeof entry === 'string') return { text: entry }
    if (!isRecord(entry)) {
      const problem = `got ${describeValue(entry)}; expected text, or an object with "text"`
      throw new DatasetError({ ...origin, key, problem })
    }
    const text = stringAt(entry, 'text', origin, key)
    const [id, title] = [optionalString(entry, 'id', origin, key), optionalString(entry, 'title', origin, key)]
    if (id !== undefined && ids.has(id))
      throw new DatasetError({ ...origin, key: `${key}.id`, problem: `${JSON.stringify(id)} stands twice` })
    if (id !== undefined) ids.add(id)
    return { ...(id === undefined ? {} : { id }), ...(title === undefined ? {} : { title }), text }
  })
}

function checkQuestion(
  entry: JsonRecord,
  key: string,
  documentCount: number | undefined,
  origin: RowOrigin,
): ContextQuestion {
  const question: ContextQuestion = {
    question: stringAt(entry, 'question', origin, key),
    answer: stringAt(entry, 'answer', origin, key),
  }
  const id = optionalString(entry, 'id', origin, key)
  if (id !== undefined) question.id = id
  for (const name of ['answers', 'golden'] as const) {
    if (entry[name] === undefined || entry[name] === null) continue
    const list = arrayAt(entry, name, origin, 'an array of strings', key)
    const wrong = list.find((value) => typeof value !== 'string')
    if (wrong !== undefined)
      throw new DatasetError({
        ...origin,
        key: `${key}.${name}`,
        problem: `got ${describeValue(wrong)}; expected text`,
      })
    question[name] = list as string[]
  }
  const { documents } = entry
  if (documents === undefined || documents === null) return question
  const most = documentCount ?? 0
  if (!(Number.isInteger(documents) && (documents as number) >= 0 && (documents as number) <= most)) {
    const expected = documentCount === undefined ? 'none, the context is one text' : `an integer from 0 to ${most}`
    const problem = `got ${describeValue(documents)}; expected ${expected}`
    throw new DatasetError({ ...origin, key: `${key}.documents`, problem })
  }
  return { ...question, documents: documents as number }
}

const keyPath = (path: string | undefined, key: string): string => (path === undefined ? key : `${path}.${key}`)

function stringAt(row: JsonRecord, key: string, origin: RowOrigin, path?: string): string {
  const value = row[key]
  if (typeof value === 'string') return value
  const problem = `got ${describeValue(value)}; expected a string`
  throw new DatasetError({ ...origin, key: keyPath(path, key), problem })
}

const optionalString = (row: JsonRecord, key: string, origin: RowOrigin, path?: string): string | undefined =>
  row[key] === undefined || row[key] === null ? undefined : stringAt(row, key, origin, path)

function arrayAt(row: JsonRecord, key: string, origin: RowOrigin, expected = 'an array', path?: string): unknown[] {
  const value = row[key]
  if (Array.isArray(value)) return value as unknown[]
  const problem = `got ${describeValue(value)}; expected ${expected}`
  throw new DatasetError({ ...origin, key: keyPath(path, key), problem })
}

function checkTokens(row: JsonRecord, origin: RowOrigin): TokenRow {
  const input_ids = integersAt(row, 'input_ids', origin)
  const labels = integersAt(row, 'labels', origin)
  if (input_ids.length === 0)
    throw new DatasetError({ ...origin, key: 'input_ids', problem: 'got an empty array; expected at least one id' })
  if (labels.length !== input_ids.length) {
    throw new DatasetError({
      ...origin,
      key: 'labels',
      problem: `got ${labels.length} labels for ${input_ids.length} input_ids; expected the same length`,
    })
  }
  return { input_ids, labels, origin }
}

function integersAt(row: JsonRecord, key: string, origin: RowOrigin): number[] {
  const value = row[key]
  if (!Array.isArray(value))
    throw new DatasetError({ ...origin, key, problem: `got ${describeValue(value)}; expected an array of integers` })
  const wrong = value.findIndex((id) => !Number.isInteger(id))
  if (wrong >= 0) {
    throw new DatasetError({
      ...origin,
      key,
      problem: `got ${describeValue(value[wrong])} at index ${wrong}; expected an integer`,
    })
  }
  return value as number[]
}
