// Golden chunks, refusals, and the figures of a published set.
import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { hasShared, shared } from '../../test/shared'
import { type RaftOptions } from './build'
import type { RaftDocument } from './documents'
import type { RaftQuestion } from './questions'
import { documents, questions, build, idsOf, countQuestions, reasons, setUp } from '../../test/raft-build'

setUp()

describe('golden chunks', () => {
  const from: RaftDocument[] = [
    { id: 'a', text: 'Often it rains in Rome.\n\nTen trains run there. Tom sees them.' },
    { id: 'b', text: 'Ten ships come to Oslo.\n\nTom sees\nthe sea.' },
    { id: 'blank', text: ' \n' },
  ]
  const goldenOf = (question: Partial<RaftQuestion>, options: Partial<RaftOptions> = {}, chunkTokens = 16) => {
    const asked = { question: 'How many trains run in Rome?', answer: 'ten', ...question }
    const { rows, refused } = build({ split: 1, chunkTokens, ...options }, [asked], from)
    return refused[0]?.reason ?? rows[0]!.questions[0]!.golden![0]
  }

  test('the chunk that holds the answer as words of its own, the one most like the question first', () => {
    expect(goldenOf({})).toBe('a#2')
    expect(goldenOf({ question: 'How many ships come to Oslo?' })).toBe('b#1')
    expect(goldenOf({ question: 'How many ships come to Oslo?', document: 'a' })).toBe('a#2')
    expect(goldenOf({ answer: 'ofte' })).toBe('a#1')
    expect(goldenOf({ answer: 'TOM  sees the' })).toBe('b#2')
  })

  test('the quote decides before the answer', () => {
    expect(goldenOf({ quote: 'Tom sees the sea.' })).toBe('b#2')
    expect(goldenOf({ answer: 'It says ##begin_quote##ships come##end_quote##. ##Answer: ten' })).toBe('b#1')
    expect(goldenOf({ answer: 'Because. ##Answer: Oslo' })).toBe('b#1')
    expect(goldenOf({ answer: 'Because. <ANSWER>: Oslo', document: 'b' })).toBe('b#1')
  })

  test.each<[string, Partial<RaftQuestion>, string]>([
    ['an answer', { answer: 'two' }, 'answer "two" stands in no document'],
    ['an answer in another document', { answer: 'Oslo', document: 'a' }, 'answer "Oslo" is not in document "a"'],
    ['a quote', { quote: 'Tom saw' }, 'quote "Tom saw" stands in no document'],
    ['a quote in other letters', { quote: 'ten trains', document: 'a' }, 'quote "ten trains" is not in document "a"'],
    [
      'a quote in an answer',
      { answer: '##begin_quote##Ten trains##end_quote## and ##begin_quote##two ships##end_quote##', document: 'a' },
      'quote "two ships" is not in document "a"',
    ],
    [
      'quotes of two chunks',
      { answer: '##begin_quote##Ten trains##end_quote## ##begin_quote##it rains##end_quote##', document: 'a' },
      'no one chunk has all of its quotes',
    ],
    [
      'a quote that is cut',
      { quote: 'Rome. Ten', document: 'a' },
      'quote "Rome. Ten" stands in document "a", but whole in no chunk of it',
    ],
    ['an unknown document', { document: 'A.txt' }, 'unknown document "A.txt"'],
    ['a near one', { document: 'Blank' }, 'document "Blank" is empty'],
    ['an empty one', { document: 'blank' }, 'document "blank" is empty'],
    ['no answer', { answer: ' ' }, 'the answer is empty'],
    ['no question', { question: '' }, 'the question is empty'],
    [
      'half a quote',
      { answer: '##begin_quote##Ten' },
      'a ##begin_quote## of the answer has no ##end_quote##, or the reverse',
    ],
  ])('refused: %s', (what, question, reason) => {
    const expected = what === 'a near one' ? 'unknown document "Blank" (did you mean "blank"?)' : reason
    expect(goldenOf(question)).toBe(expected)
  })

  test('an abstractive answer takes the chunk of its document most like the question, when that is allowed', () => {
    const asked = { answer: 'a dozen', document: 'a' }
    expect(goldenOf(asked)).toBe('answer "a dozen" is not in document "a"')
    expect(goldenOf({ ...asked, question: 'How many trains run there?' }, { allowAbstractive: true })).toBe('a#2')
    expect(goldenOf({ answer: 'a dozen' }, { allowAbstractive: true })).toBe('answer "a dozen" stands in no document')
    expect(goldenOf({ ...asked, quote: 'no' }, { allowAbstractive: true })).toBe('quote "no" is not in document "a"')
  })

  test('what is refused and what is kept are all that was read', () => {
    const asked = [
      ...questions,
      { question: 'q', answer: 'nowhere' },
      { question: 'q', answer: 'x1y1z', document: 'd2' },
    ]
    const { refused, statistics, rows } = build({}, asked)
    expect(refused.map(({ question }) => question)).toEqual(asked.slice(-2))
    expect(statistics.questions).toEqual({ read: asked.length, kept: questions.length, refused: 2 })
    expect(countQuestions(rows)).toBe(questions.length)
    expect(build({}, [asked.at(-1)!]).rows).toEqual([])
  })

  test('names of documents are told by what is near', () => {
    expect(reasons([{ question: 'q', answer: 'x', document: 'd99' }])[0]).toMatch(
      /^unknown document "d99" \(did you mean "d\d+"\?\)$/,
    )
    expect(reasons([{ question: 'q', answer: 'x', document: 'zebra' }])).toEqual(['unknown document "zebra"'])
  })
})

