// Texts as the words that an index holds.

/** Scripts that set no space between words: each character is a word. */
export const UNSPACED =
  '\\p{sc=Han}\\p{sc=Hiragana}\\p{sc=Katakana}\\p{sc=Thai}\\p{sc=Lao}\\p{sc=Khmer}\\p{sc=Myanmar}\\p{sc=Tibetan}'

const TERM = new RegExp(`[${UNSPACED}]|(?:(?![${UNSPACED}])[\\p{L}\\p{M}\\p{N}])+`, 'gu')
const ALONE = new RegExp(`^[${UNSPACED}]$`, 'u')

/** The words of a text in canonical form, in their order. */
export const termsOf = (form: string): string[] => form.match(TERM) ?? []

/** Whether a term is a character that is a word by itself, and so never part of a longer one. */
export const isAlone = (term: string): boolean => ALONE.test(term)
