// Chunks against a real tokenizer: never too long, cut where they may be, nothing lost.

import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import { loadTokenizer } from '../rows/files'
import type { Tokenizer } from '../tokenizer/tokenizer'
import { chunkDocument, type ChunkOptions } from './chunk'
import { parseTable } from './table'

const words = ['red', 'blue', 'green', 'a', 'house', 'stands', 'under', 'Überlingen', '12,467', 'it’s']
const sentence = (i: number, length: number) =>
  `So ${Array.from({ length }, (_, k) => words[(i * 7 + k * k) % words.length]).join(' ')}.`
const paragraph = (i: number, sentences: number) =>
  Array.from({ length: sentences }, (_, k) => sentence(i + k, 3 + ((i + k) % 9))).join(' ')
const folded = (text: string) => text.replace(/\s+/g, ' ').trim()

let tokenizer: Tokenizer
beforeAll(async () => {
  tokenizer = await loadTokenizer(fileURLToPath(new URL('../../../../apps/cli/assets/tiny-llama', import.meta.url)))
})
const size = (text: string) => tokenizer.encode(text, { addBos: false }).length
const chunks = (text: string, options: Partial<ChunkOptions> = {}) =>
  chunkDocument({ id: 'd', title: 't', text }, { tokenizer, chunkTokens: 40, ...options })

