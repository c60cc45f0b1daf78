// bAbI (Weston et al. 2015): small stories, told a statement a line, with questions in between.

import type { ContextDocument, ContextQuestion } from '../rows/row-formats'
import { linesOf, stemOf, type Imported, type InputFiles } from './imported'

interface Story {
  context: ContextDocument[]
  questions: ContextQuestion[]
}

/** One row a story; a question sees the statements before it. */
export function importBabi(files: InputFiles): Imported {
  const imported: Imported = { rows: [], refused: [], read: 0 }
  for (const [file, text] of files) {
    let [story, last, broken]: [Story, number, string | undefined] = [{ context: [], questions: [] }, 0, undefined]
    linesOf(text).forEach((line, i) => {
      if (line.trim() === '') return
      const id = `${stemOf(file)}:${i + 1}`
      const refuse = (reason: string) => {
        imported.read++
        imported.refused.push({ file, row: i + 1, id, reason })
      }
      const [, digits, rest = ''] = /^(\d+) (.*)$/.exec(line) ?? []
      const number = Number(digits)
      if (number === 1) [story, last, broken] = [{ context: [], questions: [] }, 0, undefined]
      if (number !== last + 1 && broken === undefined) {
        // What follows may rest on what is missing here.
        broken = `broken story: line ${i + 1} begins with ${JSON.stringify(line.slice(0, 12))}; expected 1 or ${last + 1}`
        return refuse(broken)
      }
      last = number
      if (!rest.includes('\t') && !rest.trimEnd().endsWith('?')) {
        if (broken === undefined) story.context.push({ id: String(number), text: rest.trim() })
        return
      }
      const question = broken ?? questionOf(rest, id, story)
      if (typeof question === 'string') return refuse(question)
      imported.read++
      if (story.questions.length === 0) imported.rows.push(story)
      story.questions.push(question)
    })
  }
  return imported
}

/** The question of `question TAB answer TAB supporting lines`, or why it is refused. */
function questionOf(rest: string, id: string, { context }: Story): ContextQuestion | string {
  const [question = '', answer = '', support = '', ...more] = rest.split('\t').map((part) => part.trim())
  if (question === '' || answer === '' || more.length > 0)
    return `broken question: got ${JSON.stringify(rest)}; expected question, tab, answer, tab, supporting lines`
  const golden = support.split(' ').filter(Boolean)
  const absent = golden.find((line) => !context.some((statement) => statement.id === line))
  if (absent !== undefined)
    return `bad supporting line: got ${JSON.stringify(absent)}; expected a statement before the question`
  return { id, question, answer, documents: context.length, golden }
}
