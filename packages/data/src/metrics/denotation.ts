// Denotation match: whether an answer about a table means the same as the gold answer (Pasupat & Liang 2015).

/** A part of an answer; text is kept beside what it was read as. */
interface Value {
  readonly text: string
  readonly number?: number
  /** Year, month and day; xx where unknown. */
  readonly date?: string
}

const SAME_NUMBER = 1e-6

/**
 * Whether two answers are the same list in any order, by the rules of WikiTableQuestions' evaluator. Parts are separated by
 * `|`; `\p`, `\n` and `\\` in a part are a bar, a line break and a backslash. Two parts are the same as numbers (commas
 * between thousands allowed, 1e-6 apart at most), as dates (`yyyy-mm-dd`, `xx` where unknown; a year alone is a number), or
 * as texts: without accents, case, enclosing quotes, and endings such as `[1]`, `†` or ` (note)`. Numbers with units are
 * texts. As in the official evaluator, what repeats counts once.
 */
export function denotationMatch(prediction: string, answer: string): boolean {
  const left = valuesOf(prediction)
  const gold = valuesOf(answer)
  if (left.length !== gold.length) return false
  return gold.every((value) => {
    const at = left.findIndex((other) => isSame(value, other))
    if (at >= 0) left.splice(at, 1)
    return at >= 0
  })
}

const escapes: Readonly<Record<string, string>> = { '\\p': '|', '\\n': '\n', '\\\\': '\\' }

const valuesOf = (list: string): Value[] =>
  list
    .split('|')
    .map((part) => readValue(normalize(part.replace(/\\[pn\\]/g, (escaped) => escapes[escaped]!))))
    .filter((value, i, all) => all.findIndex((other) => isSame(value, other)) === i)

function isSame(a: Value, b: Value): boolean {
  if (a.number !== undefined && b.number !== undefined) return Math.abs(a.number - b.number) < SAME_NUMBER
  return a.text === b.text || (a.date !== undefined && a.date === b.date)
}

/** What may be at the end of a cell without being part of it: citations, marks of footnotes, details in parentheses. */
const ENDING = /(?<!^)\[[^\]]*\]$|^\[\d+\]$|[•♦†‡*#+]$| \([^)]*\)$/u

function normalize(text: string): string {
  let rest = text
    .normalize('NFKD')
    .replace(/\p{Mn}/gu, '')
    .replace(/[‘’´`]/g, "'")
    .replace(/[“”]/g, '"')
    .replace(/[‐‑‒–—−]/g, '-')
    .trim()
  // What one removal lays bare may be another's turn: `"Word"[1] (note)`.
  for (let before = ''; before !== rest;) {
    before = rest
    rest = rest
      .replace(ENDING, '')
      .trim()
      .replace(/^"([^"]*)"$/, '$1')
      .trim()
  }
  return rest.replace(/\.$/, '').replace(/\s+/g, ' ').toLowerCase().trim()
}

function readValue(text: string): Value {
  const digits = /^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$/.test(text) ? text.replaceAll(',', '') : text
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/.test(digits)) return { text, number: Number(digits) }
  const [, year, month, day] = /^(\d{1,4}|xx|xxxx)-(\d{1,2}|xx)-(\d{1,2}|xx)$/.exec(text) ?? []
  if (year === undefined || month === undefined || day === undefined) return { text }
  const yearOnly = month === 'xx' && day === 'xx'
  if (yearOnly) return year.startsWith('x') ? { text } : { text, number: Number(year) }
  const inRange = (part: string, most: number) => part === 'xx' || (Number(part) >= 1 && Number(part) <= most)
  if (!inRange(month, 12) || !inRange(day, 31)) return { text }
  const date = [year.replace('xxxx', 'xx'), month, day].map((part) => (part === 'xx' ? part : Number(part))).join('-')
  return { text, date }
}
