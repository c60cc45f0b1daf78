// PDF: its text in reading order, with headings, tables and page numbers.

import { DatasetError } from '../../errors'
import { wholeBytes } from '../formats/bytes'
import { withoutFurniture, type Page } from '../pdf/furniture'
import { openPdf, type PdfDocument } from '../pdf/library'
import { linesOf, type Run } from '../pdf/lines'
import { headingKey, paragraphsOf } from '../pdf/paragraphs'
import type { Reader } from './reader'

/** A page with fewer letters holds a picture of its text, or none. */
const leastLetters = 10

export const pdfReader = {
  summary: 'the text of PDF pages',
  extensions: ['.pdf'],
  needs: 'pdfjs-dist',
  async *read(bytes, file) {
    const pdf = await openPdf(await wholeBytes(bytes, file), file)
    try {
      const pages: Page[] = []
      for (let number = 1; number <= pdf.numPages; number++) pages.push(await readPage(pdf, number))
      const empty = pages.filter(({ lines }) => lines.reduce((n, { text }) => n + text.length, 0) < leastLetters)
      if (empty.length === pages.length)
        throw new DatasetError({
          file,
          problem: `is scanned: its ${pages.length} pages are pictures without text; run a text recognition such as ocrmypdf first`,
        })
      // Blank pages are no news; many are.
      if (empty.length > Math.max(2, 0.1 * pages.length))
        yield {
          problem: `${empty.length} of its ${pages.length} pages have no text, such as page ${empty[0]!.number}: pictures of text are not read`,
        }
      const title = await titleOf(pdf)
      const blocks = paragraphsOf(withoutFurniture(pages), await outlineOf(pdf))
      yield { ...(title === undefined ? {} : { title }), blocks }
    } finally {
      await pdf.destroy()
    }
  },
} as const satisfies Reader

async function readPage(pdf: PdfDocument, number: number): Promise<Page> {
  const page = await pdf.getPage(number)
  const [, bottom = 0, , top = 0] = page.view
  const { items, styles } = await page.getTextContent()
  const runs: Run[] = []
  for (const item of items) {
    if (!('str' in item) || item.str === '') continue
    const [a = 1, b = 0, c = 0, d = 1, x = 0, y = 0] = item.transform as number[]
    // Text that runs upwards is a margin's.
    if (Math.abs(b) > Math.abs(a)) continue
    const fixed = styles[item.fontName]?.fontFamily === 'monospace'
    runs.push({ text: item.str, x, y: y - bottom, width: item.width, size: Math.hypot(c, d) || 1, fixed })
  }
  page.cleanup()
  return { number, height: top - bottom, lines: linesOf(runs) }
}

async function titleOf(pdf: PdfDocument): Promise<string | undefined> {
  const { info } = await pdf.getMetadata().catch(() => ({ info: {} }))
  const { Title: title } = info as { Title?: unknown }
  // What word processors put there by themselves is a file's name.
  if (typeof title !== 'string' || title.trim() === '' || /^untitled|\.(docx?|tex|dvi|indd)$/i.test(title.trim()))
    return undefined
  return title.trim()
}

interface OutlineItem {
  title: string
  items?: OutlineItem[]
}

/** Levels of headings that the table of contents of the file has, by their text. */
async function outlineOf(pdf: PdfDocument): Promise<Map<string, number>> {
  const levels = new Map<string, number>()
  const add = (items: readonly OutlineItem[], level: number) => {
    for (const { title, items: inner = [] } of items) {
      const key = headingKey(title)
      if (key !== '' && !levels.has(key)) levels.set(key, Math.min(6, level))
      if (level < 10) add(inner, level + 1)
    }
  }
  add((await pdf.getOutline().catch(() => null)) ?? [], 1)
  return levels
}
