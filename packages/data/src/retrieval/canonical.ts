// One form for texts that say the same: how answers and quotes are looked for in documents, and words in an index.

const INVISIBLE = /[\u00ad\u200b-\u200d\u2060\ufeff]/g
/** A word that was broken at the end of a line. */
const BROKEN_WORD = /(\p{L})[-\u2010\u00ad]\s*\n\s*(?=\p{Ll})/gu
const ASCII = /^[\0-\u007f]*$/

const folds: readonly (readonly [RegExp, string])[] = [
  [/[\u2018-\u201b\u2032\u02bc\u00b4`\uff07]/g, "'"],
  [/[\u201c-\u201f\u2033\u00ab\u00bb\uff02]/g, '"'],
  [/[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]/g, '-'],
]

/** The part of the form that concerns characters, but for their case. */
function foldForms(text: string): string {
  if (ASCII.test(text)) return text.replaceAll('`', "'")
  let folded = text.replace(INVISIBLE, '')
  // Before NFKC, which takes some of them apart.
  for (const [pattern, to] of folds) folded = folded.replace(pattern, to)
  return folded.normalize('NFKC')
}

const lower = (text: string): string => text.toLowerCase().replace(/ß/g, 'ss').replaceAll('ς', 'σ')
/** A lone space stays as it is: most white space is one. */
const foldSpace = (text: string): string => text.replace(/\s{2,}|[^\S ]/g, ' ')

/**
 * The canonical form of a text: NFKC, lower case, straight quotes, one kind of dash, without soft hyphens and characters
 * of no width, words that a line broke joined again, white space folded and trimmed.
 */
export const canonical = (text: string): string => lower(canonicalCased(text))

/** The canonical form but for its case, which stays. */
export const canonicalCased = (text: string): string => foldSpace(foldForms(text.replace(BROKEN_WORD, '$1'))).trim()

/** Pieces that are normalised on their own: a letter with its marks, conjoining Hangul, a broken word's hyphen. */
const PIECE =
  /(\p{L})[-\u2010\u00ad]\s*\n\s*(?=\p{Ll})|\s+|[\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff]+|\P{M}\p{M}*|\p{M}+/gu

/**
 * Finds a text within another, whatever form either is in.
 *
 * @param needle in canonical form
 * @returns the words as `text` spells them; undefined when they are not there
 */
export function spelledIn(text: string, needle: string): string | undefined {
  let form = ''
  // For each unit of the form, where its piece of the text begins and ends.
  const [starts, ends]: [number[], number[]] = [[], []]
  for (const match of text.matchAll(PIECE)) {
    const source = match[1] ?? match[0]
    const piece = /^\s+$/.test(source) ? ' ' : lower(foldSpace(foldForms(source)))
    if (piece === ' ' && form.endsWith(' ')) continue
    for (let i = 0; i < piece.length; i++) {
      starts.push(match.index)
      ends.push(match.index + match[0].length)
    }
    form += piece
  }
  const at = form.indexOf(needle)
  return at < 0 || needle === '' ? undefined : text.slice(starts[at], ends[at + needle.length - 1])
}
