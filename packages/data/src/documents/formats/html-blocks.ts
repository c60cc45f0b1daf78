// Markup of pages and books as blocks: which part is the main text, and what its elements say.

import type { Block } from '../blocks'
import { tableOfRows } from './grid'
import {
  elementsOf,
  firstNamed,
  foldSpace,
  isElement,
  isText,
  named,
  textOf,
  type Document,
  type Element,
} from './markup'

/** Never part of what is read. */
const unread = new Set(
  'script style noscript template svg math iframe object canvas audio video form button select input textarea head dialog'.split(
    ' ',
  ),
)
const surrounding = new Set(['nav', 'aside', 'footer'])
const surroundingRoles = new Set(['navigation', 'banner', 'contentinfo', 'complementary', 'search', 'menu'])

const inline = new Set(
  'a abbr acronym b bdi bdo big br cite code data del dfn em font i img ins kbd label mark q rp rt ruby s samp small span strike strong sub sup time tt u var wbr'.split(
    ' ',
  ),
)

const isPassedOver = ({ name, attribs }: Element): boolean =>
  unread.has(name) ||
  surrounding.has(name) ||
  surroundingRoles.has(attribs.role ?? '') ||
  'hidden' in attribs ||
  attribs['aria-hidden'] === 'true' ||
  /display:\s*none/i.test(attribs.style ?? '')

/** What a page calls itself. */
export function pageTitle(document: Document): string | undefined {
  const title = firstNamed(document, 'title')
  return (title && foldSpace(textOf(title))) || undefined
}

/** The element that holds the main text: `main`, a single `article`, else the body. */
export function mainContent(document: Document): Document | Element {
  const body = firstNamed(document, 'body') ?? document
  for (const element of named(body, 'main')) return element
  for (const element of everyElement(body)) if (element.attribs.role === 'main') return element
  const articles = [...named(body, 'article')]
  if (articles.length === 1 && textOf(articles[0]!).length > textOf(body).length / 3) return articles[0]!
  return body
}

function* everyElement(node: Document | Element): Generator<Element> {
  for (const child of elementsOf(node)) {
    yield child
    yield* everyElement(child)
  }
}

/** Whether it is a list of ways to other places, such as a table of contents or a menu: nearly all of it is links. */
function isMenu(element: Element): boolean {
  const links = [...named(element, 'a')].filter(({ attribs }) => attribs.href !== undefined)
  if (links.length < 4) return false
  const linked = links.reduce((n, link) => n + foldSpace(textOf(link)).length, 0)
  return linked > 0.8 * foldSpace(textOf(element)).replace(/[\d.\s]+/g, '').length
}

/** What an element says, as blocks in the order of the file. */
export function markupBlocks(root: Document | Element): Block[] {
  const reading = new MarkupReading()
  reading.walk(root)
  return reading.end()
}

class MarkupReading {
  readonly #blocks: Block[] = []
  #line = ''

  end(): Block[] {
    this.#flush()
    return this.#blocks
  }

  walk(node: Document | Element): void {
    for (const child of node.children) {
      if (isText(child)) this.#line += child.data.replace(/\s+/g, ' ')
      else if (child.type === 'cdata') this.walk(child as unknown as Element)
      else if (isElement(child) && !isPassedOver(child)) this.#element(child)
    }
  }

