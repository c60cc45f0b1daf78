// RAFT data from a made-up corpus: shares are exact, sides never mix, and nothing that answers distracts.
import { describe, expect, test } from 'vitest'
import type { ContextRow } from '../rows/row-formats'
import { checkRow } from '../rows/check-row'
import { DEFAULT_REFUSAL } from '../rows/refusal'
import { Bm25Index } from '../retrieval/lexical'
import type { BestOptions, OpenRetriever } from '../retrieval/retriever'
import { bm25Retriever } from '../retrieval/retrievers'
import {
  documents,
  questions,
  build,
  buildWith,
  contextOf,
  idsOf,
  documentOf,
  hasGolden,
  countQuestions,
  setUp,
} from '../../test/raft-build'

setUp()

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

  test('no document appears twice, and no distractor holds an answer or the text of another', () => {
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
    const retriever = new Bm25Index(documents as { id: string; text: string }[])
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

test('distractors are those that another retriever finds', async () => {
  // Ranks texts from the last to the first, whatever is asked.
  const backwards: OpenRetriever = async (texts) => ({
    size: texts.length,
    rank: async (queries) =>
      queries.map(() => ({
        *best({ keep = () => true }: BestOptions = {}) {
          for (let text = texts.length - 1; text >= 0; text--) if (keep(text)) yield { text, score: text }
        },
      })),
  })
  const options = { distractors: 2, goldenProbability: 1, split: 1, seed: 7 }
  const { rows, refused } = await buildWith(backwards, options)
  const byWords = build(options)
  expect(refused).toEqual(byWords.refused)
  expect(rows.flatMap((row) => row.questions)).toEqual(byWords.rows.flatMap((row) => row.questions))
  expect(rows.map(idsOf)).not.toEqual(byWords.rows.map(idsOf))
  const bm25: OpenRetriever = async (_texts, words) => bm25Retriever(words)
  expect(await buildWith(bm25, options)).toEqual(byWords)
})
