// Records of any keys: a mapping says which of them hold question, answer and context.

import { DatasetError, describeValue, type RowOrigin } from '../errors'
import { asText } from '../records/json'
import { valueAt } from '../rows/qa/columns'
import type { ContextQuestion } from '../rows/row-formats'
import type { ImportColumns, ImportOptions, ToRow } from './imported'

/** With a context column, one row a context, in order of first appearance; without, one Alpaca row a record. */
export function columnRecords({ columns }: ImportOptions): ToRow {
  if (columns === undefined)
    throw new DatasetError({ problem: 'columns: got nothing; expected those of question and answer' })
  if (columns.context !== undefined && columns.input !== undefined)
    throw new DatasetError({ problem: 'columns: got both context and input; expected one of them' })
  const questionsOf = new Map<string, ContextQuestion[]>()
  return (record, origin) => {
    const [question, answer] = (['question', 'answer'] as const).map((name) => {
      const value = textAt(record, columns, name, origin)!
      if (value.trim() === '') throw new DatasetError({ ...origin, key: columns[name], problem: `empty ${name}` })
      return value
    }) as [string, string]
    const id = textAt(record, columns, 'id', origin)
    const context = textAt(record, columns, 'context', origin)
    if (context === undefined) {
      const input = textAt(record, columns, 'input', origin) ?? ''
      return { instruction: question, ...(input === '' ? {} : { input }), output: answer }
    }
    const known = questionsOf.get(context)
    const questions = known ?? []
    questionsOf.set(context, questions)
    questions.push({ ...(id === undefined ? {} : { id }), question, answer })
    return known === undefined ? { context, questions } : undefined
  }
}

/** Nothing when the column is not mapped, or holds null and may. */
function textAt(
  record: unknown,
  columns: ImportColumns,
  name: keyof ImportColumns,
  origin: RowOrigin,
): string | undefined {
  const key = columns[name]
  if (key === undefined) return undefined
  const value = valueAt(record, key)
  const text = asText(value)
  if (text !== undefined) return text
  if (value === null && name === 'input') return undefined
  throw new DatasetError({ ...origin, key, problem: `got ${describeValue(value)}; expected text (column ${name})` })
}