  #element(element: Element): void {
    const { name } = element
    if (name === 'br') {
      this.#line += '\n'
      return
    }
    // A block inside inline markup, as old pages have it, ends the line all the same.
    if (inline.has(name)) return this.walk(element)
    this.#flush()
    const level = /^h([1-6])$/.exec(name)?.[1]
    if (level !== undefined) this.#add({ kind: 'heading', level: Number(level), text: foldSpace(inlineText(element)) })
    else if (name === 'pre') this.#add({ kind: 'code', text: preText(element) })
    else if (name === 'ul' || name === 'ol') {
      if (!isMenu(element)) this.#list(element)
    } else if (name === 'table') this.#table(element)
    else if (name === 'dt') this.#add({ kind: 'text', text: `${foldSpace(inlineText(element))}:` })
    else if (name === 'header' && !hasHeading(element)) return
    else this.walk(element)
    this.#flush()
  }

  #list(list: Element): void {
    // Items with code or tables are read one after the other.
    if ([...named(list, 'pre'), ...named(list, 'table')].length > 0) {
      for (const item of elementsOf(list)) {
        this.#line += '- '
        this.walk(item)
        this.#flush()
      }
      return
    }
    this.#add({ kind: 'text', text: listLines(list, '').join('\n') })
  }

  #table(table: Element): void {
    const rows = cellsOf(table)
    const isLayout =
      rows.every((row) => row.length < 2) ||
      [...named(table, 'table'), ...named(table, 'pre'), ...named(table, 'h1'), ...named(table, 'h2')].length > 0
    if (isLayout) return this.walk(table)
    const caption = firstNamed(table, 'caption')
    if (caption !== undefined) this.#add({ kind: 'text', text: foldSpace(inlineText(caption)) })
    const made = tableOfRows(rows)
    if (made !== undefined) this.#blocks.push({ kind: 'table', table: made })
  }

  #add(block: Exclude<Block, { kind: 'table' }>): void {
    if (block.text.trim() !== '' && block.text.trim() !== ':') this.#blocks.push(block)
  }

  #flush(): void {
    const text = this.#line.split('\n').map(foldSpace).filter(Boolean).join('\n')
    this.#line = ''
    if (text !== '' && text !== '-') this.#blocks.push({ kind: 'text', text })
  }
}

const hasHeading = (element: Element): boolean => [...everyElement(element)].some(({ name }) => /^h[1-6]$/.test(name))

/** The text of an element and all in it, blocks one a line. */
function inlineText(element: Element): string {
  let text = ''
  for (const child of element.children) {
    if (isText(child)) text += child.data
    else if (isElement(child) && !unread.has(child.name)) {
      const within = child.name === 'br' ? ' ' : inlineText(child)
      text += inline.has(child.name) ? within : ` ${within} `
    }
  }
  return text
}

function preText(element: Element): string {
  let text = ''
  const walk = (node: Element): void => {
    for (const child of node.children) {
      if (isText(child)) text += child.data
      else if (isElement(child)) {
        if (child.name === 'br') text += '\n'
        walk(child)
      }
    }
  }
  walk(element)
  return text.replace(/\r\n?/g, '\n').replace(/^\s*\n|\s+$/g, '')
}

/** A line an item, those of inner lists set in. */
function listLines(list: Element, indent: string): string[] {
  const lines: string[] = []
  let n = Number(list.attribs.start ?? 1)
  for (const item of elementsOf(list)) {
    if (isPassedOver(item)) continue
    if (item.name === 'ul' || item.name === 'ol') {
      lines.push(...listLines(item, `${indent}  `))
      continue
    }
    const inner = elementsOf(item).filter(({ name }) => name === 'ul' || name === 'ol')
    const own = { ...item, children: item.children.filter((child) => !inner.includes(child as Element)) } as Element
    const text = foldSpace(inlineText(own))
    if (text !== '') lines.push(`${indent}${list.name === 'ol' ? `${n++}.` : '-'} ${text}`)
    for (const each of inner) lines.push(...listLines(each, `${indent}  `))
  }
  return lines
}

/** Most cells that one may stand for: more is a mistake, or made to fill the memory. */
const widestSpan = 100

/** Rows of cells; one that spans several is in each row, and in the first of its columns. */
function cellsOf(table: Element): string[][] {
  const rows: string[][] = []
  const spanning = new Map<number, { text: string; rows: number }>()
  for (const tr of named(table, 'tr')) {
    const row: string[] = []
    const fillDown = () => {
      for (let span = spanning.get(row.length); span !== undefined; span = spanning.get(row.length)) {
        if (--span.rows === 0) spanning.delete(row.length)
        row.push(span.text)
      }
    }
    for (const cell of elementsOf(tr)) {
      if (cell.name !== 'td' && cell.name !== 'th') continue
      fillDown()
      const text = foldSpace(inlineText(cell))
      const [across, down] = ['colspan', 'rowspan'].map((name) =>
        Math.min(widestSpan, Number(cell.attribs[name]) || 1),
      ) as [number, number]
      if (down > 1) spanning.set(row.length, { text, rows: down - 1 })
      row.push(text, ...Array.from({ length: across - 1 }, () => ''))
    }
    fillDown()
    rows.push(row)
  }
  return rows
}
