// Contexts with their questions, checked.

import { DatasetError, describeValue, type RowOrigin } from '../errors'
import { arrayAt, noteUnused, optionalString, stringAt, type CheckOptions } from './fields'
import { isRecord, type JsonRecord } from '../records/json'
import { answerMetrics, type ContextDocument, type ContextQuestion, type ContextRow } from './row-formats'

/** @throws DatasetError naming row and key */
export function checkContext(row: JsonRecord, origin: RowOrigin, options: CheckOptions): ContextRow {
  const context = contextOf(row, origin, options)
  const count = typeof context === 'string' ? undefined : context.length
  const questions = arrayAt(row, 'questions', origin).map((entry, i) => {
    const key = `questions[${i}]`
    if (!isRecord(entry))
      throw new DatasetError({ ...origin, key, problem: `got ${describeValue(entry)}; expected an object` })
    noteUnused(entry, ['id', 'question', 'answer', 'answers', 'golden', 'documents'], options, 'questions[].')
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

function contextOf(row: JsonRecord, origin: RowOrigin, options: CheckOptions): string | ContextDocument[] {
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
    noteUnused(entry, ['id', 'title', 'text'], options, 'context[].')
    const text = stringAt(entry, 'text', origin, key)
    const [id, title] = [optionalString(entry, 'id', origin, key), optionalString(entry, 'title', origin, key)]
    if (id !== undefined && ids.has(id))
      throw new DatasetError({ ...origin, key: `${key}.id`, problem: `${JSON.stringify(id)} appears twice` })
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
