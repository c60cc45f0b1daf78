// PPTX: the text of each slide in order, its title as a heading, tables and notes.

import type { Block } from '../blocks'
import { tableOfRows } from '../formats/grid'
import {
  childNamed,
  elementsOf,
  firstNamed,
  foldSpace,
  named,
  textOf,
  type Document,
  type Element,
} from '../formats/markup'
import { openPackage, requiredPart } from '../formats/office'
import type { Reader } from './reader'

export const pptxReader = {
  summary: 'slides',
  extensions: ['.pptx', '.pptm'],
  async *read(bytes, file) {
    const office = await openPackage(bytes, file)
    const show = await requiredPart(office, 'ppt/presentation.xml', file, 'presentation')
    const links = await office.links('ppt/presentation.xml')
    const blocks: Block[] = []
    let page = 0
    for (const { attribs } of named(show, 'p:sldId')) {
      page++
      const target = links.get(attribs['r:id'] ?? '')?.target
      const slide = target === undefined ? undefined : await office.part(target)
      if (slide === undefined || target === undefined) continue
      blocks.push(...slideBlocks(slide, page))
      const notes = [...(await office.links(target)).values()].find(({ type }) => type.endsWith('/notesSlide'))
      const noted = notes && (await office.part(notes.target))
      if (noted) blocks.push(...slideBlocks(noted, page).filter(({ kind }) => kind === 'text'))
    }
    const title = await office.title()
    yield { ...(title === undefined ? {} : { title }), blocks }
  },
} as const satisfies Reader

/** Places of a slide that hold no text of its own. */
const furniture = new Set(['sldNum', 'dt', 'ftr', 'hdr', 'sldImg'])

function slideBlocks(slide: Document, page: number): Block[] {
  const [heads, rest]: [Block[], Block[]] = [[], []]
  const visit = (node: Document | Element): void => {
    for (const element of elementsOf(node)) {
      if (element.name === 'p:sp') {
        const place = firstNamed(element, 'p:ph')?.attribs.type ?? ''
        const body = childNamed(element, 'p:txBody')
        if (body === undefined || furniture.has(place)) continue
        const lines = [...named(body, 'a:p')].map((p) => ({
          text: foldSpace(paragraphText(p)),
          level: Number(childNamed(p, 'a:pPr')?.attribs.lvl ?? 0),
        }))
        const filled = lines.filter(({ text }) => text !== '')
        if (filled.length === 0) continue
        if (place === 'title' || place === 'ctrTitle')
          heads.push({ kind: 'heading', level: 2, text: filled.map(({ text }) => text).join(' '), page })
        else
          rest.push({
            kind: 'text',
            text: filled.map(({ text, level }) => '  '.repeat(Math.min(level, 8)) + text).join('\n'),
            page,
          })
      } else if (element.name === 'a:tbl') {
        const rows = [...named(element, 'a:tr')].map((tr) =>
          [...named(tr, 'a:tc')].map((tc) => foldSpace([...named(tc, 'a:p')].map(paragraphText).join(' '))),
        )
        const table = tableOfRows(rows)
        if (table !== undefined) rest.push({ kind: 'table', table, page })
      } else if (element.name !== 'mc:Fallback') visit(element)
    }
  }
  visit(slide)
  return [...heads, ...rest]
}

const paragraphText = (paragraph: Element): string =>
  elementsOf(paragraph)
    .map((child) => (child.name === 'a:br' ? ' ' : [...named(child, 'a:t')].map(textOf).join('')))
    .join('')
