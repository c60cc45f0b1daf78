// Documents that have an inner order: headings, paragraphs, code and tables, as readers find them.

import type { TableFormat } from '../import/imported'
import { tableText } from '../import/tables'
import type { Table } from '../raft/table'

/** A part of a document that is read as one. */
export type Block = (
  | { kind: 'heading'; /** From 1. */ level: number; text: string }
  /** A paragraph, or a list with an item a line. */
  | { kind: 'text'; text: string }
  | { kind: 'code'; text: string }
  | { kind: 'table'; table: Table }
) & {
  /** Page or slide it begins on, from 1, where the format has such. */
  page?: number
}

const longestFence = (text: string): number =>
  [...text.matchAll(/^\s*(`{3,})/gm)].reduce((most, [, ticks = '']) => Math.max(most, ticks.length), 2)

/** A block as it is in a chunk: headings and code as Markdown writes them. */
export function blockText(block: Block, format: TableFormat = 'markdown'): string {
  switch (block.kind) {
    case 'heading':
      return `${'#'.repeat(Math.min(6, block.level))} ${block.text}`
    case 'code': {
      const fence = '`'.repeat(longestFence(block.text) + 1)
      return `${fence}\n${block.text}\n${fence}`
    }
    case 'table':
      return tableText([block.table.header, ...block.table.rows], format)
    case 'text':
      return block.text
  }
}

/** A whole document as text. */
export const blocksText = (blocks: readonly Block[]): string => blocks.map((block) => blockText(block)).join('\n\n')

/** The headings that a place of a document is under, outermost first. */
export class HeadingPath {
  readonly #open: { level: number; text: string }[] = []

  /** Those that a block is under; a heading is never under those of its own level. */
  above(block: Block | undefined): string[] {
    const open = block?.kind === 'heading' ? this.#open.filter(({ level }) => level < block.level) : this.#open
    return open.map(({ text }) => text)
  }

  /** Takes note of a block that was passed. */
  pass(block: Block): void {
    if (block.kind !== 'heading') return
    while (this.#open.length > 0 && this.#open.at(-1)!.level >= block.level) this.#open.pop()
    this.#open.push({ level: block.level, text: block.text })
  }
}
