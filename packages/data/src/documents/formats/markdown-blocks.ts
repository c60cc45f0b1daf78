// Markdown as blocks: each a piece of the source, told by how its lines begin.

import type { Block } from '../blocks'
import { tableOfRows } from './grid'

/** What is before the text, in YAML between `---` or TOML between `+++`: its title, and the text without it. */
export function frontMatter(text: string): { title?: string; body: string } {
  const found = /^(---|\+\+\+)[^\S\n]*\r?\n([^]*?)\r?\n\1[^\S\n]*(?:\r?\n|$)/.exec(text)
  // A rule between paragraphs is no front matter: that has keys.
  if (found === null || !/^[\w-]+\s*[:=]/m.test(found[2]!)) return { body: text }
  const title = /^title\s*[:=]\s*(.+?)\s*$/m.exec(found[2]!)?.[1]?.replace(/^(["'])(.*)\1$/, '$2')
  return { ...(title ? { title } : {}), body: text.slice(found[0].length) }
}

const HEADING = /^ {0,3}(#{1,6})(?:[^\S\n]+(.*?))?(?:[^\S\n]+#+)?[^\S\n]*$/
const FENCE = /^ {0,3}(`{3,}|~{3,})/
const UNDERLINE = /^ {0,3}(=+|-+)[^\S\n]*$/
const RULE = /^ {0,3}([-*_])[^\S\n]*(?:\1[^\S\n]*){2,}$/
const DELIMITERS = /^ {0,3}\|?[^\S\n]*:?-+:?[^\S\n]*(?:\|[^\S\n]*:?-+:?[^\S\n]*)*\|?[^\S\n]*$/
const LIST_ITEM = /^\s*(?:[-*+]|\d+[.)])\s/

/** Blocks of a Markdown document without its front matter: headings, paragraphs, lists, tables and code, in its order. */
export function markdownBlocks(source: string): Block[] {
  const lines = source.split(/\r\n?|\n/)
  const blocks: Block[] = []
  let paragraph: string[] = []
  const flush = () => {
    const text = paragraph.join('\n').replace(/^\n+|\s+$/g, '')
    if (text !== '') blocks.push({ kind: 'text', text })
    paragraph = []
  }
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!
    const fence = FENCE.exec(line)?.[1]
    const heading = HEADING.exec(line)
    if (fence !== undefined) {
      flush()
      const from = i + 1
      const ends = new RegExp(`^ {0,3}\\${fence[0]!}{${fence.length},}[^\\S\\n]*$`)
      do i++
      while (i < lines.length && !ends.test(lines[i]!))
      const text = lines.slice(from, i).join('\n')
      if (text.trim() !== '') blocks.push({ kind: 'code', text })
    } else if (heading !== null) {
      flush()
      const text = plain(heading[2] ?? '')
      if (text !== '') blocks.push({ kind: 'heading', level: heading[1]!.length, text })
    } else if (/^\s*<!--/.test(line)) {
      flush()
      while (i < lines.length && !lines[i]!.includes('-->')) i++
    } else if (line.trim() === '') {
      flush()
    } else if (UNDERLINE.test(line) && paragraph.length === 1 && !LIST_ITEM.test(paragraph[0]!)) {
      const text = plain(paragraph[0]!)
      paragraph = []
      blocks.push({ kind: 'heading', level: line.trim().startsWith('=') ? 1 : 2, text })
    } else if (RULE.test(line)) {
      flush()
    } else if (line.includes('|') && DELIMITERS.test(lines[i + 1] ?? '') && (lines[i + 1] ?? '').includes('-')) {
      flush()
      const rows = [cellsOf(line)]
      for (i += 2; i < lines.length && lines[i]!.includes('|') && lines[i]!.trim() !== ''; i++)
        rows.push(cellsOf(lines[i]!))
      i--
      const table = tableOfRows(rows)
      if (table !== undefined) blocks.push({ kind: 'table', table })
    } else paragraph.push(line)
  }
  flush()
  return blocks
}

const cellsOf = (line: string): string[] =>
  line
    .trim()
    .replace(/^\||(?<!\\)\|$/g, '')
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll('\\|', '|'))

/** A heading without the marks of links, code and anchors. */
const plain = (text: string): string =>
  text
    .replace(/!\[[^\]]*\]\([^)]*\)/g, '')
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/<[^>]+>/g, '')
    .replace(/\s*\{#[^}]*\}/g, '')
    .replace(/[*`]+/g, '')
    .trim()
