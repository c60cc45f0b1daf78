// Questions with an answer and perhaps a context, as published sets have them: SQuAD, HotpotQA, MS MARCO, or any of these keys.

import { DatasetError, describeValue, type RowOrigin } from '../../errors'
import { asArray, asRecord, asString, asText, isRecord, type JsonRecord } from '../../records/json'
import { DEFAULT_REFUSAL } from '../refusal'
import type { AlpacaRow, ContextDocument, ContextQuestion, ContextRow } from '../row-formats'

/** Keys that it uses, beside `question` and `query`. */
export const qaKeys = [
  'answer',
  'answers',
  'context',
  'contexts',
  'passages',
  'documents',
  'supporting_facts',
  'is_impossible',
  'unanswerable',
  'input',
  'id',
  '_id',
  'query_id',
] as const

/**
 * One question as a context row, or as an instruction where it has no context. `context` is a text, an array of texts or of
 * `{text, title}`, pairs of title and sentences, or `{title: […], sentences: [[…]]}`; MS MARCO's is `passages`. `answers` are
 * texts, or SQuAD's `{text: […]}`, where none means that it is unanswerable.
 *
 * @throws DatasetError naming row and key
 */
export function checkQa(row: JsonRecord, origin: RowOrigin): ContextRow | AlpacaRow {
  const question = asText(row.question ?? row.query)?.trim()
  if (question === undefined || question === '')
    throw new DatasetError({
      ...origin,
      key: 'question',
      problem: `got ${describeValue(row.question ?? row.query)}; expected text`,
    })
  const context = contextOf(row, origin)
  const answers = answersOf(row, origin)
  const [answer] = answers
  if (context === undefined) {
    if (answer === undefined)
      throw new DatasetError({
        ...origin,
        key: 'answer',
        problem: 'got no answer; expected one, or a context that lacks it',
      })
    const input = asText(row.input) ?? ''
    return { instruction: question, ...(input === '' ? {} : { input }), output: answer, origin }
  }
  const id = asText(row.id ?? row._id ?? row.query_id)
  const golden = goldenOf(row, context)
  const asked: ContextQuestion = {
    ...(id === undefined ? {} : { id }),
    question,
    answer: answer ?? DEFAULT_REFUSAL,
    ...(answers.length > 1 ? { answers } : {}),
    ...(answer === undefined ? { golden: [] } : golden === undefined ? {} : { golden }),
  }
  return { context, questions: [asked], origin }
}

/** The right answers of a row; none where it is unanswerable. @throws DatasetError */
export function answersOf(row: JsonRecord, origin: RowOrigin): string[] {
  if (row.is_impossible === true || row.unanswerable === true) return []
  const single = asText(row.answer)
  const { answers } = row
  const list = isRecord(answers) ? answers.text : answers
  if (list === undefined || list === null) {
    if (single !== undefined) return [single]
    throw new DatasetError({ ...origin, key: 'answer', problem: `got ${describeValue(row.answer)}; expected text` })
  }
  const texts = (Array.isArray(list) ? (list as unknown[]) : [list]).map((each) =>
    asText(isRecord(each) ? each.text : each),
  )
  if (texts.includes(undefined))
    throw new DatasetError({
      ...origin,
      key: 'answers',
      problem: `got ${describeValue(answers)}; expected texts, or SQuAD's {"text": […]}`,
    })
  const all = [...(single === undefined ? [] : [single]), ...(texts as string[])].filter((text) => text.trim() !== '')
  return [...new Set(all)].filter((text) => !/^no answer present\.?$/i.test(text))
}

function contextOf(row: JsonRecord, origin: RowOrigin): string | ContextDocument[] | undefined {
  const context = row.context ?? row.contexts ?? row.passages ?? row.documents
  if (context === undefined || context === null) return undefined
  const text = asText(context)
  if (text !== undefined) return text
  const entries = Array.isArray(context) ? (context as unknown[]) : columnsOf(asRecord(context))
  const documents = entries.map((entry, i) => documentOf(entry, i))
  const wrong = documents.indexOf(undefined)
  if (wrong >= 0 || documents.length === 0)
    throw new DatasetError({
      ...origin,
      key: wrong < 0 ? 'context' : `context[${wrong}]`,
      problem: `got ${describeValue(wrong < 0 ? context : entries[wrong])}; expected a text, or title and text of a document`,
    })
  const known = documents as ContextDocument[]
  // Ids are told apart, for questions name them.
  const seen = new Set<string>()
  return known.map((document, i) => {
    const id = document.id !== undefined && !seen.has(document.id) ? document.id : `${i + 1}`
    seen.add(id)
    return { ...document, id }
  })
}

/** One entry for each place of arrays that lie beside one another, as columns of a table. */
function columnsOf(columns: JsonRecord): unknown[] {
  const lengths = Object.values(columns).map((column) => (Array.isArray(column) ? column.length : 0))
  return Array.from({ length: Math.max(0, ...lengths) }, (_, i) =>
    Object.fromEntries(Object.entries(columns).map(([key, column]) => [key, asArray(column)[i]])),
  )
}

function documentOf(entry: unknown, place: number): ContextDocument | undefined {
  const own = asText(entry)
  if (own !== undefined) return { id: String(place + 1), text: own }
  // HotpotQA: a title and its sentences.
  if (Array.isArray(entry)) {
    const [title, sentences] = entry as unknown[]
    return asString(title) !== undefined && Array.isArray(sentences)
      ? documentOf({ title, sentences }, place)
      : undefined
  }
  const { id, title, text, sentences, passage_text } = asRecord(entry)
  const said =
    asString(text ?? passage_text) ??
    (Array.isArray(sentences) ? sentences.map((each) => asString(each) ?? '').join('') : undefined)
  if (said === undefined) return undefined
  const [named, called] = [asText(title), asText(id)]
  return {
    id: called ?? named ?? String(place + 1),
    ...(named === undefined || named === '' ? {} : { title: named }),
    text: said,
  }
}

/** Ids of the documents that answer it, as HotpotQA's `supporting_facts` and MS MARCO's `is_selected` tell. */
function goldenOf(row: JsonRecord, context: string | ContextDocument[]): string[] | undefined {
  if (typeof context === 'string') return undefined
  const facts = row.supporting_facts
  const titles = isRecord(facts) ? asArray(facts.title) : asArray(facts).map((fact) => asArray(fact)[0])
  if (titles.length > 0) {
    const named = new Set(titles)
    return context.filter(({ title }) => named.has(title)).map(({ id }) => id!)
  }
  const { passages } = row
  const selected = isRecord(passages)
    ? asArray(passages.is_selected)
    : asArray(passages).map((each) => asRecord(each).is_selected)
  const golden = context.filter((_, i) => Number(selected[i]) === 1).map(({ id }) => id!)
  return golden.length > 0 ? golden : undefined
}
