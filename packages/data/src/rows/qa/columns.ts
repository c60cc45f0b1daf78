// Records whose keys are others: which of them hold question, answer, context.

import { DatasetError, describeValue, type RowOrigin } from '../../errors'
import { isRecord, type JsonRecord } from '../../records/json'

/** Which keys of a record hold what a row needs. A dotted path reaches inside: `instances.0.output`. */
export interface Columns {
  question: string
  answer: string
  /** What the question is about: records with equal ones become questions of one context. */
  context?: string
  /** The `input` of an Alpaca row, instead of a context; may be null in a record. */
  input?: string
  /** Id of the question. */
  id?: string
}

const columnNames = ['question', 'answer', 'context', 'input', 'id'] as const satisfies (keyof Columns)[]

/** What is expected of a text of columns. */
export const columnsExpected = 'question=Q,answer=A and perhaps context=C or input=I, and id=D, each once'

/** Reads `question=Q,answer=A,context=C`; undefined where the text is none such. */
export function parseColumns(text: string): Columns | undefined {
  const columns: Partial<Columns> = {}
  for (const part of text.split(',')) {
    const [, name, key] = /^\s*(\w+)\s*=\s*(.*\S)\s*$/.exec(part) ?? []
    const known = columnNames.find((column) => column === name)
    if (known === undefined || key === undefined || columns[known] !== undefined) return undefined
    columns[known] = key
  }
  const { question, answer, context, input } = columns
  if (question === undefined || answer === undefined || (context !== undefined && input !== undefined)) return undefined
  return { ...columns, question, answer }
}

/** The value at a path of keys; a key may itself have dots. */
export function valueAt(record: unknown, path: string): unknown {
  if (isRecord(record) && Object.hasOwn(record, path)) return record[path]
  return path.split('.').reduce<unknown>((value, key) => {
    if (Array.isArray(value)) return /^\d+$/.test(key) ? (value[Number(key)] as unknown) : undefined
    return isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined
  }, record)
}

/** A record with the keys that questions have. @throws DatasetError naming the column that is not there */
export function renamed(record: unknown, columns: Columns, origin: RowOrigin): JsonRecord {
  const row: Record<string, unknown> = isRecord(record) && 'split' in record ? { split: record.split } : {}
  for (const name of columnNames) {
    const key = columns[name]
    if (key === undefined) continue
    const value = valueAt(record, key)
    if (value === undefined && name !== 'id' && name !== 'input') {
      const keys = isRecord(record)
        ? Object.keys(record)
            .slice(0, 8)
            .map((each) => JSON.stringify(each))
            .join(', ')
        : describeValue(record)
      throw new DatasetError({ ...origin, key, problem: `got nothing; expected the ${name}; the row has ${keys}` })
    }
    row[name === 'answer' && typeof value === 'object' ? 'answers' : name] = value
  }
  return row
}
