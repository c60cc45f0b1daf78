// Reply links: windows, both kinds of files, and links that cannot be.

import { expect, test } from 'vitest'
import type { ContextDocument, ContextRow } from '../rows/row-formats'
import { countQuestions, type ImportOptions } from './imported'
import { importThreads } from './threads'

const fromJson = (threads: unknown, options: ImportOptions = {}) =>
  importThreads(new Map([['t.json', JSON.stringify(threads)]]), options)

const documentsOf = (context: ContextRow['context']) => context as readonly ContextDocument[]

const told = ({ refused }: ReturnType<typeof importThreads>) =>
  refused.map(({ file, row, id, reason }) => `${file}:${row} ${id}: ${reason}`)

/** Posts 1 to n, each an answer to the one before. */
const chain = (n: number) =>
  Array.from({ length: n }, (_, i) => ({ id: i + 1, text: `text ${i + 1}`, ...(i > 0 ? { reply_to: i } : {}) }))

test('questions of a thread', () => {
  const posts = [
    { id: '1', author: 'ann', text: 'Who runs?', reply_to: null },
    { id: '2', author: 'bob', text: 'I sit.' },
    { id: '3', author: 'cy', text: 'I do.', reply_to: ['1', '2', '1'] },
  ]
  const { rows, refused, read } = fromJson([{ id: 't1', posts }])
  expect({ refused, read }).toEqual({ refused: [], read: 3 })
  expect(rows).toEqual([
    {
      context: [
        { id: '1', text: '#1 ann: Who runs?' },
        { id: '2', text: '#2 bob: I sit.' },
        { id: '3', text: '#3 cy: I do.' },
      ],
      questions: [
        ...(['1', '2'] as const).map((id, i) => ({
          id: `t1#${id}`,
          question: `Which post is "${['ann: Who runs?', 'bob: I sit.'][i]}", and which does it answer?`,
          answer: `#${id} starts a conversation`,
          answers: [`#${id} starts a conversation`],
          documents: i + 1,
          golden: [],
        })),
        {
          id: 't1#3',
          question: 'Which post is "cy: I do.", and which does it answer?',
          answer: '#3 answers #2',
          answers: ['#3 answers #2', '#3 answers #1'],
          documents: 3,
          golden: ['2', '1'],
        },
      ],
      metric: 'reply',
    },
  ])
  expect(fromJson({ posts }, { includeStarts: false })).toMatchObject({
    rows: [{ questions: [{ id: '1#3', documents: 3 }] }],
    read: 1,
  })
})

test('rows share contexts: each asks about its second half, the first about all', () => {
  const { rows } = fromJson({ posts: chain(11) }, { window: 3 })
  const seen = (rows as ContextRow[]).map(({ context, questions }) => [
    documentsOf(context).map(({ id }) => Number(id)),
    questions.map(({ id, documents }) => [id, documents]),
  ])
  expect(seen).toEqual([
    [[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6].map((id) => [`1#${id}`, id])],
    [[4, 5, 6, 7, 8, 9], [7, 8, 9].map((id) => [`1#${id}`, id - 3])],
    [[7, 8, 9, 10, 11], [10, 11].map((id) => [`1#${id}`, id - 6])],
  ])
})

test('the window bounds how far back an answer is; farther ones beside a near one are left out', () => {
  const posts = [...chain(4), { id: 5, text: 'far', reply_to: 2 }, { id: 6, text: 'farther', reply_to: [1, 5] }]
  const { rows, refused } = fromJson({ posts }, { window: 2 })
  expect(refused).toMatchInlineSnapshot(`
    [
      {
        "file": "t.json",
        "id": "1#5",
        "reason": "beyond the window: answers #2, 3 posts back; expected at most 2",
        "row": 1,
      },
    ]
  `)
  expect((rows as ContextRow[]).flatMap(({ questions }) => questions).at(-1)).toMatchObject({
    answers: ['#6 answers #5'],
    golden: ['5'],
  })
})

