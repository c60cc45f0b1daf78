// Where a text stops being JSON: V8's own messages name no position for many mistakes.

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const ESCAPE = /["\\/bfnrt]|u[0-9a-fA-F]{4}/y
const SPACE = /[ \t\n\r]*/y

/** Thrown inside the scanner only: the offset of the first character that cannot be. */
class Stop {
  readonly offset: number
  constructor(offset: number) {
    this.offset = offset
  }
}

/** The offset of the first character at which `text` is no JSON; its length when it ends too early, −1 when it is valid. */
export function findJsonError(text: string): number {
  try {
    const end = skipSpace(text, value(text, skipSpace(text, 0), 0))
    return end === text.length ? -1 : end
  } catch (error) {
    if (error instanceof Stop) return error.offset
    throw error
  }
}

/** The number, from 1, of the line that holds this offset. */
export function lineOf(text: string, offset: number): number {
  let line = 1
  for (let i = text.indexOf('\n'); i >= 0 && i < offset; i = text.indexOf('\n', i + 1)) line++
  return line
}

function match(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  if (!pattern.test(text)) throw new Stop(at)
  return pattern.lastIndex
}

/** By a loop: a regular expression overflows the stack on a string of some megabytes. */
function string(text: string, open: number): number {
  if (text[open] !== '"') throw new Stop(open)
  let at = open + 1
  for (;;) {
    const code = text.charCodeAt(at)
    if (code === 0x22) return at + 1
    // A control character, or the end of the text.
    if (!(code >= 0x20)) throw new Stop(open)
    at = code === 0x5c ? matchEscape(text, at + 1, open) : at + 1
  }
}

function matchEscape(text: string, at: number, open: number): number {
  ESCAPE.lastIndex = at
  if (!ESCAPE.test(text)) throw new Stop(open)
  return ESCAPE.lastIndex
}

const skipSpace = (text: string, at: number) => match(SPACE, text, at)

function value(text: string, at: number, depth: number): number {
  // Deeper nesting than any dataset has would overflow the stack here.
  if (depth > 500) throw new Stop(at)
  const first = text[at]
  if (first === '{') return list(text, at, '}', (start) => member(text, start, depth + 1))
  if (first === '[') return list(text, at, ']', (start) => value(text, start, depth + 1))
  if (first === '"') return string(text, at)
  for (const word of ['true', 'false', 'null']) if (text.startsWith(word, at)) return at + word.length
  return match(NUMBER, text, at)
}

function member(text: string, at: number, depth: number): number {
  const colon = skipSpace(text, string(text, at))
  if (text[colon] !== ':') throw new Stop(colon)
  return value(text, skipSpace(text, colon + 1), depth)
}

function list(text: string, open: number, close: string, element: (at: number) => number): number {
  let at = skipSpace(text, open + 1)
  if (text[at] === close) return at + 1
  for (;;) {
    at = skipSpace(text, element(at))
    if (text[at] === close) return at + 1
    if (text[at] !== ',') throw new Stop(at)
    at = skipSpace(text, at + 1)
  }
}
