// What is on pages and is not text: running heads, feet, page numbers, tables of contents.

import type { Line } from './lines'

export interface Page {
  /** From 1. */
  number: number
  height: number
  lines: readonly Line[]
}

/** How far from the top and the bottom they are, as a share of the page. */
const margin = 0.12
const leastPages = 3
const leastShare = 0.25

/** The same for lines that differ in numbers alone, at the same height. */
const keyOf = ({ text, y }: Line): string => `${Math.round(y / 4)} ${text.replace(/\d+|\b[ivxlc]+\b/gi, '#')}`
const headOf = ({ text }: Line): string => text.replace(/\d+|\b[ivxlc]+\b/gi, '#').trim()

const PAGE_NUMBER = /^[\s–—-]*(?:page\s+)?(?:\d{1,4}|[ivxlc]{1,7})(?:\s*(?:\/|of)\s*\d{1,4})?[\s–—-]*$/i

/** A line of a table of contents, dots leading to its page: it says nothing that its heading does not. */
const LEADERS = /(?:\.\s?){5,}\s*(?:\d+|[ivxlc]+)$/

const isAtEdge = ({ y }: Line, height: number): boolean => y > (1 - margin) * height || y < margin * height

/** The pages without lines that repeat at their edges, page numbers, and lines that lead to pages by dots. */
export function withoutFurniture(pages: readonly Page[]): Page[] {
  if (pages.length < leastPages) return [...pages]
  const counts = new Map<string, number>()
  const count = (key: string) => counts.set(key, (counts.get(key) ?? 0) + 1)
  for (const { lines, height } of pages) {
    const edge = lines.filter((line) => isAtEdge(line, height))
    for (const key of new Set(edge.flatMap((line) => [keyOf(line), headOf(line)]))) count(key)
  }
  const least = Math.max(leastPages, Math.ceil(leastShare * pages.length))
  const repeats = (key: string, times = least) => (counts.get(key) ?? 0) >= times
  return pages.map((page) => ({
    ...page,
    lines: page.lines.filter((line) => {
      if (LEADERS.test(line.text)) return false
      if (!isAtEdge(line, page.height)) return true
      if (PAGE_NUMBER.test(line.text) || repeats(keyOf(line)) || repeats(headOf(line))) return false
      // Chapters change what is there.
      return !(isOutermost(line, page) && (repeats(keyOf(line), leastPages) || hasPageNumber(line)))
    }),
  }))
}

const isOutermost = (line: Line, { lines, height }: Page): boolean =>
  lines.every((other) => (line.y > height / 2 ? other.y <= line.y + 1 : other.y >= line.y - 1))

/** A page number beside a text, as heads of books have it: `12  Chapter 3. Files`. */
const hasPageNumber = ({ cells }: Line): boolean =>
  cells.length > 1 && [cells[0]!, cells.at(-1)!].some((cell) => PAGE_NUMBER.test(cell))
