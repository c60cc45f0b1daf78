// RAFT data from a made-up corpus: shares are exact, sides never mix, and nothing that answers distracts.

import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import { hasShared, shared } from '../../test/shared'
import { loadTokenizer } from '../rows/files'
import type { ContextDocument, ContextRow } from '../rows/row-formats'
import { checkRow } from '../rows/check-row'
import type { Tokenizer } from '../tokenizer/tokenizer'
import { buildRaft, DEFAULT_REFUSAL, type RaftOptions } from './build'
import type { RaftDocument } from './documents'
import type { RaftQuestion } from './questions'
import { Retriever } from '../retrieval/lexical'

let tokenizer: Tokenizer
beforeAll(async () => {
  tokenizer = await loadTokenizer(fileURLToPath(new URL('../../../../apps/cli/assets/tiny-llama', import.meta.url)))
})

const topics = ['river', 'castle', 'engine', 'garden', 'school']
/** Document `d<n>` tells of three things; each fact has a code that stands nowhere else, and is long enough for a chunk. */
const documents: RaftDocument[] = Array.from({ length: 25 }, (_, n) => ({
  id: `d${n}`,
  title: `Place ${n}`,
  text: ['old', 'new', 'red']
    .map((kind, k) => `The ${kind} ${topics[n % 5]} of place ${n} has the code x${n}y${k}z. People like it a lot.`)
    .join('\n\n'),
}))
const questions: RaftQuestion[] = documents.slice(0, 23).flatMap(({ id }, n) =>
  Array.from({ length: 1 + (n % 4) }, (_, q) => ({
    id: `q${n}-${q}`,
    question: `What is the code of the ${['old', 'new', 'red', 'old'][q]} ${topics[n % 5]} of place ${n}?`,
    answer: `x${n}y${q % 3}z`,
    document: id,
  })),
)

const build = (options: Partial<RaftOptions> = {}, asked = questions, from = documents) =>
  buildRaft(from, asked, { tokenizer, chunkTokens: 48, ...options })