describe('texts', () => {
  test.each([16, 17, 40, 256])('of %i tokens: never longer, nothing lost, ids counted from 1', (chunkTokens) => {
    const text = Array.from({ length: 12 }, (_, i) => paragraph(i, 1 + (i % 6))).join('\n\n')
    const found = chunks(text, { chunkTokens })
    expect(found.length).toBeGreaterThan(1)
    expect(found.map(({ id }) => id)).toEqual(found.map((_, i) => `d#${i + 1}`))
    for (const chunk of found) {
      expect(chunk).toMatchObject({ title: 't', document: 'd', tokens: size(chunk.text) })
      expect(chunk.tokens).toBeLessThanOrEqual(chunkTokens)
      expect(chunk.tokens).toBeGreaterThan(0)
    }
    expect(folded(found.map((chunk) => chunk.text).join(' '))).toBe(folded(text))
  })

  test('one chunk keeps the plain id; white space has none', () => {
    expect(chunks(' \n Red house. \n')).toEqual([
      { id: 'd', title: 't', text: 'Red house.', document: 'd', tokens: size('Red house.') },
    ])
    expect(chunks(' \n\t ')).toEqual([])
  })

  test('cut behind paragraphs where there are some, else sentences, else words', () => {
    const paragraphs = Array.from({ length: 3 }, () => paragraph(1, 6))
    // Room for some sentences of the next one, which are left to it.
    const limit = Math.floor(1.6 * size(paragraphs[0]!))
    expect(chunks(paragraphs.join('\n \n'), { chunkTokens: limit }).map(({ text }) => text)).toEqual(paragraphs)
    const sentences = chunks(paragraph(4, 30))
    expect(sentences.length).toBeGreaterThan(3)
    for (const { text } of sentences) expect(text).toMatch(/\.$/)
    const long = sentence(1, 100)
    const pieces = chunks(long)
    expect(pieces.map(({ text }) => text).join(' ')).toBe(long)
    for (const { tokens } of pieces.slice(0, -1)) expect(tokens).toBeGreaterThan(30)
  })

  test('names are not cut behind an initial or a title', () => {
    const name = 'Rev. Paul T. Stallsworth sees Dr. E.I. du Pont etc. in it'
    for (const { text } of chunks(Array.from({ length: 9 }, () => `${name}.`).join(' '), { chunkTokens: 50 }))
      expect(text).toMatch(/^Rev.* in it\.$/)
  })

  test('a heading stays with what it is of', () => {
    const body = paragraph(1, 12)
    expect(chunks(`# Red\n\n${body}`)[0]!.text).toMatch(/^# Red\n\n\S.*\.$/)
  })

  test('a word longer than a chunk is cut, not between halves of a character', () => {
    const word = '北京😀é'.repeat(150)
    const found = chunks(`red ${word} blue`)
    for (const { text, tokens } of found) {
      expect(tokens).toBeLessThanOrEqual(40)
      expect(text).not.toMatch(/\p{Surrogate}/u)
    }
    expect(
      found
        .map(({ text }) => text)
        .join('')
        .replace(/ /g, ''),
    ).toBe(`red${word}blue`)
  })

  test('an overlap repeats so many tokens at most, of whole words', () => {
    const text = Array.from({ length: 400 }, (_, i) => `w${i}${i % 11 === 0 ? '.' : ''}`).join(' ')
    const found = chunks(text, { overlapTokens: 12 }).map((chunk) => ({ ...chunk, words: chunk.text.split(' ') }))
    for (const [i, { words: later, tokens }] of found.entries()) {
      expect(tokens).toBeLessThanOrEqual(40)
      const earlier = found[i - 1]?.words
      if (earlier === undefined) continue
      const from = earlier.indexOf(later[0]!)
      expect(from).toBeGreaterThan(0)
      const repeated = earlier.slice(from)
      expect(later.slice(0, repeated.length)).toEqual(repeated)
      expect(later.length).toBeGreaterThan(repeated.length)
      expect(size(repeated.join(' '))).toBeLessThanOrEqual(12)
    }
    expect([...new Set(found.flatMap((chunk) => chunk.words))]).toEqual(text.split(' '))
  })

  test('numbers out of range', () => {
    expect(() => chunks('a', { chunkTokens: 15 })).toThrow('chunkTokens: got 15, expected an integer ≥ 16')
    expect(() => chunks('a', { overlapTokens: 40 })).toThrow('overlapTokens: got 40, expected an integer from 0 to 39')
  })
})

describe('tables', () => {
  const csv = ['Name,Note', ...Array.from({ length: 30 }, (_, i) => `n${i},"red | blue, ${i}\nhouse"`)].join('\n')
  const table = parseTable(csv, 't.csv')

  test.each(['markdown', 'csv'] as const)('as %s: each part has the header, every row stands once', (tableFormat) => {
    const found = chunkDocument({ id: 't', table }, { tokenizer, chunkTokens: 80, overlapTokens: 20, tableFormat })
    expect(found.length).toBeGreaterThan(3)
    const header = tableFormat === 'csv' ? 'Name,Note\n' : '| Name | Note |\n| --- | --- |\n'
    for (const { text, tokens } of found) {
      expect(text.startsWith(header)).toBe(true)
      expect(tokens).toBeLessThanOrEqual(80)
    }
    const rows = found.flatMap(({ text }) => text.match(/n\d+(?=,| \|)/g) ?? [])
    expect(rows).toEqual(table.rows.map(([name]) => name))
  })

  test('what separates cells is escaped', () => {
    const one = { id: 't', table: { header: table.header, rows: table.rows.slice(0, 1) } }
    const [markdown] = chunkDocument(one, { tokenizer, chunkTokens: 80 })
    expect(markdown).toMatchObject({ id: 't', text: '| Name | Note |\n| --- | --- |\n| n0 | red \\| blue, 0 house |' })
    const [plain] = chunkDocument(one, { tokenizer, chunkTokens: 80, tableFormat: 'csv' })
    expect(plain!.text).toBe('Name,Note\nn0,"red | blue, 0 house"')
  })

  test('a row too long for a chunk is cut like text; a table without rows has no chunks', () => {
    const long = { header: ['a'], rows: [['x'], [sentence(1, 80)], ['y']] }
    const found = chunkDocument({ id: 't', table: long }, { tokenizer, chunkTokens: 40 })
    expect(found.length).toBeGreaterThan(4)
    for (const { tokens } of found) expect(tokens).toBeLessThanOrEqual(40)
    expect(chunkDocument({ id: 't', table: { header: ['a'], rows: [] } }, { tokenizer, chunkTokens: 40 })).toEqual([])
  })
})
