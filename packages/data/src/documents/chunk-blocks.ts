// Documents with headings cut into chunks: along their sections, no table cut in the middle.

import { blockText, HeadingPath, type Block } from './blocks'
import type { TableFormat } from '../import/imported'
import type { Table } from '../raft/table'

/** A chunk's text and its place in the document. */
export interface Passage {
  text: string
  /** The headings it is under, outermost first; those in its text are not among them. */
  path: string[]
  page?: number
}

export interface BlockCutting {
  limit: number
  format: TableFormat
  count: (text: string) => number
  cutText: (text: string, limit: number) => string[]
  cutTable: (table: Table, limit: number) => string[]
}

const JOINT = '\n\n'

/**
 * Cuts blocks into passages of at most `limit` tokens. Sections that fit together stay together; one that does not fit is cut
 * between its blocks, and a block that does not fit on its own as text or table is. A heading stays with what it is above.
 */
export function chunkBlocks(blocks: readonly Block[], cutting: BlockCutting): Passage[] {
  const builder = new PassageBuilder(cutting)
  for (const section of sectionsOf(blocks)) builder.addSection(section)
  return builder.end()
}

/** Runs of blocks, each from its headings to the next ones. */
function sectionsOf(blocks: readonly Block[]): Block[][] {
  const sections: Block[][] = []
  let last: Block | undefined
  for (const block of blocks) {
    const begins = block.kind === 'heading' && last?.kind !== 'heading'
    if (begins || sections.length === 0) sections.push([block])
    else sections.at(-1)!.push(block)
    last = block
  }
  return sections
}

class PassageBuilder {
  readonly #cutting: BlockCutting
  readonly #path = new HeadingPath()
  readonly #passages: Passage[] = []
  #open: Block[] = []
  #text = ''

  constructor(cutting: BlockCutting) {
    this.#cutting = cutting
  }

  addSection(section: readonly Block[]): void {
    const { limit, count } = this.#cutting
    const whole = section.map((block) => this.#textOf(block)).join(JOINT)
    if (this.#fits(whole)) {
      this.#open.push(...section)
      this.#text = this.#joined(whole)
      return
    }
    // What is open stays for a section that is cut anyway only where it is too little to be alone.
    if (count(whole) <= limit || count(this.#text) > limit / 4) this.#close()
    for (const block of section) this.#addBlock(block)
  }

  end(): Passage[] {
    this.#close()
    return this.#passages
  }

  #addBlock(block: Block): void {
    const text = this.#textOf(block)
    if (this.#fits(text)) {
      this.#open.push(block)
      this.#text = this.#joined(text)
      return
    }
    const heads = this.#takeHeadings()
    this.#close()
    const headText = heads.map((each) => this.#textOf(each)).join(JOINT)
    this.#open = [...heads]
    this.#text = headText
    if (this.#fits(text)) {
      this.#open.push(block)
      this.#text = this.#joined(text)
      return
    }
    const pieces = this.#cut(block, headText)
    const above = this.#path.above(heads[0] ?? block)
    for (const each of heads) this.#path.pass(each)
    const inside = this.#path.above(block)
    const page = block.page ?? heads[0]?.page
    pieces.forEach((piece, i) =>
      this.#passages.push({ text: piece, path: i === 0 ? above : inside, ...(page === undefined ? {} : { page }) }),
    )
    this.#path.pass(block)
    this.#open = []
    this.#text = ''
  }

  /** A block that fits in no chunk, below the headings it follows. */
  #cut(block: Block, headText: string): string[] {
    const { limit, count, cutText, cutTable } = this.#cutting
    if (block.kind !== 'table')
      return cutText(headText === '' ? this.#textOf(block) : headText + JOINT + this.#textOf(block), limit)
    const left = headText === '' ? limit : limit - count(headText + JOINT)
    // Headings as long as a chunk are cut off.
    if (left < limit / 2) return [...cutText(headText, limit), ...cutTable(block.table, limit)]
    const [first = '', ...rest] = cutTable(block.table, left)
    return [headText === '' ? first : headText + JOINT + first, ...rest]
  }

  /** Headings at the end of what is open: they go with what follows. */
  #takeHeadings(): Block[] {
    let from = this.#open.length
    while (from > 0 && this.#open[from - 1]!.kind === 'heading') from--
    const heads = this.#open.splice(from)
    this.#text = this.#open.map((block) => this.#textOf(block)).join(JOINT)
    return heads
  }

  #close(): void {
    if (this.#text.trim() !== '') {
      const page = this.#open[0]?.page
      this.#passages.push({
        text: this.#text,
        path: this.#path.above(this.#open[0]),
        ...(page === undefined ? {} : { page }),
      })
    }
    for (const block of this.#open) this.#path.pass(block)
    this.#open = []
    this.#text = ''
  }

  #textOf(block: Block): string {
    return blockText(block, this.#cutting.format).trim()
  }

  #joined(text: string): string {
    return this.#text === '' ? text : this.#text + JOINT + text
  }

  #fits(text: string): boolean {
    return this.#cutting.count(this.#joined(text)) <= this.#cutting.limit
  }
}
