// Lines of pages as headings, paragraphs and tables: words that a line broke are joined, paragraphs that a page broke too.

import { canonical } from '../../retrieval/canonical'
import type { Block } from '../blocks'
import { tableOfRows } from '../formats/grid'
import type { Page } from './furniture'
import type { Line } from './lines'

/** A heading is set larger than the text by this at the least. */
const LARGER = 1.12
/** Longer ones are no headings. */
const longestHeading = 150
const leastTableRows = 3

/**
 * Blocks of pages in reading order.
 *
 * @param outline levels of headings by their canonical text, as a table of contents has them
 */
export function paragraphsOf(pages: readonly Page[], outline: ReadonlyMap<string, number>): Block[] {
  const bodySize = commonest(pages.flatMap(({ lines }) => lines.map(({ size, text }) => [size, text.length] as const)))
  const sizes = headingSizes(pages, bodySize)
  const words = wordsOf(pages)
  const blocks: Block[] = []
  for (const page of pages) {
    const leading = leadingOf(page.lines)
    for (let i = 0; i < page.lines.length;) {
      const code = codeAt(page.lines, i)
      if (code > 0) {
        addCode(blocks, page.lines.slice(i, i + code), page.number)
        i += code
        continue
      }
      const level = levelOf(page.lines[i]!, { outline, sizes, bodySize })
      const rows = level === undefined ? tableAt(page.lines, i) : 0
      let to = i + Math.max(1, rows)
      if (rows > 0) {
        const table = tableOfRows(page.lines.slice(i, to).map(({ cells }) => cells))
        if (table !== undefined) blocks.push({ kind: 'table', table, page: page.number })
        i = to
        continue
      }
      while (to < page.lines.length && goesOn(page.lines[to - 1]!, page.lines[to]!, leading)) {
        if (
          levelOf(page.lines[to]!, { outline, sizes, bodySize }) !== level ||
          tableAt(page.lines, to) > 0 ||
          codeAt(page.lines, to) > 0
        )
          break
        to++
      }
      const text = joinLines(
        page.lines.slice(i, to).map((line) => line.text),
        words,
      )
      if (level !== undefined && text.length <= longestHeading)
        blocks.push({ kind: 'heading', level, text, page: page.number })
      else addText(blocks, text, page, i === 0, words)
      i = to
    }
  }
  return blocks
}

/** A paragraph, or the rest of the one that the page before broke. */
function addText(blocks: Block[], text: string, page: Page, isFirst: boolean, words: ReadonlySet<string>): void {
  const last = blocks.at(-1)
  if (
    isFirst &&
    last?.kind === 'text' &&
    last.page !== page.number &&
    /[\p{L},;-]$/u.test(last.text) &&
    /^\p{Ll}/u.test(text)
  )
    last.text = joinLines([last.text, text], words)
  else blocks.push({ kind: 'text', text, page: page.number })
}

/** How many lines from `from` on are code: in letters of one width, one below the other. */
function codeAt(lines: readonly Line[], from: number): number {
  let to = from
  while (to < lines.length && lines[to]!.fixed && (to === from || lines[to]!.y < lines[to - 1]!.y)) to++
  return to - from
}

/** Lines as they are, set in by as many letters as they are on the page. */
function addCode(blocks: Block[], lines: readonly Line[], page: number): void {
  const left = Math.min(...lines.map((line) => line.left))
  const text = lines
    .map((line) => {
      const letter = (line.right - line.left) / Math.max(1, line.text.length)
      return ' '.repeat(Math.min(40, Math.max(0, Math.round((line.left - left) / (letter || 1))))) + line.text
    })
    .join('\n')
  const last = blocks.at(-1)
  if (last?.kind === 'code' && last.page !== undefined && last.page < page) last.text += `\n${text}`
  else blocks.push({ kind: 'code', text, page })
}

/** Whether a line belongs to the paragraph of the one before it: no larger gap, no indent, no other size. */
function goesOn(before: Line, line: Line, leading: number): boolean {
  const gap = before.y - line.y
  // A line above the one before it begins another column, in which a paragraph may go on.
  if (gap < 0) return /[\p{L},;-]$/u.test(before.text) && /^\p{Ll}/u.test(line.text)
  if (gap > 1.35 * leading * Math.max(1, before.size / Math.max(line.size, 1))) return false
  if (Math.abs(before.size - line.size) > 0.15 * before.size) return false
  if (/^(?:[•▪◦‣–*]|\(?\d{1,2}[.)]|[a-z]\))\s/.test(line.text)) return false
  return !(line.left > before.left + 0.8 * line.size && /[.:!?]$/.test(before.text))
}

