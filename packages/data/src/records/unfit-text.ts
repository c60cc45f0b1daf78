// Characters that no text for a model can have: NUL, and halves of surrogate pairs.

import { isRecord } from './json'

/** With the `u` flag whole pairs do not match. */
const HALF = /\p{Surrogate}/u

/** Whether JSON may spell such a character; false for nearly every text, and quickly so. */
export const maySpellUnfit = (json: string): boolean =>
  /\\u(?:0000|[dD][89a-fA-F])/.test(json) || json.includes('\0') || HALF.test(json)

/** What is wrong with a text, in words; undefined when it is fit. */
export function unfitText(text: string): string | undefined {
  if (text.includes('\0')) return 'holds the character NUL (U+0000); expected text'
  const half = HALF.exec(text)?.[0]
  if (half === undefined) return undefined
  const code = half.charCodeAt(0).toString(16).toUpperCase()
  return `holds half a surrogate pair (U+${code}), as of an emoji that was cut in two; expected text`
}

/** The first text of a parsed value, keys included, that is not fit, by its path: `messages[0].content`. */
export function findUnfit(root: unknown): { path: string; problem: string } | undefined {
  // A stack of its own: values may be nested deeper than calls can be.
  const open: [path: string, value: unknown][] = [['', root]]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [path, value] = next
    const problem = typeof value === 'string' ? unfitText(value) : undefined
    if (problem !== undefined) return { path, problem }
    if (Array.isArray(value)) for (let i = value.length - 1; i >= 0; i--) open.push([`${path}[${i}]`, value[i]])
    if (!isRecord(value)) continue
    const entries = Object.entries(value)
    if (entries.some(([key]) => unfitText(key) !== undefined)) return { path, problem: 'a key that is not text' }
    for (const [key, entry] of entries.reverse()) open.push([path === '' ? key : `${path}.${key}`, entry])
  }
  return undefined
}
