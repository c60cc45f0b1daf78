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
export function findUnfit(value: unknown, path = ''): { path: string; problem: string } | undefined {
  if (typeof value === 'string') {
    const problem = unfitText(value)
    return problem === undefined ? undefined : { path, problem }
  }
  const entries = Array.isArray(value)
    ? value.map((entry: unknown, i) => [`${path}[${i}]`, entry] as const)
    : isRecord(value)
      ? Object.entries(value).map(([key, entry]) => [path === '' ? key : `${path}.${key}`, entry] as const)
      : []
  for (const [at, entry] of entries) {
    const found = unfitText(at) === undefined ? findUnfit(entry, at) : { path, problem: 'a key that is no text' }
    if (found !== undefined) return found
  }
  return undefined
}
