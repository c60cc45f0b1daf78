// WikiTableQuestions: escapes, tables as text, and each way a question is refused.

import { expect, test } from 'vitest'
import type { ImportOptions } from './imported'
import { tableText } from './tables'
import { importWikiTableQuestions } from './wikitablequestions'

const HEADER = 'id\tutterance\tcontext\ttargetValue'

function convert(questions: string[], tables: Record<string, string>, options: ImportOptions = {}) {
  const files = { 'data/a.tsv': `${[HEADER, ...questions].join('\n')}\n`, ...tables }
  return importWikiTableQuestions(new Map(Object.entries(files)), options)
}

const people = 'name\tnote\nAnn\ta\\nb \\p c\nBob\t\\\\n\n'

test('one row a table with all its questions, in order of first appearance', () => {
  const { rows, refused, read } = convert(
    ['q1\tWho?\tcsv/2.csv\tAnn', 'q2\tWho else?\tcsv/1.csv\tAnn|Bob', 'q3\tA\\nB?\tcsv/2.csv\tx\\py|\\\\n'],
    { 'csv/1.tsv': people, 'csv/2.csv': '"n"\n"Ann"\n' },
  )
  expect({ read, refused }).toEqual({ read: 3, refused: [] })
  expect(rows).toEqual([
    {
      context: '| n |\n| --- |\n| Ann |',
      questions: [
        { id: 'q1', question: 'Who?', answer: 'Ann' },
        { id: 'q3', question: 'A\nB?', answer: 'x\\py|\\n' },
      ],
      metric: 'denotation',
    },
    {
      context: '| name | note |\n| --- | --- |\n| Ann | a b \\| c |\n| Bob | \\n |',
      questions: [{ id: 'q2', question: 'Who else?', answer: 'Ann|Bob' }],
      metric: 'denotation',
    },
  ])
})

test('the TSV beside a CSV is what is read', () => {
  const { rows } = convert(['q\tWho?\t./csv/1.csv\tAnn'], { 'csv/1.csv': '"broken', 'csv/1.tsv': 'n\nAnn\n' })
  expect(rows).toMatchObject([{ context: '| n |\n| --- |\n| Ann |' }])
})

test('tables as CSV and TSV', () => {
  const rows = [
    ['a,b', 'c\td'],
    ['say "x"', 'e\r\nf|g'],
  ]
  expect(tableText(rows, 'csv')).toBe('"a,b",c\td\n"say ""x""",e f|g')
  expect(tableText(rows, 'tsv')).toBe('a,b\tc d\nsay "x"\te f|g')
  expect(tableText([['a']], 'markdown')).toBe('| a |\n| --- |')
  const { rows: read } = convert(['q\tWho?\tcsv/1.csv\tAnn'], { 'csv/1.tsv': people }, { tableFormat: 'csv' })
  expect(read).toMatchObject([{ context: 'name,note\nAnn,a b | c\nBob,\\n' }])
})

test('CSV: both escapes of a quote, commas and line ends in cells, empty cells', () => {
  const csv = '"a \\"x\\"","b ""y"""\r\n"c,d","e\nf"\n"",\n"C:\\\\",g'
  const { rows } = convert(['q\tWho?\tcsv/1.csv\tAnn'], { 'csv/1.csv': csv }, { tableFormat: 'tsv' })
  expect(rows).toMatchObject([{ context: 'a "x"\tb "y"\nc,d\te f\n\t\nC:\\\tg' }])
})

test('refused with line, id and reason', () => {
  const { rows, refused, read } = convert(
    [
      'q1\tWho?\tcsv/9.csv\tAnn',
      'q2\tWho?\tcsv/1.csv\tAnn',
      'q3\tWho?\tcsv/1.csv\tBob',
      'q4\tWho?\t../1.csv\tAnn',
      'q5\tWho?\t/csv/2.csv\tAnn',
      'q6\tWho?\tcsv/2.csv\t ',
      '',
      'q7\tWho?\tcsv/2.csv',
      'q8\t \tcsv/2.csv\tAnn',
      'q9\tWho?\tcsv/3.csv\tAnn',
      'q10\tWho?\tcsv/4.csv\tAnn',
    ],
    { 'csv/1.tsv': 'a\tb\n1\t2\n3\n', 'csv/2.csv': '"a"\n', 'csv/3.csv': '"a"\n"b', 'csv/4.csv': '' },
  )
  expect({ rows, read }).toEqual({ rows: [], read: 10 })
  expect(refused.map(({ file, row, id, reason }) => `${file}:${row} ${id}: ${reason}`)).toMatchInlineSnapshot(`
    [
      "data/a.tsv:2 q1: missing table: there is no csv/9.csv",
      "data/a.tsv:3 q2: ragged table: csv/1.tsv: row 3: got 1 cells, expected 2",
      "data/a.tsv:4 q3: ragged table: csv/1.tsv: row 3: got 1 cells, expected 2",
      "data/a.tsv:5 q4: path out of the input: "../1.csv"",
      "data/a.tsv:6 q5: path out of the input: "/csv/2.csv"",
      "data/a.tsv:7 q6: empty answer",
      "data/a.tsv:9 q7: broken line: got 3 cells, expected 4",
      "data/a.tsv:10 q8: empty question",
      "data/a.tsv:11 q9: broken table: csv/3.csv: line 2: a cell opens with a quote that never ends",
      "data/a.tsv:12 q10: empty table: csv/4.csv",
    ]
  `)
})

test('the file of questions: the only one, or the one named', () => {
  const files = new Map([
    ['data/a.tsv', `${HEADER}\n`],
    ['data/b.tsv', `${HEADER}\nq\tWho?\tcsv/1.csv\tAnn\n`],
    ['csv/1.csv', '"n"\n"Ann"\n'],
  ])
  expect(() => importWikiTableQuestions(files, {})).toThrow(
    'several files of questions: data/a.tsv, data/b.tsv; expected one of them as the split file (--split-file)',
  )
  expect(importWikiTableQuestions(files, { splitFile: 'data/b.tsv' }).rows).toHaveLength(1)
  expect(() => importWikiTableQuestions(new Map([['csv/1.csv', '']]), {})).toThrow('no data/*.tsv in the input')
  expect(() => importWikiTableQuestions(new Map([['data/a.tsv', 'id\tquestion\n']]), {})).toThrow(
    'data/a.tsv: line 1: got the columns id, question; expected id, utterance, context, targetValue',
  )
})
