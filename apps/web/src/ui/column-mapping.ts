// Which columns hold question, answer and context, as a choice of the page and as `--columns` writes it.
import type { Inspection } from '@jora/gui/client'

/** What of a row a column can hold. */
export const parts = ['question', 'answer', 'context', 'input', 'id'] as const
export type Part = (typeof parts)[number]

export type Mapping = Readonly<Partial<Record<Part, string>>>

/** Names that such columns often have, likeliest first; those of English sets, and of a few others. */
const usual: Readonly<Record<Part, RegExp>> = {
  question: /^(question|query|prompt|instruction|frage|pregunta|q|problem|utterance|user)s?$/i,
  answer: /^(answer|response|output|completion|antwort|respuesta|a|target|label|reply|solution|assistant)s?$/i,
  context: /^(context|passage|document|paragraph|text|article|source|evidence|kontext)s?$/i,
  input: /^input$/i,
  id: /^(id|_id|uid|uuid|qid|question_id)$/i,
}

/** Why a column cannot be named; undefined where it can. */
export const unusable = (name: string): string | undefined =>
  /[,=]/.test(name) || name.trim() !== name || name === ''
    ? 'A name with a comma, “=”, or spaces at its ends cannot be chosen: rename the column in the file.'
    : undefined

/** What columns may hold by what they are called: whole names first, then names that have one in them. */
export function guessColumns(columns: Inspection['columns']): Mapping {
  const free = new Set(columns.map(({ name }) => name).filter((name) => unusable(name) === undefined))
  const guessed: Partial<Record<Part, string>> = {}
  const ways: readonly ((name: string) => readonly string[])[] = [
    (name) => [name],
    (name) => name.split(/[^\p{L}\p{N}]+/u),
  ]
  for (const wordsOf of ways)
    for (const part of parts) {
      if (guessed[part] !== undefined || (part === 'input' && guessed.context !== undefined)) continue
      const found = [...free].find((name) => wordsOf(name).some((word) => usual[part].test(word)))
      if (found === undefined) continue
      guessed[part] = found
      free.delete(found)
    }
  if (guessed.context !== undefined) delete guessed.input
  return guessed
}

/** `question=Q,answer=A` as a mapping. */
export const mappingOf = (text: string): Mapping =>
  Object.fromEntries(
    text.split(',').flatMap((each) => {
      const [, part, name] = /^\s*(\w+)\s*=\s*(.*\S)\s*$/.exec(each) ?? []
      return part === undefined || name === undefined || !parts.includes(part as Part) ? [] : [[part, name]]
    }),
  )

/** A mapping as `--columns` has it; undefined while question or answer is missing. */
export const mappingText = (mapping: Mapping): string | undefined =>
  mapping.question === undefined || mapping.answer === undefined
    ? undefined
    : parts.flatMap((part) => (mapping[part] === undefined ? [] : [`${part}=${mapping[part]}`])).join(',')