describe('errors', () => {
  test('ids that stand twice, and documents without text', () => {
    expect(() =>
      build({}, questions, [documents[0]!, { id: 'd0', text: 'x', origin: { file: 'f.json', row: 2 } }]),
    ).toThrow('f.json: row 2: "id": "d0" appears twice, first in another document')
    expect(() => build({}, questions, [documents[0]!, { id: 'd0#2', text: 'x' }])).toThrow('another document is too')
    expect(() => build({}, questions, [{ id: 'a', text: ' ' }])).toThrow('none of 1 documents has any text')
  })

  test('numbers out of range', () => {
    expect(() => build({ distractors: -1 })).toThrow('distractors: got -1, expected an integer ≥ 0')
    expect(() => build({ goldenProbability: 1.1 })).toThrow('goldenProbability: got 1.1, expected a number from 0 to 1')
    expect(() => build({ split: NaN })).toThrow('split: got NaN, expected a number from 0 to 1')
    expect(() => build({ seed: 0.5 })).toThrow('seed: 0.5 is not an integer')
  })
})

test('empty documents are counted and left out', () => {
  const { statistics, rows } = build({}, questions, [
    ...documents,
    { id: 'e', text: '\n' },
    { id: 't', table: { header: ['a'], rows: [] } },
  ])
  expect(statistics).toMatchObject({ documents: 27, emptyDocuments: 2, chunks: 75 })
  expect(rows).toEqual(build().rows)
})

