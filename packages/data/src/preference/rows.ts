// Rows of preferences as TRL has them: two answers to a prompt, one better than the other; or one answer, right or wrong.

import { DatasetError, describeValue, type RowOrigin } from '../errors'
import { isRecord, type JsonRecord } from '../records/json'
import { checkRow } from '../rows/check-row'
import type { Row } from '../rows/row-formats'

/** A prompt with two answers, each as the row that it would be alone. */
export interface PreferencePair {
  readonly chosen: Row
  readonly rejected: Row
}

/** A prompt with one answer, and whether it is a good one. */
export interface JudgedRow {
  readonly row: Row
  readonly isGood: boolean
}

const expectedPair =
  '"prompt", "chosen" and "rejected"; "instruction", "chosen" and "rejected"; or whole conversations as "chosen" and "rejected"'

/**
 * Checks a row with two answers. Texts: `prompt`, `chosen`, `rejected`, or `instruction` and `input` in the place of
 * `prompt`; conversations: `prompt` a list of messages and the answers lists that go on from it, or whole ones that begin alike.
 * Two texts without a prompt have what they begin with for one.
 * @throws DatasetError naming row and key
 */
export function checkPair(value: unknown, origin: RowOrigin): PreferencePair {
  const record = recordOf(value, origin, expectedPair)
  const { chosen, rejected, ...rest } = record
  for (const key of ['chosen', 'rejected'] as const)
    if (typeof record[key] !== 'string' && !Array.isArray(record[key]))
      throw new DatasetError({
        ...origin,
        key,
        problem: `got ${describeValue(record[key])}; expected text or a list of messages (a row has ${expectedPair})`,
      })
  if (typeof chosen === 'string' && typeof rejected === 'string' && !('prompt' in rest) && !('instruction' in rest)) {
    const end = sharedLength(chosen, rejected)
    return pairOf({ ...rest, prompt: chosen.slice(0, end) }, chosen.slice(end), rejected.slice(end), origin)
  }
  return pairOf(rest, chosen, rejected, origin)
}

/**
 * Checks a row with one answer and its `label`, true for a good one; the row may have any format otherwise.
 * @throws DatasetError naming row and key
 */
export function checkJudged(value: unknown, origin: RowOrigin): JudgedRow {
  const { label, ...rest } = recordOf(value, origin, '"prompt", "completion" and "label"')
  if (typeof label !== 'boolean')
    throw new DatasetError({
      ...origin,
      key: 'label',
      problem: `got ${describeValue(label)}; expected true for a good answer or false for a bad one`,
    })
  const { prompt, completion, ...others } = rest
  const record = Array.isArray(prompt) ? { ...others, ...answered(prompt, completion) } : rest
  return { row: checkRow(record, origin), isGood: label }
}

function pairOf(rest: JsonRecord, chosen: unknown, rejected: unknown, origin: RowOrigin): PreferencePair {
  const { prompt, ...others } = rest
  const rowOf = (answer: unknown): Row => {
    if (typeof answer !== 'string') return checkRow({ ...others, ...answered(prompt, answer) }, origin)
    return checkRow('instruction' in rest ? { ...rest, output: answer } : { ...rest, completion: answer }, origin)
  }
  return { chosen: rowOf(chosen), rejected: rowOf(rejected) }
}

/** A conversation that goes on from another. */
const answered = (prompt: unknown, answer: unknown): JsonRecord => ({
  messages: [prompt ?? [], answer].flat() as unknown[],
})

/** Where two texts part; a space before that place belongs to the answers, as in TRL. */
function sharedLength(a: string, b: string): number {
  let end = 0
  while (end < a.length && a[end] === b[end]) end++
  return a[end - 1] === ' ' ? end - 1 : end
}

function recordOf(value: unknown, origin: RowOrigin, expected: string): JsonRecord {
  if (isRecord(value)) return value
  throw new DatasetError({ ...origin, problem: `got ${describeValue(value)}; expected an object with ${expected}` })
}
