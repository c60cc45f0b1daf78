// Chunks of documents with headings: along sections, tables between rows, each with its place.

import { expect, test } from 'vitest'
import type { Block } from './blocks'
import { chunkDocument } from '../raft/chunk'

/** A token a word. */
const tokenizer = {
  encode: (text: string) =>
    text
      .split(/\s+/)
      .filter(Boolean)
      .map((_, i) => i),
} as never

const words = (n: number, name: string) => Array.from({ length: n }, (_, i) => `${name}${i}`).join(' ')
const cut = (blocks: readonly Block[], chunkTokens: number, title?: string) =>
  chunkDocument({ id: 'd', blocks, ...(title === undefined ? {} : { title }) }, { tokenizer, chunkTokens })

test('small sections share a chunk, a heading stays with its text, each chunk knows what it stands under', () => {
  const blocks: Block[] = [
    { kind: 'heading', level: 1, text: 'Guide' },
    { kind: 'text', text: words(5, 'a') },
    { kind: 'heading', level: 2, text: 'Install' },
    { kind: 'text', text: words(14, 'b') },
    { kind: 'heading', level: 2, text: 'Use' },
    { kind: 'heading', level: 3, text: 'Daily' },
    { kind: 'text', text: words(10, 'c') },
    { kind: 'text', text: words(10, 'd') },
  ]
  const chunks = cut(blocks, 20, 'Guide')
  expect(chunks.map(({ id, path, title, text }) => [id, path, title, text.split(/\s+/).length])).toEqual([
    ['d#1', undefined, 'Guide', 7],
    ['d#2', ['Guide'], 'Guide', 16],
    ['d#3', ['Guide'], 'Guide', 14],
    ['d#4', ['Guide', 'Use', 'Daily'], 'Guide › Use › Daily', 10],
  ])
  expect(chunks[2]!.text.startsWith('## Use\n\n### Daily\n\nc0')).toBe(true)
  expect(cut(blocks, 200)).toMatchObject([{ id: 'd' }])
})

test('a table that is too long is cut between rows, under its heading at first, each part with the header', () => {
  const rows = Array.from({ length: 12 }, (_, i) => [`r${i}`, `v${i}`])
  const chunks = cut(
    [
      { kind: 'heading', level: 1, text: 'Sizes' },
      { kind: 'table', table: { header: ['k', 'v'], rows } },
    ],
    40,
  )
  expect(chunks.length).toBeGreaterThan(1)
  expect(chunks[0]!.text.startsWith('# Sizes\n\n| k | v |')).toBe(true)
  for (const { text, tokens } of chunks) {
    expect(text).toContain('| k | v |')
    expect(tokens).toBeLessThanOrEqual(40)
  }
  expect(chunks.slice(1).map(({ path }) => path)).toEqual(chunks.slice(1).map(() => ['Sizes']))
  for (const [key] of rows) expect(chunks.filter(({ text }) => text.includes(`| ${key} |`))).toHaveLength(1)
})

test('chunks of pages are called by them; all text is in some chunk', () => {
  const blocks: Block[] = [1, 1, 2].map((page, i) => ({ kind: 'text', text: words(i === 1 ? 40 : 12, `p${i}x`), page }))
  const chunks = cut(blocks, 16)
  expect(chunks.map(({ id }) => id)).toEqual(['d#p1.1', 'd#p1.2', 'd#p1.3', 'd#p1.4', 'd#p2.1'])
  expect(chunks.at(-1)).toMatchObject({ page: 2 })
  const all = chunks.map(({ text }) => text).join(' ')
  for (const block of blocks)
    for (const word of block.kind === 'text' ? block.text.split(' ') : []) expect(all).toContain(word)
})
