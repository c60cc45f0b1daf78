// bAbI: stories, what a question sees, and broken ones.

import { expect, test } from 'vitest'
import { importBabi } from './babi'

const convert = (...lines: string[]) => importBabi(new Map([['en/qa1_x_train.txt', `${lines.join('\n')}\n`]]))

test('one row a story; a question sees the statements before it', () => {
  const { rows, refused, read } = convert(
    '1 Ann went home.',
    '2 Where is Ann? \thome\t1',
    '3 Bob went home.',
    '4 Who is home?\tAnn,Bob\t1 3',
    '1 Cy sits.',
    '2 Does Cy sit? \tyes',
  )
  expect({ refused, read }).toEqual({ refused: [], read: 3 })
  expect(rows).toEqual([
    {
      context: [
        { id: '1', text: 'Ann went home.' },
        { id: '3', text: 'Bob went home.' },
      ],
      questions: [
        { id: 'qa1_x_train:2', question: 'Where is Ann?', answer: 'home', documents: 1, golden: ['1'] },
        { id: 'qa1_x_train:4', question: 'Who is home?', answer: 'Ann,Bob', documents: 2, golden: ['1', '3'] },
      ],
    },
    {
      context: [{ id: '1', text: 'Cy sits.' }],
      questions: [{ id: 'qa1_x_train:6', question: 'Does Cy sit?', answer: 'yes', documents: 1, golden: [] }],
    },
  ])
})

test('refused with line, id and reason; a gap spoils the rest of its story', () => {
  const { rows, refused, read } = convert(
    '1 Ann sits.',
    '2 Who sits?',
    '3 Who sits?\t\t1',
    '4 Who sits?\tAnn\t9',
    '5 Who sits?\tAnn\t1\tmore',
    '6 Who sits?\tAnn\t1',
    '8 Bob sits.',
    '9 Who sits?\tBob\t8',
    'Ann runs.',
    '1 Cy sits.',
    '2 Who sits?\tCy\t1',
  )
  expect({ read, rows: rows.length }).toEqual({ read: 8, rows: 2 })
  expect(rows[0]).toMatchObject({ context: [{ id: '1' }], questions: [{ id: 'qa1_x_train:6' }] })
  expect(refused.map(({ row, id, reason }) => `${row} ${id}: ${reason}`)).toMatchInlineSnapshot(`
    [
      "2 qa1_x_train:2: broken question: got "Who sits?"; expected question, tab, answer, tab, supporting lines",
      "3 qa1_x_train:3: broken question: got "Who sits?\\t\\t1"; expected question, tab, answer, tab, supporting lines",
      "4 qa1_x_train:4: bad supporting line: got "9"; expected a statement before the question",
      "5 qa1_x_train:5: broken question: got "Who sits?\\tAnn\\t1\\tmore"; expected question, tab, answer, tab, supporting lines",
      "7 qa1_x_train:7: broken story: line 7 begins with "8 Bob sits."; expected 1 or 7",
      "8 qa1_x_train:8: broken story: line 7 begins with "8 Bob sits."; expected 1 or 7",
    ]
  `)
})
