// Text as Python treats it: its white space, its escapes, its cases.

/** What Python's `str.isspace` holds for white space; JavaScript's trim knows other characters. */
const spaces = '\t\n\v\f\r\u001C-\u001F \u0085\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000'
const startSpace = new RegExp(`^[${spaces}]+`)
const endSpace = new RegExp(`[${spaces}]+$`)
const word = new RegExp(`[^${spaces}]+`, 'g')
const onlySpace = new RegExp(`^[${spaces}]+$`)

export const isSpace = (text: string): boolean => onlySpace.test(text)

/** Without the characters of `set` (default: white space) at the start. */
export function stripStart(text: string, set?: string): string {
  if (set === undefined) return text.replace(startSpace, '')
  const drop = new Set(set)
  const characters = [...text]
  let start = 0
  while (start < characters.length && drop.has(characters[start]!)) start++
  return characters.slice(start).join('')
}

/** Without the characters of `set` (default: white space) at the end. */
export function stripEnd(text: string, set?: string): string {
  if (set === undefined) {
    // A pattern at the end is tried at every run of spaces; a text that ends otherwise is reported at once.
    return text === '' || !isSpace(text.at(-1)!) ? text : text.replace(endSpace, '')
  }
  const drop = new Set(set)
  const characters = [...text]
  let end = characters.length
  while (end > 0 && drop.has(characters[end - 1]!)) end--
  return characters.slice(0, end).join('')
}

export const strip = (text: string, set?: string): string => stripEnd(stripStart(text, set), set)

/** The words between white space; from the `most`th on they stay together (−1: all apart). */
export function splitWords(text: string, most = -1): string[] {
  const words: string[] = []
  for (const match of text.matchAll(word)) {
    if (most >= 0 && words.length === most) {
      words.push(stripEnd(text.slice(match.index)))
      break
    }
    words.push(match[0])
  }
  return words
}

/** As {@link splitWords}, counted from the end. */
export function splitWordsFromEnd(text: string, most = -1): string[] {
  const matches = [...text.matchAll(word)]
  if (most < 0 || matches.length <= most) return matches.map(([found]) => found)
  const from = matches.length - most
  const last = matches[from - 1]!
  return [text.slice(0, last.index + last[0].length), ...matches.slice(from).map(([found]) => found)]
}

/** What `str.splitlines` takes for the end of a line. */
const lineEnds = '\n\r\v\f\u001C-\u001E\u0085\u2028\u2029'
const lineWithEnd = new RegExp(`([^${lineEnds}]*)(\r\n|[${lineEnds}]|$)`, 'g')

/** Lines without what ends them, or with it. */
export function splitLines(text: string, keepEnds = false): string[] {
  const lines: string[] = []
  for (const [whole, line = ''] of text.matchAll(lineWithEnd)) if (whole !== '') lines.push(keepEnds ? whole : line)
  return lines
}

/** Letters of two, which have a form for the beginning of a word. */
const digraphs = ['Ǆǅǆ', 'Ǉǈǉ', 'Ǌǋǌ', 'Ǳǲǳ']

const titleCase = (letter: string): string => {
  const digraph = digraphs.find((forms) => forms.includes(letter))
  if (digraph !== undefined && letter !== '') return digraph[1]!
  // One letter may become several, as ß: of these only the first is large.
  const [first = '', ...rest] = letter.toUpperCase()
  return first + rest.join('').toLowerCase()
}

export function capitalize(text: string): string {
  const [first = '', ...rest] = text
  return titleCase(first) + rest.join('').toLowerCase()
}

/** Every run of letters with a capital first, as `str.title`. */
export const titled = (text: string): string => text.replaceAll(/[\p{L}\p{Lt}]+/gu, (letters) => capitalize(letters))

const simpleEscapes: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  b: '\b',
  f: '\f',
  v: '\v',
  a: '\u0007',
  '\n': '',
}

/** A string literal's content; an escape that Python does not know stays as it is. */
export function unescapeString(literal: string): string {
  return literal.replaceAll(
    /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{1,3})|([^]))/g,
    (escape, x?: string, u?: string, U?: string, octal?: string, character?: string) => {
      const hex = x ?? u ?? U
      if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16))
      if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8))
      if (character === '\\' || character === "'" || character === '"') return character
      return simpleEscapes[character ?? ''] ?? escape
    },
  )
}