/** Distance of lines, in points: the commonest. */
const leadingOf = (lines: readonly Line[]): number =>
  commonest(
    lines
      .slice(1)
      .map((line, i) => [Math.round(2 * (lines[i]!.y - line.y)) / 2, 1] as const)
      .filter(([gap]) => gap > 2),
  ) || 12

/** The value of most weight. */
function commonest(values: readonly (readonly [value: number, weight: number])[]): number {
  const weights = new Map<number, number>()
  for (const [value, weight] of values) {
    const rounded = Math.round(value * 2) / 2
    weights.set(rounded, (weights.get(rounded) ?? 0) + weight)
  }
  return [...weights].reduce((best, each) => (each[1] > best[1] ? each : best), [0, 0] as [number, number])[0]
}

/** Sizes of headings, largest first. */
function headingSizes(pages: readonly Page[], bodySize: number): number[] {
  const sizes = new Set<number>()
  for (const { lines } of pages)
    for (const { size, text } of lines)
      if (size > LARGER * bodySize && text.length <= longestHeading) sizes.add(Math.round(size))
  return [...sizes].sort((a, b) => b - a)
}

interface Headings {
  outline: ReadonlyMap<string, number>
  sizes: readonly number[]
  bodySize: number
}

function levelOf({ text, size, cells }: Line, { outline, sizes, bodySize }: Headings): number | undefined {
  if (text.length > longestHeading || !/\p{L}/u.test(text)) return undefined
  const listed = outline.get(headingKey(text))
  if (listed !== undefined && size >= 0.95 * bodySize && cells.length < 3) return listed
  if (size <= LARGER * bodySize || /[.;,]$/.test(text)) return undefined
  return Math.min(6, 1 + Math.max(0, sizes.indexOf(Math.round(size))))
}

/** The same for a heading with its number and without. */
export const headingKey = (text: string): string =>
  canonical(text).replace(/^(?:(?:chapter|appendix|section)\s+)?(?:[\da-z]{1,2}\.)*\d{0,2}[.:]?\s+(?=\p{L})/u, '')

/** How many lines from `from` on are rows of one table: of as many cells each, three rows at the least. */
function tableAt(lines: readonly Line[], from: number): number {
  const { length: width } = lines[from]!.cells
  if (width < 2) return 0
  let to = from + 1
  while (to < lines.length && lines[to]!.cells.length === width && lines[to]!.y < lines[to - 1]!.y) to++
  return to - from >= leastTableRows ? to - from : 0
}

/** Words of the document that no line broke: how a broken one is spelled. */
function wordsOf(pages: readonly Page[]): Set<string> {
  const words = new Set<string>()
  for (const { lines } of pages)
    for (const { text } of lines)
      for (const [word] of text.matchAll(/[\p{L}\p{N}]+(?:-[\p{L}\p{N}]+)*(?!-$)/gu)) words.add(word.toLowerCase())
  return words
}

/** Lines as one text; a hyphen at a line's end goes, unless the word is written with it elsewhere. */
function joinLines(lines: readonly string[], words: ReadonlySet<string>): string {
  return lines.reduce((text, line) => {
    const [, head] = /([\p{L}\p{N}-]*\p{L})[-\u00ad\u2010]$/u.exec(text) ?? []
    const [tail] = /^\p{L}[\p{L}\p{N}]*(?:-[\p{L}\p{N}]+)*/u.exec(line) ?? []
    if (head === undefined || tail === undefined) return text === '' ? line : `${text} ${line}`
    // A capital begins the second word of a compound, but in a line of capitals.
    if (/^\p{Lu}(?!\p{Lu})/u.test(tail) || (/^\p{Lu}/u.test(tail) && !/\p{Lu}$/u.test(head))) return text + line
    const [whole, hyphened] = [head + tail, `${head}-${tail}`].map((word) => word.toLowerCase()) as [string, string]
    return words.has(hyphened) && !words.has(whole) ? text + line : text.slice(0, -1) + line
  }, '')
}
