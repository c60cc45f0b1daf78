// How a text holds an answer: as words of its own, with a particle attached, or inside a longer word.

import { UNSPACED } from '../retrieval/terms'

/**
 * `words`: as words of their own, or in a script without spaces; `attached`: with what Korean, Arabic and Hebrew attach to
 * words (`서울은`, `والقاهرة`); `part`: only as part of longer words (`ten` in `often`).
 */
export type Holding = 'words' | 'attached' | 'part' | 'not'

const LETTER = new RegExp(`^(?![${UNSPACED}])[\\p{L}\\p{M}\\p{N}]$`, 'u')
/** Scripts that attach particles behind words, and before them. */
const BEHIND = /^[\p{sc=Hangul}\p{sc=Arabic}\p{sc=Hebrew}]$/u
const BEFORE = /^[\p{sc=Arabic}\p{sc=Hebrew}]$/u

/** One letter alone with a particle is more likely another word. */
const leastAttached = 2

/** Both in canonical form. */
export function holds(text: string, needle: string): Holding {
  let best: Holding = 'not'
  for (let at = text.indexOf(needle); at >= 0; at = text.indexOf(needle, at + 1)) {
    const end = at + needle.length
    const [left, right] = [isInside(text[at - 1], needle[0]), isInside(needle.at(-1), text[end])]
    if (!left && !right) return 'words'
    const attached =
      needle.length >= leastAttached &&
      (!left || (BEFORE.test(text[at - 1]!) && BEFORE.test(needle[0]!))) &&
      (!right || (BEHIND.test(needle.at(-1)!) && BEHIND.test(text[end]!)))
    if (attached) best = 'attached'
    else if (best === 'not') best = 'part'
  }
  return best
}

const isInside = (left = '', right = ''): boolean => LETTER.test(left) && LETTER.test(right)
