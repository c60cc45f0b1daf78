// SQuAD 1.1 and 2.0, and XQuAD: questions on paragraphs, answered by words that are there.

import { DatasetError, describeValue } from '../errors'
import { asRecord, asString, isRecord } from '../records/json'
import type { ContextDocument, ContextQuestion } from '../rows/row-formats'
import { onlyFile, type Imported, type ImportOptions, type InputFiles } from './imported'
import { parseDocument } from '../records/records'

/** One row a paragraph, which is its one document. */
export function importSquad(files: InputFiles, { noAnswer = 'unanswerable' }: ImportOptions): Imported {
  const { file, text } = onlyFile(files)
  const articles = asRecord(parseDocument(text, file)).data
  if (!Array.isArray(articles)) {
    const problem = `got ${describeValue(articles)}; expected an array of articles, as SQuAD has it`
    throw new DatasetError({ file, key: 'data', problem })
  }
  const imported: Imported = { rows: [], refused: [], read: 0 }
  const refuse = (reason: string, id?: string) => imported.refused.push({ file, row: imported.read, id, reason })
  const paragraphsOf = new Map<string, number>()
  articles.forEach((article: unknown, a) => {
    const { title: named, paragraphs } = asRecord(article)
    const title = typeof named === 'string' ? named : `article ${a + 1}`
    if (!Array.isArray(paragraphs)) {
      imported.read++
      return refuse(`broken article: "paragraphs" of ${title}: got ${describeValue(paragraphs)}; expected an array`)
    }
    for (const paragraph of paragraphs) {
      const { context, qas } = asRecord(paragraph)
      const n = (paragraphsOf.get(title) ?? 0) + 1
      paragraphsOf.set(title, n)
      const document = { id: `${title}#${n}`, title, text: typeof context === 'string' ? context : '' }
      const questions: ContextQuestion[] = []
      for (const entry of Array.isArray(qas) ? (qas as unknown[]) : [undefined]) {
        imported.read++
        const question = questionOf(entry, document, noAnswer)
        if (typeof question !== 'string') questions.push(question)
        else refuse(question, asString(asRecord(entry).id) ?? document.id)
      }
      if (questions.length > 0) imported.rows.push({ context: [document], questions })
    }
  })
  return imported
}

/** The question of an entry of `qas`, or why it is refused. */
function questionOf(entry: unknown, document: ContextDocument, noAnswer: string): ContextQuestion | string {
  if (document.text === '') return 'broken paragraph: no "context"'
  if (!isRecord(entry)) return `broken question: got ${describeValue(entry)}; expected an object in "qas"`
  const { id, question, answers, is_impossible } = entry
  if (typeof question !== 'string' || question.trim() === '')
    return `broken question: "question": got ${describeValue(question)}; expected text`
  const asked = { ...(typeof id === 'string' ? { id } : {}), question }
  if (is_impossible === true) return { ...asked, answer: noAnswer, golden: [] }
  const texts = Array.isArray(answers) ? answers.map((answer: unknown) => asRecord(answer).text) : []
  if (!texts.every((text) => typeof text === 'string' && text.trim() !== '') || texts.length === 0)
    return `no answer: "answers": got ${describeValue(answers)}; expected answers with "text", or "is_impossible": true`
  const distinct = [...new Set(texts as string[])]
  // Wherever it is: "answer_start" counts code points, and is off by some in translations.
  const absent = distinct.find((text) => !document.text.includes(text))
  if (absent !== undefined) return `answer not in its paragraph: ${describeValue(absent)}`
  return { ...asked, answer: distinct[0]!, answers: distinct, golden: [document.id!] }
}
