// What holds of every format: nothing read is lost, rows are valid, and input that is none of it is an error.

import { expect, test } from 'vitest'
import { DatasetError } from '../errors'
import { checkRow } from '../rows/check-row'
import { countQuestions, type ImportOptions } from './imported'
import { importFormats, type ImportFormat, type ImportFormatName } from './index'

interface Case {
  files: Record<string, string>
  options?: ImportOptions
  /** Of the good and the bad part. */
  read: number
  refused: number
}

const lines = (...records: unknown[]) => records.map((record) => JSON.stringify(record)).join('\n')

/** Input of each format, good and bad mixed. */
const cases: Record<ImportFormatName, Case> = {
  wikitablequestions: {
    files: {
      'data/a.tsv': 'id\tutterance\tcontext\ttargetValue\nq1\tWho?\tcsv/1.csv\tAnn\nq2\tWho?\tcsv/2.csv\tAnn\nq3\n',
      'csv/1.csv': '"name"\n"Ann"\n',
    },
    read: 3,
    refused: 2,
  },
  squad: {
    files: {
      'a.json': JSON.stringify({
        data: [
          {
            title: 'T',
            paragraphs: [{ context: 'Ann runs.', qas: [{ question: 'Who?', answers: [{ text: 'Ann' }] }, {}] }, {}],
          },
          { title: 'U' },
        ],
      }),
    },
    read: 4,
    refused: 3,
  },
  babi: {
    files: { 'qa1_a.txt': '1 Ann runs.\n2 Who? \tAnn\t1\n3 Who?\n5 Bob sits.\n6 Who?\tBob\t5\n1 Cy sits.\n' },
    read: 4,
    refused: 3,
  },
  threads: {
    files: {
      'a.json': lines(
        {
          posts: [
            { id: 1, text: 'a' },
            { id: 2, text: 'b', reply_to: 9 },
          ],
        },
        { posts: [] },
        7,
      ),
    },
    read: 4,
    refused: 3,
  },
  alpaca: { files: { 'a.json': lines({ instruction: 'a', output: 'b' }, { instruction: 'a' }) }, read: 2, refused: 1 },
  chat: {
    files: { 'a.json': lines({ messages: [{ role: 'assistant', content: 'a' }] }, { instruction: 'a', output: 'b' }) },
    read: 2,
    refused: 1,
  },
  sharegpt: {
    files: { 'a.json': lines({ conversations: [{ from: 'gpt', value: 'a' }] }, { conversations: [] }, null) },
    read: 3,
    refused: 2,
  },
  jsonl: {
    files: { 'a.jsonl': lines({ q: 'a', a: 'b', c: 'x' }, { q: 'c', a: 'd', c: 'x' }, { q: 'c', a: 'd' }, []) },
    options: { columns: { question: 'q', answer: 'a', context: 'c' } },
    read: 4,
    refused: 2,
  },
}

const names = Object.keys(cases) as ImportFormatName[]

test.each(names)('%s: what was read is in rows or refused', (name) => {
  const { files, options = {}, ...expected } = cases[name]
  const { rows, refused, read } = importFormats[name].convert(new Map(Object.entries(files)), options)
  expect({ read, refused: refused.length }).toEqual(expected)
  expect(countQuestions(rows) + refused.length).toBe(read)
  for (const row of rows) {
    const { origin: _, ...checked } = checkRow(row, { file: 'f', row: 1 })
    expect(checked).toEqual(row)
  }
  for (const { file, row, reason } of refused) {
    expect(Object.keys(files)).toContain(file)
    expect(row).toBeGreaterThan(0)
    expect(reason).toMatch(/^\S/)
  }
})

const ofJson = names.filter((name) => Object.keys(cases[name].files).some((file) => file.startsWith('a.json')))

test.each(ofJson)('%s: broken JSON is an error that says where', (name) => {
  const { options = {} } = cases[name]
  const told = (text: string) => {
    try {
      importFormats[name].convert(new Map([['a.json', text]]), options)
    } catch (error) {
      expect(error).toBeInstanceOf(DatasetError)
      return (error as DatasetError).message
    }
    return 'no error'
  }
  expect(told('[{"a": 1},\n {"a" 1}]')).toBe('a.json: line 2: broken JSON: unexpected "1}]"')
  expect(told('{"a":')).toBe('a.json: line 1: broken JSON: it ends too early')
})

test('broken JSONL names its line', () => {
  const convert = (text: string) => importFormats.alpaca.convert(new Map([['a.jsonl', text]]), {})
  expect(() => convert('{"instruction":"a","output":"b"}\n\n{"instruction":\n')).toThrow(
    'a.jsonl: line 3: broken JSON: it ends too early',
  )
})

test('10 MB of JSON on one line take no time', () => {
  const paragraph = {
    context: 'Ann runs. '.repeat(100),
    qas: [{ id: 'q', question: 'Who?', answers: [{ text: 'Ann' }] }],
  }
  const text = JSON.stringify({ data: [{ title: 'T', paragraphs: Array<object>(9_500).fill(paragraph) }] })
  expect(text.length).toBeGreaterThan(10e6)
  const start = performance.now()
  expect(importFormats.squad.convert(new Map([['a.json', text]]), {}).rows).toHaveLength(9_500)
  expect(performance.now() - start).toBeLessThan(3_000)
})

test('a format that is one file reads no folder', () => {
  for (const format of Object.values<ImportFormat>(importFormats))
    expect(format.reads !== undefined).toBe(format.input.includes('folder'))
})
