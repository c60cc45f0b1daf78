// How near the readers of documents come to what others read: PDF to pdftotext (poppler-utils), DOCX and EPUB to pandoc, PPTX to
// python-pptx.
//   node readers.mjs FILE… [--python PYTHON] [--missing]
// recall: the words of the other text that ours has too, as multisets. PDFs are held against `pdftotext -layout` as it is, and
// without what we take off: running heads and page numbers (the first and last two lines of a page that, digits aside, stand so on
// three pages or more), and lines of contents, whose dots lead to a page. In order: the share of our sequences of five words that stand in the other text (of a PDF in pdftotext's
// reading order). --missing lists the words that are missing most.
import { execFileSync } from 'node:child_process'
import { basename, extname } from 'node:path'
import { parseArgs } from 'node:util'
import { readDocuments } from '@jora/data'

const { values: flags, positionals: files } = parseArgs({
  allowPositionals: true,
  options: { python: { type: 'string', default: 'python3' }, missing: { type: 'boolean', default: false } },
})

/** @param {string} program @param {string[]} args */
const run = (program, args) =>
  execFileSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'ignore'] })

const slides = `
import sys
from pptx import Presentation
def walk(shapes):
    for shape in shapes:
        if shape.shape_type == 6: walk(shape.shapes)
        elif shape.has_text_frame: print(shape.text_frame.text)
        elif getattr(shape, 'has_table', False):
            for row in shape.table.rows: print(*[cell.text for cell in row.cells])
for slide in Presentation(sys.argv[1]).slides:
    walk(slide.shapes)
    if slide.has_notes_slide: print(slide.notes_slide.notes_text_frame.text)
`

/** What others read of a file: its text, and for the order where that is another. @type {Record<string, (file: string) => { text: string, order?: string }>} */
const others = {
  '.pdf': (file) => ({ text: run('pdftotext', ['-layout', file, '-']), order: run('pdftotext', [file, '-']) }),
  '.docx': (file) => ({ text: run('pandoc', ['-t', 'plain', '--wrap=none', file]) }),
  '.epub': (file) => ({ text: run('pandoc', ['-t', 'plain', '--wrap=none', file]) }),
  '.pptx': (file) => ({ text: run(flags.python, ['-c', slides, file]) }),
}

/** A table that pandoc draws has its lines as characters, which are no words. @param {string} text */
const wordsOf = (text) =>
  text
    .normalize('NFKC')
    .replace(/\u00AD/g, '')
    .replace(/(\p{L})[-‐]\s*\n\s*(?=\p{Ll})/gu, '$1')
    .toLowerCase()
    .match(/[\p{L}\p{N}]+/gu) ?? []

/** Without what repeats at the heads and feet of pages, and without lines of contents. @param {string} text */
function withoutFurniture(text) {
  const pages = text.split('\f').map((page) => page.split('\n'))
  /** @param {string} line */
  const shape = (line) =>
    line
      .replace(/\b[ivxlc]+\b|\d+/gi, '#')
      .replace(/\s+/g, ' ')
      .trim()
  /** @param {string[]} lines */
  const edges = (lines) => {
    const filled = lines.flatMap((line, i) => (line.trim() === '' ? [] : [i]))
    return new Set([...filled.slice(0, 2), ...filled.slice(-2)])
  }
  /** @type {Map<string, number>} */
  const seen = new Map()
  for (const lines of pages)
    for (const i of edges(lines)) seen.set(shape(lines[i] ?? ''), (seen.get(shape(lines[i] ?? '')) ?? 0) + 1)
  return pages
    .map((lines) => {
      const at = edges(lines)
      return lines
        .filter((line, i) => !/(?:\.\s?){5,}\s*\w+\s*$/.test(line) && (!at.has(i) || (seen.get(shape(line)) ?? 0) < 3))
        .join('\n')
    })
    .join('\n')
}

/** @param {readonly string[]} words @param {readonly string[]} own */
function recallOf(words, own) {
  /** @type {Map<string, number>} */
  const left = new Map()
  for (const word of own) left.set(word, (left.get(word) ?? 0) + 1)
  /** @type {Map<string, number>} */
  const missing = new Map()
  let found = 0
  for (const word of words) {
    const count = left.get(word) ?? 0
    if (count > 0) found++
    else missing.set(word, (missing.get(word) ?? 0) + 1)
    left.set(word, count - 1)
  }
  return { recall: words.length === 0 ? 1 : found / words.length, missing }
}

/** @param {readonly string[]} words */
const fives = (words) => words.slice(4).map((_, i) => words.slice(i, i + 5).join(' '))

/** @param {import('@jora/data').RaftDocument} document */
function textOf(document) {
  const title = document.title === undefined ? '' : `${document.title}\n`
  if ('text' in document) return title + document.text
  if ('table' in document)
    return title + [document.table.header, ...document.table.rows].map((cells) => cells.join(' ')).join('\n')
  return document.blocks
    .map((block) =>
      'table' in block
        ? [block.table.header, ...block.table.rows].map((cells) => cells.join(' ')).join('\n')
        : block.text,
    )
    .join('\n\n')
}

console.log('| file | words | recall | of what is to be read | in order |\n|---|---|---|---|---|')
for (const file of files) {
  const read = others[extname(file).toLowerCase()]
  if (read === undefined) throw new Error(`${file}: expected a file that ends in ${Object.keys(others).join(', ')}`)
  const { text, order = text } = read(file)
  const documents = await readDocuments(file)
  const own = wordsOf(documents.map(textOf).join('\n\n'))
  const whole = recallOf(wordsOf(text), own)
  const body = extname(file) === '.pdf' ? recallOf(wordsOf(withoutFurniture(text)), own) : whole
  const known = new Set(fives(wordsOf(order)))
  const sequences = fives(own)
  const inOrder = sequences.filter((five) => known.has(five)).length / Math.max(1, sequences.length)
  const share = (/** @type {number} */ value) => value.toFixed(3)
  console.log(
    `| ${basename(file)} | ${wordsOf(text).length.toLocaleString('en')} | ${share(whole.recall)} | ${share(body.recall)} | ${share(inOrder)} |`,
  )
  if (flags.missing)
    console.log(
      [...body.missing]
        .sort((a, b) => b[1] - a[1])
        .slice(0, 25)
        .map(([word, count]) => `  ${word} ${count}`)
        .join(','),
    )
}
