// DOCX: headings, paragraphs, lists, tables and footnotes; what was deleted under tracked changes is left out.

import type { Block } from '../blocks'
import { tableOfRows } from '../formats/grid'
import {
  childNamed,
  elementsOf,
  firstNamed,
  foldSpace,
  isText,
  named,
  type Document,
  type Element,
} from '../formats/markup'
import { Numbering } from '../formats/numbering'
import { openPackage, requiredPart } from '../formats/office'
import type { Reader } from './reader'

export const docxReader = {
  summary: 'Word documents',
  extensions: ['.docx', '.docm'],
  async *read(bytes, file) {
    const office = await openPackage(bytes, file)
    const document = await requiredPart(office, 'word/document.xml', file, 'Word document')
    const reading = new DocxReading(
      headingStyles(await office.part('word/styles.xml')),
      notesOf(await office.part('word/footnotes.xml'), 'w:footnote'),
      notesOf(await office.part('word/endnotes.xml'), 'w:endnote'),
      new Numbering(await office.part('word/numbering.xml')),
    )
    const body = firstNamed(document, 'w:body')
    const [title, blocks] = [await office.title(), body === undefined ? [] : reading.blocks(body)]
    yield { ...(title === undefined ? {} : { title }), blocks }
  },
} as const satisfies Reader

/** Levels of headings by the ids of their styles, which languages name differently. */
function headingStyles(styles: Document | undefined): Map<string, number> {
  const levels = new Map<string, number>()
  for (const style of styles ? named(styles, 'w:style') : []) {
    const id = style.attribs['w:styleId'] ?? ''
    const name = childNamed(style, 'w:name')?.attribs['w:val'] ?? ''
    const outline = firstNamed(style, 'w:outlineLvl')?.attribs['w:val']
    const level = /^heading (\d)$/i.exec(name)?.[1]
    if (level !== undefined) levels.set(id, Number(level))
    else if (/^title$/i.test(name)) levels.set(id, 1)
    else if (outline !== undefined && Number(outline) < 9) levels.set(id, Number(outline) + 1)
  }
  return levels
}

function notesOf(part: Document | undefined, name: string): Map<string, Element> {
  const notes = new Map<string, Element>()
  for (const note of part ? named(part, name) : []) notes.set(note.attribs['w:id'] ?? '', note)
  return notes
}

/** Not text: how it looks, what a field computes it from, what was deleted, what older programs show instead. */
const passedOver = new Set([
  'w:pPr',
  'w:rPr',
  'w:instrText',
  'w:del',
  'w:delText',
  'w:moveFrom',
  'mc:Fallback',
  'w:sectPr',
])

class DocxReading {
  readonly #styles: ReadonlyMap<string, number>
  readonly #footnotes: ReadonlyMap<string, Element>
  readonly #endnotes: ReadonlyMap<string, Element>
  readonly #numbering: Numbering
  /** Notes of the paragraph at hand, which follow it. */
  #notes: string[] = []
  #noteCount = 0

  constructor(
    styles: ReadonlyMap<string, number>,
    footnotes: ReadonlyMap<string, Element>,
    endnotes: ReadonlyMap<string, Element>,
    numbering: Numbering,
  ) {
    this.#styles = styles
    this.#footnotes = footnotes
    this.#endnotes = endnotes
    this.#numbering = numbering
  }