const contextOf = (row: ContextRow) => row.context as readonly ContextDocument[]
const idsOf = (row: ContextRow) => contextOf(row).map(({ id }) => id!)
const documentOf = (chunk: string) => chunk.replace(/#\d+$/, '')
const hasGolden = (row: ContextRow) => idsOf(row).includes(row.questions[0]!.golden![0]!)
const countQuestions = (rows: readonly ContextRow[]) => rows.reduce((sum, row) => sum + row.questions.length, 0)
const reasons = (asked: RaftQuestion[], from = documents, options: Partial<RaftOptions> = {}) =>
  build(options, asked, from).refused.map(({ reason }) => reason)

describe('contexts', () => {
  test('every question stands in one row, with its golden chunk named, and rows are ones that training reads', () => {
    const { rows, refused, statistics } = build()
    expect(refused).toEqual([])
    expect(rows.flatMap((row) => row.questions.map(({ id }) => id)).sort()).toEqual(
      questions.map(({ id }) => id).sort(),
    )
    const textOf = new Map(rows.flatMap(contextOf).map(({ id, text }) => [id, text]))
    for (const row of rows) {
      expect(checkRow(JSON.parse(JSON.stringify(row)), { file: 'f', row: 1 })).toMatchObject(row)
      for (const { golden, answer, id } of row.questions) {
        expect(golden).toHaveLength(1)
        expect(documentOf(golden![0]!)).toBe(id!.replace(/^q(\d+)-.*/, 'd$1'))
        if (hasGolden(row)) expect(textOf.get(golden![0])).toContain(answer)
      }
    }
    expect(statistics.questions).toEqual({ read: questions.length, kept: questions.length, refused: 0 })
    expect(statistics.contexts).toBe(rows.length)
    expect(statistics).toMatchObject({ documents: 25, emptyDocuments: 0, chunks: 75, shortContexts: 0 })
  })

  test('questions with one golden chunk share one context', () => {
    const { rows } = build({ goldenProbability: 1 })
    const goldens = rows.map((row) => row.questions[0]!.golden![0])
    expect(new Set(goldens).size).toBe(goldens.length)
    expect(rows.some((row) => row.questions.length === 2)).toBe(true)
    for (const row of rows) expect(new Set(row.questions.flatMap(({ golden }) => golden)).size).toBe(1)
  })

  test('no document stands twice, and no distractor holds an answer or the text of another', () => {
    // Copies of documents, and one that tells all answers of another.
    const copies = documents.slice(0, 8).map((document) => ({ ...document, id: `copy-of-${document.id}` }))
    const spoiler = { id: 'spoiler', text: 'The code of the old river of place 0 is X0Y0Z.' }
    const { rows } = build({ distractors: 9 }, questions, [...documents, ...copies, spoiler])
    for (const row of rows) {
      expect(idsOf(row)).toHaveLength(10)
      expect(new Set(contextOf(row).map(({ text }) => text)).size).toBe(10)
      for (const { answer, golden } of row.questions)
        for (const { id, text } of contextOf(row))
          if (id !== golden![0]) expect(text.toLowerCase()).not.toContain(answer)
    }
  })

  test('distractors are the best hits of all questions of the context together', () => {
    const { rows } = build({ distractors: 2, split: 1, goldenProbability: 1, chunkTokens: 256 })
    const retriever = new Retriever(documents as { id: string; text: string }[])
    for (const row of rows) {
      const [golden] = row.questions[0]!.golden!
      const hits = retriever.search(row.questions.map(({ question }) => question).join(' ')).map(({ id }) => id)
      const best = hits.filter((id) => id !== golden).slice(0, 2)
      expect(idsOf(row).sort()).toEqual([golden, ...best].sort())
    }
  })

  test('others fill up where too few are hits, and as many stand there as there are', () => {
    const from = [{ id: 'g', text: 'Blue zebra.' }, ...'abcdef'.split('').map((id) => ({ id, text: `Text ${id}.` }))]
    const asked = [{ question: 'zebra?', answer: 'blue' }]
    const [first, second] = [1, 2].map((seed) => build({ split: 1, seed, goldenProbability: 1 }, asked, from).rows[0]!)
    expect(idsOf(first!)).toHaveLength(5)
    expect(idsOf(first!).toSorted()).not.toEqual(idsOf(second!).toSorted())
    const few = build({ split: 1, goldenProbability: 1, distractors: 50 }, asked, from)
    expect(idsOf(few.rows[0]!).sort()).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g'])
    expect(few.statistics.shortContexts).toBe(1)
    const shortOf = (distractors: number) =>
      build({ split: 1, goldenProbability: 1, distractors }, asked, from).statistics.shortContexts
    expect([shortOf(6), shortOf(7)]).toEqual([0, 1])
  })

  test('a document that holds the quote of a question does not distract from it', () => {
    const from = [
      { id: 'a', text: 'We all say that red zebras rest.' },
      { id: 'b', text: 'Red zebras rest. So we all say.' },
      { id: 'c', text: 'Red zebras run.' },
    ]
    // Neither has the answer, and the quote could be that of both.
    const asked = [{ question: 'What do red zebras do?', answer: 'sleep', quote: 'zebras rest', document: 'a' }]
    expect(idsOf(build({ split: 1, goldenProbability: 1 }, asked, from).rows[0]!).sort()).toEqual(['a', 'c'])
  })

  test('the golden document has no place of its own', () => {
    const places = build({ goldenProbability: 1 }).rows.map((row) => idsOf(row).indexOf(row.questions[0]!.golden![0]!))
    expect(new Set(places).size).toBe(5)
  })

  test('the same seed gives the same rows, another one others', () => {
    const bytes = JSON.stringify(build().rows)
    expect(JSON.stringify(build().rows)).toBe(bytes)
    expect(JSON.stringify(build({ seed: 7 }).rows)).not.toBe(bytes)
  })
})

describe('golden probability', () => {
  test.each([0, 0.1, 1 / 3, 0.5, 0.77, 0.8, 1])(
    '%f of the training questions, to the question',
    (goldenProbability) => {
      const { rows, statistics } = build({ goldenProbability })
      const train = rows.filter(({ split }) => split === 'train')
      const wanted = Math.round(goldenProbability * countQuestions(train))
      expect(countQuestions(train.filter(hasGolden))).toBe(wanted)
      expect(statistics.golden).toEqual({ questions: wanted, share: wanted / countQuestions(train) })
      for (const row of rows) expect(idsOf(row)).toHaveLength(5)
      // At most one group has two contexts.
      const goldens = train.map((row) => row.questions[0]!.golden![0])
      expect(goldens.length - new Set(goldens).size).toBeLessThanOrEqual(1)
      expect(rows.filter(({ split }) => split === 'test').every(hasGolden)).toBe(true)
    },
  )

  test('without it the answer is learned by heart, or a refusal', () => {
    const asked = questions.map((question) => ({ ...question, answers: [question.answer, 'other'] }))
    const kept = build({ goldenProbability: 0 }, asked)
    for (const row of kept.rows)
      for (const { answer, answers } of row.questions) expect(answers).toEqual([answer, 'other'])
    const refusing = build({ goldenProbability: 0.5, withoutGolden: 'refuse' }, asked)
    for (const row of refusing.rows)
      for (const { answer, answers, golden } of row.questions) {
        expect(golden).toHaveLength(1)
        if (hasGolden(row)) expect(answers).toEqual([answer, 'other'])
        else expect([answer, answers]).toEqual([DEFAULT_REFUSAL, [DEFAULT_REFUSAL]])
      }
    expect(
      build({ goldenProbability: 0, withoutGolden: 'refuse', refusal: 'No.' }).rows[0]!.questions[0],
    ).toMatchObject({
      answer: 'No.',
    })
  })
})

describe('split', () => {
  const sidesOf = (rows: readonly ContextRow[], side: 'train' | 'test') => rows.filter(({ split }) => split === side)

  test('whole documents are held out, and none of their chunks is seen in training', () => {
    const { rows, statistics } = build({ distractors: 12 })
    const goldens = (side: 'train' | 'test') =>
      new Set(sidesOf(rows, side).flatMap((row) => row.questions.map(({ golden }) => documentOf(golden![0]!))))
    expect(goldens('train').size).toBe(18)
    expect(goldens('test').size).toBe(5)
    expect(statistics.train.documents).toBe(20)
    const seen = new Set(sidesOf(rows, 'train').flatMap(idsOf).map(documentOf))
    for (const id of goldens('test')) expect(seen.has(id)).toBe(false)
    expect(seen.size).toBeLessThanOrEqual(20)
    // There are 15 held-out chunks: 14 distractors beside the golden one, two of which may hold another answer.
    for (const row of sidesOf(rows, 'test')) for (const id of idsOf(row)) expect(seen.has(documentOf(id))).toBe(false)
    expect(statistics.borrowingContexts).toBe(0)
  })

  test('held-out contexts take from training documents only what is missing', () => {
    const { rows, statistics } = build({ distractors: 20 })
    const test = sidesOf(rows, 'test')
    expect(statistics.borrowingContexts).toBe(test.length)
    const train = new Set(
      sidesOf(rows, 'train').flatMap((row) => row.questions.map(({ golden }) => documentOf(golden![0]!))),
    )
    for (const row of test) {
      expect(idsOf(row)).toHaveLength(21)
      const own = idsOf(row).filter((id) => !train.has(documentOf(id)))
      expect(own.length).toBeGreaterThanOrEqual(13)
    }
  })

  test('copies of a document go where it goes, and a text that is held out is no distractor in training', () => {
    const shout = 'This page was written by all of us, for places old and new.'
    const from = [
      ...documents.map((document, n) =>
        n % 3 === 0 && 'text' in document ? { ...document, text: `${document.text}\n\n${shout}` } : document,
      ),
      ...documents.slice(0, 20).map((document) => ({ ...document, id: `copy-of-${document.id}` })),
    ]
    const { rows } = build({ distractors: 30, chunkTokens: 40 }, questions, from)
    const heldOut = new Set(
      sidesOf(rows, 'test').flatMap((row) => contextOf(row).filter(({ id }) => row.questions[0]!.golden![0] === id)),
    )
    const seen = new Set(sidesOf(rows, 'train').flatMap((row) => contextOf(row).map(({ text }) => text)))
    for (const { text } of heldOut) expect(seen.has(text)).toBe(false)
  })

  test("a document's own split wins; at least one document goes to each side", () => {
    const own = documents.map((document, n) => ({
      ...document,
      split: n < 20 ? ('test' as const) : ('train' as const),
    }))
    const { rows, statistics } = build({ split: 1 }, questions, own)
    expect(statistics.test).toMatchObject({ documents: 20, questions: countQuestions(sidesOf(rows, 'test')) })
    for (const row of sidesOf(rows, 'train'))
      for (const id of idsOf(row)) expect(Number(documentOf(id).slice(1))).toBeGreaterThanOrEqual(20)
    const two = build({ split: 0.99 }, questions.slice(0, 3), documents.slice(0, 2)).statistics
    expect([two.train.documents, two.test.documents]).toEqual([1, 1])
    expect(build({ split: 1 }).statistics.test).toEqual({ documents: 0, contexts: 0, questions: 0 })
    expect(build({ split: 0 }).statistics.train).toEqual({ documents: 0, contexts: 0, questions: 0 })
  })
})

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
    ).toThrow('f.json: row 2: "id": "d0" stands twice, first in another document')
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
