// What a row is, told by its keys: one table of formats. Every key is used, refused, or told as unused.

import { DatasetError, describeValue, type RowOrigin } from '../errors'
import { checkChat } from './check-chat'
import { checkContext } from './check-context'
import { checkQa, qaKeys } from './qa/check-qa'
import { checkTokens } from './check-tokens'
import { arrayAt, noteUnused, optionalString, stringAt, type CheckOptions } from './fields'
import { isRecord, type JsonRecord } from '../records/json'
import type { AlpacaRow, CompletionRow, Row } from './row-formats'

interface RowFormat {
  /** The keys that tell it. */
  readonly tells: readonly string[]
  /** What else of a row it uses. */
  readonly uses: readonly string[]
  readonly check: (row: JsonRecord, origin: RowOrigin, options: CheckOptions) => Row
}

/** Every format; the first of which a row has a telling key counts. */
const formats = {
  tokens: { tells: ['input_ids', 'labels'], uses: ['attention_mask'], check: checkTokens },
  raft: { tells: ['questions'], uses: ['context', 'metric'], check: checkContext },
  chat: { tells: ['messages'], uses: ['system', 'tools'], check: (...row) => checkChat('messages', ...row) },
  sharegpt: {
    tells: ['conversations'],
    uses: ['system', 'tools'],
    check: (...row) => checkChat('conversations', ...row),
  },
  alpaca: { tells: ['instruction', 'output'], uses: ['input', 'system', 'history'], check: checkAlpaca },
  completion: { tells: ['prompt', 'completion'], uses: [], check: checkCompletion },
  qa: {
    tells: ['question', 'query'],
    uses: qaKeys,
    check: checkQa,
  },
} as const satisfies Readonly<Record<string, RowFormat>>

/** A format of rows; which one a row has is decided by its keys. */
export type RowFormatName = keyof typeof formats

/** What would change what is learned, and is not supported: a row that has it is refused, not half read. */
const refused: Readonly<Record<string, string>> = {
  chosen: 'preference pairs are not supported',
  rejected: 'preference pairs are not supported',
  kto_tag: 'preference labels are not supported',
  image: 'images are not supported',
  images: 'images are not supported',
  video: 'videos are not supported',
  videos: 'videos are not supported',
  audio: 'audio is not supported',
  audios: 'audio is not supported',
  functions: 'functions are not supported; expected "tools"',
  function_call: 'functions are not supported; expected "tools" and "tool_calls"',
}

const isGiven = (value: unknown): boolean =>
  value !== undefined && value !== null && value !== '' && !(Array.isArray(value) && value.length === 0)

const EXPECTED =
  '"instruction" and "output", "prompt" and "completion", "context" and "questions", "question" and "answer", "messages", or "input_ids" and "labels"'

/**
 * Checks one parsed row and attaches its origin. `"input": null` counts as absent. Keys that training ignores are left
 * out and reported to `onUnusedKey`; keys that would change what is learned are refused.
 * @throws DatasetError naming row and key
 */
export function checkRow(value: unknown, origin: RowOrigin, options: CheckOptions = {}): Row {
  const row = recordOf(value, origin)
  const name = formatNames.find((each) => formats[each].tells.some((key) => key in row))
  if (name === undefined) {
    const keys = Object.keys(row).slice(0, 8)
    const got = keys.length === 0 ? 'no keys' : `the keys ${keys.map((key) => `"${key}"`).join(', ')}`
    throw new DatasetError({ ...origin, problem: `got ${got}; expected ${EXPECTED}` })
  }
  return checkRowAs(name, row, origin, options)
}

/** Whether a record is one question, of a published set. */
export const isQaRecord = (value: unknown): boolean =>
  isRecord(value) && formatNames.find((each) => formats[each].tells.some((key) => key in value)) === 'qa'

const formatNames = Object.keys(formats) as RowFormatName[]

/** Checks one parsed row as of a format that is known. @throws DatasetError as {@link checkRow} does */
export function checkRowAs(name: RowFormatName, value: unknown, origin: RowOrigin, options: CheckOptions = {}): Row {
  const row = recordOf(value, origin)
  const format: RowFormat = formats[name]
  const checked = format.check(row, origin, options)
  for (const [key, problem] of Object.entries(refused))
    if (isGiven(row[key])) throw new DatasetError({ ...origin, key, problem })
  noteUnused(row, [...format.tells, ...format.uses, 'split'], options)
  const { split } = row
  if (split === undefined || split === null) return checked
  const fixed = splitNames.get(typeof split === 'string' ? split : '')
  if (fixed === undefined)
    throw new DatasetError({ ...origin, key: 'split', problem: `got ${describeValue(split)}; expected train or test` })
  return { ...checked, split: fixed }
}

function recordOf(value: unknown, origin: RowOrigin): JsonRecord {
  if (isRecord(value)) return value
  throw new DatasetError({ ...origin, problem: `got ${describeValue(value)}; expected an object with ${EXPECTED}` })
}

/** As datasets call them; what is not trained is held out. */
export const splitNames: ReadonlyMap<string, 'train' | 'test'> = new Map([
  ['train', 'train'],
  ['test', 'test'],
  ['validation', 'test'],
  ['dev', 'test'],
])

function checkAlpaca(row: JsonRecord, origin: RowOrigin): AlpacaRow {
  const instruction = stringAt(row, 'instruction', origin)
  const output = stringAt(row, 'output', origin)
  const [input, system] = [optionalString(row, 'input', origin) ?? '', optionalString(row, 'system', origin) ?? '']
  const history = historyOf(row, origin)
  return {
    ...(system === '' ? {} : { system }),
    ...(history.length === 0 ? {} : { history }),
    instruction,
    ...(input === '' ? {} : { input }),
    output,
    origin,
  }
}

/** Earlier turns, as LLaMA-Factory has them: pairs of question and answer. */
function historyOf(row: JsonRecord, origin: RowOrigin): (readonly [string, string])[] {
  if (row.history === undefined || row.history === null) return []
  return arrayAt(row, 'history', origin, 'an array of pairs of question and answer').map((turn, i) => {
    if (Array.isArray(turn) && turn.length === 2 && turn.every((text) => typeof text === 'string'))
      return turn as unknown as readonly [string, string]
    const problem = `got ${describeValue(turn)}; expected a pair of question and answer`
    throw new DatasetError({ ...origin, key: `history[${i}]`, problem })
  })
}

function checkCompletion(row: JsonRecord, origin: RowOrigin): CompletionRow {
  return { prompt: stringAt(row, 'prompt', origin), completion: stringAt(row, 'completion', origin), origin }
}
