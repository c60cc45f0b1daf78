// What a drafter replied, as questions: JSON where it is, lines of Q and A where a small model writes those.

import { asArray, asRecord, asString, isRecord } from '../records/json'

/** A question as it was written, unchecked. */
export interface Written {
  question: string
  answer: string
  quote: string
}

const textsOf = (value: unknown): Written | undefined => {
  const { question, answer, quote } = asRecord(value)
  const asked = asString(question)?.trim()
  if (asked === undefined || asked === '') return undefined
  return { question: asked, answer: answerText(answer), quote: asString(quote)?.trim() ?? '' }
}

const answerText = (answer: unknown): string =>
  typeof answer === 'number' || typeof answer === 'boolean' ? String(answer) : (asString(answer)?.trim() ?? '')

const questionsIn = (value: unknown): Written[] => {
  if (Array.isArray(value)) return value.flatMap((each) => textsOf(each) ?? [])
  const { questions } = asRecord(value)
  if (Array.isArray(questions)) return questionsIn(asArray(questions))
  const one = textsOf(value)
  return one ? [one] : []
}

/** The questions of a reply, one that it broke off in with what it has; none where it is nonsense. */
export function questionsOfReply(reply: string): Written[] {
  const found = [...jsonValues(reply), ...brokenOff(reply)].flatMap(questionsIn)
  return found.length > 0 ? found : lineQuestions(reply)
}

/** Whether nothing that counts will follow in a reply that is being written: its list is closed or long enough, or it repeats itself. */
export function isReplyDone(reply: string, questions: number): boolean {
  const values = jsonValues(reply)
  if (values.some((value) => Array.isArray(value) && questionsIn(value).length > 0)) return true
  return values.flatMap(questionsIn).length >= questions || repeatsItself(reply)
}

/** Shortest text whose third time in a row is taken for a circle: shorter ones may be a table's cells. */
const shortestRound = 24

/** Whether a text ends with the same words three times: small models that lost the thread go on so to the last token. */
function repeatsItself(text: string): boolean {
  for (let length = shortestRound; 3 * length <= text.length; length++) {
    const last = text.slice(-length)
    if (text.endsWith(last, text.length - length) && text.endsWith(last, text.length - 2 * length)) return true
  }
  return false
}

/** What a last object has that was not closed: its pairs of texts that are whole. */
function brokenOff(text: string): unknown[] {
  const from = text.lastIndexOf('{')
  if (from < 0 || closing(text, from) !== undefined) return []
  const [pairs] = PAIRS.exec(text.slice(from)) ?? []
  return pairs === undefined ? [] : [JSON.parse(`${pairs}}`)]
}

/** The beginning of an object with pairs of JSON texts. */
const PAIRS = /^\{(?:(?:(?<=\{)|,)\s*"[^"\\\p{Cc}]*"\s*:\s*"(?:[^"\\\p{Cc}]|\\["\\/n])*"\s*)+/u

/** JSON arrays and objects in a text, the outermost, as far as they can be read; objects of an array that breaks off. */
function jsonValues(text: string): unknown[] {
  const values: unknown[] = []
  for (let at = 0; at < text.length; at++) {
    if (text[at] !== '[' && text[at] !== '{') continue
    const end = closing(text, at)
    if (end === undefined) continue
    try {
      const value: unknown = JSON.parse(text.slice(at, end))
      if (Array.isArray(value) || isRecord(value)) {
        values.push(value)
        at = end - 1
      }
    } catch {
      // Something in brackets that is not JSON.
    }
  }
  return values
}

/** Where the bracket at `from` is closed. */
function closing(text: string, from: number): number | undefined {
  let depth = 0
  for (let at = from; at < text.length; at++) {
    const character = text[at]
    if (character === '"') {
      at++
      while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1
    } else if (character === '[' || character === '{') depth++
    else if ((character === ']' || character === '}') && --depth === 0) return at + 1
  }
  return undefined
}

const LINE = /^[\s*#>\d.)-]*(q(?:uestion)?|a(?:nswer)?|quote)[\s\d]*\**\s*:\**\s*(.+)$/i

/** `Question: … Answer: … Quote: …`, in lines. */
function lineQuestions(text: string): Written[] {
  const found: Written[] = []
  for (const line of text.split('\n')) {
    const [, label = '', said = ''] = LINE.exec(line) ?? []
    const value = said.trim().replace(/^"(.*)"$/, '$1')
    const last = found.at(-1)
    if (/^q(?!uote)/i.test(label)) found.push({ question: value, answer: '', quote: '' })
    else if (/^a/i.test(label) && last && last.answer === '') last.answer = value
    else if (/^quote/i.test(label) && last && last.quote === '') last.quote = value
  }
  return found
}
