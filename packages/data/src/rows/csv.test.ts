// Delimited text: RFC 4180, the dialects around it, and every table of the WikiTableQuestions sample.

import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { hasShared, shared } from '../../test/shared'
import { parseCsv, type CsvOptions } from './csv'
import { parseTable } from '../raft/table'

const cells = (text: string, options?: CsvOptions) => parseCsv(text, 'f.csv', options).map((record) => record.cells)

test('cells, quoted cells, empty cells, and every kind of line end', () => {
  expect(cells('a,b\r\n1,\n,"x, ""y""\nz"\r2,""')).toEqual([
    ['a', 'b'],
    ['1', ''],
    ['', 'x, "y"\nz'],
    ['2', ''],
  ])
  expect(cells('\uFEFFa\n\n\r\nb\n')).toEqual([['a'], ['b']])
  expect(cells('')).toEqual([])
  expect(cells('5" disk,b "c"')).toEqual([['5" disk', 'b "c"']])
  expect(cells(`"${'x,""'.repeat(200_000)}"`)[0]).toEqual(['x,"'.repeat(200_000)])
})

test('a delimiter at the end of the text leaves an empty cell', () => {
  expect(cells('a,b\n1,')).toEqual([
    ['a', 'b'],
    ['1', ''],
  ])
})

test('other delimiters, and quotes that stand for themselves', () => {
  expect(cells('a;"b;c"', { delimiter: ';' })).toEqual([['a', 'b;c']])
  expect(cells('a|b', { delimiter: '|' })).toEqual([['a', 'b']])
  expect(cells('"a" x\tb,c', { delimiter: '\t', quotes: false })).toEqual([['"a" x', 'b,c']])
  expect(cells('"a \\"b\\" \\\\","c\\n"', { backslashQuotes: true })).toEqual([['a "b" \\', 'c\\n']])
})

test('records know their lines', () => {
  expect(parseCsv('a\n"x\ny"\n\nb', 'f').map(({ line }) => line)).toEqual([1, 2, 5])
})

test('errors name file and line', () => {
  expect(() => cells('a\n"b\nc')).toThrow('f.csv: line 2: a cell opens with a quote that never ends')
  expect(() => cells('a\n"b"c,d')).toThrow('f.csv: line 2: "c,d" after a closing quote; expected the next cell')
  expect(() => cells(`"${'x'.repeat(1e6)}`)).toThrow('never ends')
  expect(() => parseTable('a,b\n1,2\n\n1,2,3', 't.csv')).toThrow(
    't.csv: row 3 (line 4): got 3 cells; expected 2, as in the header',
  )
})

test('every table of WikiTableQuestions is read, the same from CSV and TSV', (ctx) => {
  ctx.skip(!hasShared, 'needs ../shared')
  const root = `${shared}/data/wikitablequestions-sample/csv`
  const files = readdirSync(root, { recursive: true }).map((name) => `${root}/${String(name)}`)
  const tables = files.filter((file) => file.endsWith('.csv') && !file.endsWith('-csv'))
  expect(tables.length).toBe(263)
  for (const file of tables) {
    const fromCsv = parseTable(readFileSync(file, 'utf8'), file)
    const tsv = file.replace(/csv$/, 'tsv')
    const fromTsv = parseTable(readFileSync(tsv, 'utf8'), tsv)
    expect(fromTsv.header.length, file).toBe(fromCsv.header.length)
    expect(fromTsv.rows.length, file).toBe(fromCsv.rows.length)
  }
})