describe('other forms of the same words', () => {
  const asked = (answer: string, document?: string): RaftQuestion => ({
    question: 'What is the café by the river called?',
    answer,
    ...(document === undefined ? {} : { document }),
  })
  const from = [
    { id: 'nfd', text: 'The café in São Paulo is called Ödön.'.normalize('NFD') },
    { id: 'curly', text: 'It is the captain’s “Red House” – the oldest.' },
    { id: 'space', text: 'It costs 10\u00a0000 kroner.' },
    { id: 'shy', text: 'The Don\u00adau\u00addampf\u00adschiff sails.' },
    { id: 'broken', text: 'It is a steam-\nship of old.' },
  ]

  test.each([
    ['Ödön', 'nfd'],
    ["the captain's", 'curly'],
    ['"Red House" - the oldest', 'curly'],
    ['10 000 kroner', 'space'],
    ['Donaudampfschiff', 'shy'],
    ['a steamship', 'broken'],
  ])('%s is found in %s, named or not', (answer, id) => {
    for (const document of [id, undefined]) {
      const { rows, refused } = build({ split: 1 }, [asked(answer, document)], from)
      expect(refused).toEqual([])
      expect(rows[0]!.questions[0]).toMatchObject({ answer, golden: [id] })
    }
  })

  test('quotes of an answer are written as the document spells them', () => {
    const answer = `##begin_quote##the captain's "Red House"##end_quote## ##Answer: the Red House`
    const { rows } = build({ split: 1 }, [asked(answer)], from)
    expect(rows[0]!.questions[0]!.answer).toBe(
      '##begin_quote##the captain’s “Red House”##end_quote## ##Answer: the Red House',
    )
  })

  test.each([
    ['Ödön', 'The café by the river is called Ödön, they say.'.normalize('NFD')],
    ["the captain's house", 'By the river is the captain’s house, they say.'],
    ['10 000 kroner', 'By the river it is 10\u2009000 kroner.'],
    ['東京', '川のそばは東京です。 café river'],
    ['서울', '서울은 강 옆에 있다. café river'],
    ['กรุงเทพ', 'อยู่ที่กรุงเทพริมน้ำ café river'],
  ])('%s in another form is no distractor', (answer, other) => {
    const documents = [
      { id: 'g', text: `The café by the river is called ${answer}.` },
      { id: 'other', text: other },
      { id: 'z', text: 'The mill by the river is old.' },
    ]
    const { rows } = build({ split: 1, distractors: 1, goldenProbability: 1 }, [asked(answer, 'g')], documents)
    expect(idsOf(rows[0]!).sort()).toEqual(['g', 'z'])
  })
})

test('XQuAD: every question finds its paragraph, and the figures are those of the data set', async (ctx) => {
  ctx.skip(!hasShared, 'needs ../shared')
  type Article = {
    title: string
    paragraphs: { context: string; qas: { id: string; question: string; answers: { text: string }[] }[] }[]
  }
  const { data } = JSON.parse(await readFile(`${shared}/data/xquad.en.json`, 'utf8')) as { data: Article[] }
  const paragraphs = data.flatMap(({ title, paragraphs: of }) =>
    of.map((paragraph, i) => ({ ...paragraph, title, id: `${title}/${i}` })),
  )
  const from = paragraphs.map(({ id, title, context }) => ({ id, title, text: context }))
  const asked = paragraphs.flatMap(({ id: document, qas }) =>
    qas.map(({ id, question, answers }) => ({ id, question, answer: answers[0]!.text, document })),
  )
  const { rows, refused, statistics } = build({ chunkTokens: 256 }, asked, from)
  expect(refused).toEqual([])
  expect(statistics).toMatchObject({
    documents: 240,
    questions: { read: 1190, kept: 1190 },
    shortContexts: 0,
    borrowingContexts: 0,
  })
  expect(statistics.train.documents).toBe(192)
  expect(statistics.golden.questions).toBe(Math.round(0.8 * statistics.train.questions))
  expect(statistics.chunkTokens.most).toBeLessThanOrEqual(256)
  for (const row of rows) {
    expect(idsOf(row)).toHaveLength(5)
  }
})

test('words that every document has make none of them a distractor for all', () => {
  // All documents are alike but for a name; the first are a little shorter, so that BM25 would always put them first.
  const from: RaftDocument[] = Array.from({ length: 30 }, (_, n) => ({
    id: `e${n}`,
    text: `The capital of land${n} is city${n}. The money of land${n} is coin${n}.${n < 2 ? '' : ' It is fine there.'}`,
  }))
  const asked = from.map(({ id }, n) => ({
    question: `What is the capital of land${n}?`,
    answer: `The capital of land${n} is city${n}.`,
    document: id,
  }))
  const { rows } = build({ distractors: 2, split: 1, goldenProbability: 1 }, asked, from)
  const uses = new Map<string, number>()
  for (const id of rows.flatMap(idsOf)) uses.set(id, (uses.get(id) ?? 0) + 1)
  // Once as golden, and about twice as a distractor.
  expect(Math.max(...uses.values())).toBeLessThan(12)
})