  blocks(body: Element): Block[] {
    const blocks: Block[] = []
    let list: string[] = []
    const endList = () => {
      if (list.length > 0) blocks.push({ kind: 'text', text: list.join('\n') })
      list = []
    }
    const addNotes = () => {
      if (this.#notes.length > 0) blocks.push({ kind: 'text', text: this.#notes.join('\n') })
      this.#notes = []
    }
    const visit = (parent: Element): void => {
      for (const element of elementsOf(parent)) {
        if (element.name === 'w:p') {
          const text = this.#text(element).trim()
          const { level, item } = this.#kindOf(element)
          if (text === '') continue
          if (item !== undefined && level === undefined) {
            const mark = this.#numbering.next(item.list, item.indent)
            list.push(`${'  '.repeat(Math.min(item.indent, 8))}${mark} ${foldSpace(text)}`)
          } else {
            endList()
            blocks.push(
              level === undefined ? { kind: 'text', text } : { kind: 'heading', level, text: foldSpace(text) },
            )
          }
          if (this.#notes.length > 0) endList()
          addNotes()
        } else if (element.name === 'w:tbl') {
          endList()
          const table = tableOfRows(this.#rows(element))
          if (table !== undefined) blocks.push({ kind: 'table', table })
          addNotes()
        } else if (!passedOver.has(element.name)) visit(element)
      }
    }
    visit(body)
    endList()
    return blocks
  }

  #kindOf(paragraph: Element): { level?: number; item?: { list: string; indent: number } } {
    const format = childNamed(paragraph, 'w:pPr')
    const style = childNamed(format, 'w:pStyle')?.attribs['w:val'] ?? ''
    const outline = childNamed(format, 'w:outlineLvl')?.attribs['w:val']
    const level = outline !== undefined && Number(outline) < 9 ? Number(outline) + 1 : this.#styles.get(style)
    const numbering = childNamed(format, 'w:numPr')
    const list = childNamed(numbering, 'w:numId')?.attribs['w:val'] ?? ''
    const indent = Number(childNamed(numbering, 'w:ilvl')?.attribs['w:val'] ?? 0)
    // List 0 takes a paragraph out of that of its style.
    const isItem = numbering === undefined ? style.startsWith('List') : list !== '0'
    return { ...(level === undefined ? {} : { level }), ...(isItem ? { item: { list, indent } } : {}) }
  }

  /** A row of cells each; one that spans columns is in the first, one that spans rows in each. */
  #rows(table: Element): string[][] {
    const rows: string[][] = []
    for (const tr of named(table, 'w:tr')) {
      if (ownerTable(tr) !== table) continue
      const row: string[] = []
      for (const tc of elementsOf(tr).flatMap((each) => (each.name === 'w:tc' ? [each] : [...named(each, 'w:tc')]))) {
        const format = childNamed(tc, 'w:tcPr')
        const across = Math.min(100, Number(childNamed(format, 'w:gridSpan')?.attribs['w:val'] ?? 1))
        const merge = childNamed(format, 'w:vMerge')
        const goesOn = merge !== undefined && merge.attribs['w:val'] !== 'restart'
        const text = [...named(tc, 'w:p')]
          .map((p) => foldSpace(this.#text(p)))
          .filter(Boolean)
          .join(' ')
        row.push(goesOn ? (rows.at(-1)?.[row.length] ?? text) : text)
        for (let i = 1; i < across; i++) row.push('')
      }
      rows.push(row)
    }
    return rows
  }

  #text(node: Element): string {
    let text = ''
    for (const child of elementsOf(node)) {
      const { name, attribs } = child
      if (passedOver.has(name)) continue
      if (name === 'w:t') text += child.children.map((each) => (isText(each) ? each.data : '')).join('')
      else if (name === 'w:tab') text += '\t'
      else if (name === 'w:br' || name === 'w:cr') text += '\n'
      else if (name === 'w:noBreakHyphen') text += '-'
      else if (name === 'w:footnoteReference') text += this.#note(this.#footnotes.get(attribs['w:id'] ?? ''))
      else if (name === 'w:endnoteReference') text += this.#note(this.#endnotes.get(attribs['w:id'] ?? ''))
      else if (name === 'w:p') text += `${this.#text(child)}\n`
      else text += this.#text(child)
    }
    return text
  }

  #note(note: Element | undefined): string {
    if (note === undefined) return ''
    const n = ++this.#noteCount
    this.#notes.push(`[${n}] ${foldSpace(this.#text(note))}`)
    return `[${n}]`
  }
}

function ownerTable(row: Element): Element | undefined {
  let node = row.parent
  while (node !== null && !(node.type === 'tag' && (node as Element).name === 'w:tbl')) node = node.parent
  return (node as Element | null) ?? undefined
}