test('links that cannot be are refused, with what they touch', () => {
  const links = (...replies: (number | number[] | null)[]) =>
    replies.map((reply_to, i) => ({ id: i + 1, text: `text ${i + 1}`, reply_to }))
  expect(
    told(
      fromJson([
        { id: 'a', posts: links(null, 9, 4, null) },
        { id: 'b', posts: links(3, 1, 2, [1, 4], 2) },
        { id: 'c', posts: [...links(null), ...links(null)] },
        { id: 'd', posts: [{ id: 1 }] },
        { id: 'e', posts: [{ id: 1, text: 'a', reply_to: {} }] },
        { id: 'f', posts: 7 },
        { posts: [{ id: 'a b', text: 'a' }] },
        8,
      ]),
    ),
  ).toMatchInlineSnapshot(`
    [
      "t.json:1 a#2: dangling link: answers #9, which is not a post of the thread",
      "t.json:1 a#3: link to a later post: #3 answers #4",
      "t.json:2 b#1: cycle: #1 → #3 → #2 → #1",
      "t.json:2 b#2: cycle: #1 → #3 → #2 → #1",
      "t.json:2 b#3: cycle: #1 → #3 → #2 → #1",
      "t.json:2 b#4: cycle: #4 → #4",
      "t.json:3 c#1: duplicate post id: "1" stands at posts[0] and posts[1]",
      "t.json:3 c#1: duplicate post id: "1" stands at posts[0] and posts[1]",
      "t.json:4 d#1: broken thread: "posts[0].text": got nothing; expected text",
      "t.json:5 e#1: broken thread: "posts[0].reply_to": got an object; expected an id or several",
      "t.json:6 f#: broken thread: "posts": got the number 7; expected an array of posts",
      "t.json:7 7#: broken thread: "posts[0].id": got the string "a b"; expected an id without spaces",
      "t.json:8 8#: broken thread: "posts": got nothing; expected an array of posts",
    ]
  `)
})

test('a thread of 30,000 posts, all linked', () => {
  const all = fromJson({ posts: chain(30_000) })
  expect(countQuestions(all.rows)).toBe(30_000)
  const reversed = fromJson({ posts: chain(30_000).reverse() })
  expect(reversed.refused).toHaveLength(29_999)
})

const log = ['[1:00] <ann> hi', '=== bob has joined', '[1:01] <bob> hello ann', '[1:02] <cy> who runs?', '* ann does']

test('IRC: messages count from 0; system lines are messages that are not asked about', () => {
  const files = new Map([
    ['x.annotation.txt', '2 2 -\n0 2 - \n1 1 -\n3 3 -\n4 3 -\n2 4 -\n'],
    ['x.ascii.txt', log.join('\n')],
    ['x.raw.txt', 'not read\n'],
  ])
  const { rows, refused, read } = importThreads(files, {})
  expect({ refused, read }).toEqual({ refused: [], read: 3 })
  const [{ context, questions }] = rows as [ContextRow]
  expect(documentsOf(context).map(({ text }) => text)).toEqual(log.map((line, i) => `#${i} ${line}`))
  expect(questions).toEqual([
    {
      id: 'x#2',
      question: 'Which post is "[1:01] <bob> hello ann", and which does it answer?',
      answer: '#2 answers #0',
      answers: ['#2 answers #0'],
      documents: 3,
      golden: ['0'],
    },
    expect.objectContaining({ id: 'x#3', answer: '#3 starts a conversation', golden: [] }),
    expect.objectContaining({ id: 'x#4', answers: ['#4 answers #3', '#4 answers #2'], documents: 5 }),
  ])
})

test('IRC: what is refused', () => {
  const files = new Map([
    ['x.annotation.txt', '0 2 -\n3 99 -\nnonsense\n'],
    ['x.raw.txt', log.join('\n')],
    ['y.annotation.txt', '0 2 -\n'],
  ])
  const imported = importThreads(files, {})
  expect({ rows: imported.rows.length, read: imported.read }).toEqual({ rows: 1, read: 4 })
  expect(told(imported)).toMatchInlineSnapshot(`
    [
      "x.annotation.txt:3 undefined: broken annotation: got "nonsense"; expected two message numbers and "-"",
      "x.annotation.txt:2 x#99: dangling link: #99 is not a post of the thread",
      "y.annotation.txt:1 y#2: missing log: there is no y.ascii.txt or y.raw.txt",
    ]
  `)
})
