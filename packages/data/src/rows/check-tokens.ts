// Pre-tokenised rows, checked.

import { DatasetError, describeValue, type RowOrigin } from '../errors'
import type { JsonRecord } from '../records/json'
import type { TokenRow } from './row-formats'

/** @throws DatasetError naming row and key */
export function checkTokens(row: JsonRecord, origin: RowOrigin): TokenRow {
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
  const { attention_mask } = row
  if (Array.isArray(attention_mask) && attention_mask.some((seen) => seen !== 1))
    throw new DatasetError({ ...origin, key: 'attention_mask', problem: 'masks tokens; expected rows without padding' })
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
