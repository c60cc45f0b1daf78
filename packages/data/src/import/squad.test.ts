// SQuAD: answers, questions without one, and what is refused.

import { expect, test } from 'vitest'
import { importSquad } from './squad'

const convert = (data: unknown, noAnswer?: string) =>
  importSquad(new Map([['s.json', JSON.stringify({ data })]]), noAnswer === undefined ? {} : { noAnswer })

const article = (qas: unknown, context: unknown = 'Ann runs. 🙂 Bob sits.') => [
  {
    title: 'People',
    paragraphs: [
      { context: 'Nobody asks.', qas: [] },
      { context, qas },
    ],
  },
]

test('a paragraph is a document, its answers are distinct', () => {
  const answers = ['Bob', 'Bob sits', 'Bob'].map((text) => ({ text, answer_start: 12 }))
  expect(convert(article([{ id: 'q', question: 'Who sits?', answers }]))).toEqual({
    rows: [
      {
        context: [{ id: 'People#2', title: 'People', text: 'Ann runs. 🙂 Bob sits.' }],
        questions: [
          { id: 'q', question: 'Who sits?', answer: 'Bob', answers: ['Bob', 'Bob sits'], golden: ['People#2'] },
        ],
      },
    ],
    refused: [],
    read: 1,
  })
})

test('SQuAD 2.0: a question that its paragraph does not answer', () => {
  const qas = [{ id: 'q', question: 'Who flies?', answers: [], is_impossible: true }]
  const asked = { id: 'q', question: 'Who flies?', golden: [] }
  expect(convert(article(qas)).rows).toMatchObject([{ questions: [{ ...asked, answer: 'unanswerable' }] }])
  expect(convert(article(qas), 'no one').rows).toMatchObject([{ questions: [{ ...asked, answer: 'no one' }] }])
})

test('documents of articles with one title, or none, have ids of their own', () => {
  const qas = [{ question: 'Who?', answers: [{ text: 'Ann' }] }]
  const paragraphs = [{ context: 'Ann', qas }]
  const { rows } = convert([{ title: 'T', paragraphs }, { title: 'T', paragraphs }, { paragraphs }])
  expect(rows.map((row) => 'context' in row && row.context)).toMatchObject([
    [{ id: 'T#1' }],
    [{ id: 'T#2' }],
    [{ id: 'article 3#1' }],
  ])
})

test('refused with number, id and reason', () => {
  const ask = (id: string, rest: object) => ({ id, question: 'Who?', ...rest })
  const { refused, read } = convert([
    ...article([
      ask('q1', { answers: [{ text: 'Cy', answer_start: 0 }] }),
      ask('q2', { answers: [{ text: 'Ann' }, { text: 'Dan' }] }),
      ask('q3', { answers: [] }),
      ask('q4', { answers: [{ text: '' }] }),
      ask('q5', { question: 7, answers: [{ text: 'Ann' }] }),
      'q6',
    ]),
    ...article([ask('q7', { answers: [{ text: 'Ann' }] })], null),
    ...article({}),
    { title: 'Empty' },
  ])
  expect(read).toBe(refused.length)
  expect(refused.map(({ row, id, reason }) => `${row} ${id}: ${reason}`)).toMatchInlineSnapshot(`
    [
      "1 q1: answer not in its paragraph: the string "Cy"",
      "2 q2: answer not in its paragraph: the string "Dan"",
      "3 q3: no answer: "answers": got an array of 0; expected answers with "text", or "is_impossible": true",
      "4 q4: no answer: "answers": got an array of 1; expected answers with "text", or "is_impossible": true",
      "5 q5: broken question: "question": got the number 7; expected text",
      "6 People#2: broken question: got the string "q6"; expected an object in "qas"",
      "7 q7: broken paragraph: no "context"",
      "8 People#6: broken question: got nothing; expected an object in "qas"",
      "9 undefined: broken article: "paragraphs" of Empty: got nothing; expected an array",
    ]
  `)
})

test('JSON that is no SQuAD', () => {
  expect(() => importSquad(new Map([['s.json', '[]']]), {})).toThrow(
    's.json: "data": got nothing; expected an array of articles, as SQuAD has it',
  )
})
