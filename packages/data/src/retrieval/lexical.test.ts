// BM25 against its formula worked out by hand, and what counts as a word.

import { expect, test } from 'vitest'
import { Random } from '../random'
import { Bm25Index } from './lexical'

const texts = [
  { id: 'a', text: 'red red house' },
  { id: 'b', text: 'blue house by the sea' },
  { id: 'c', title: 'Green', text: 'garden' },
]

test('scores are those of BM25+, lengths in different words', () => {
  const [k, b, d] = [1.2, 0.75, 0.5]
  const [meanLength, N] = [(2 + 5 + 2) / 3, 3]
  const idf = (n: number) => Math.log(1 + (N - n + 0.5) / (n + 0.5))
  const bm25 = (n: number, tf: number, length: number) =>
    idf(n) * (d + (tf * (k + 1)) / (tf + k * (1 - b + (b * length) / meanLength)))
  const hits = new Bm25Index(texts).search('RED house red')
  expect(hits.map(({ id }) => id)).toEqual(['a', 'b'])
  // A word that appears twice in the query counts twice; how many words were found does not matter beyond that.
  expect(hits[0]!.score).toBeCloseTo(2 * bm25(1, 2, 2) + bm25(2, 1, 2), 10)
  expect(hits[1]!.score).toBeCloseTo(bm25(2, 1, 5), 10)
})

test('titles count, results can be limited to some, and equals keep their order', () => {
  const retriever = new Bm25Index([...texts, { id: 'a2', text: 'red red house' }])
  const ids = (...args: Parameters<Bm25Index['search']>) => retriever.search(...args).map(({ id }) => id)
  expect(ids('green')).toEqual(['c'])
  expect(ids('red')).toEqual(['a', 'a2'])
  expect(ids('red house', { limit: 1 })).toEqual(['a'])
  expect(ids('red house', { among: (id) => id !== 'a' })).toEqual(['a2', 'b'])
  expect(ids('nothing')).toEqual([])
  expect(ids('')).toEqual([])
})

test('parameters are those given', () => {
  const score = (options: ConstructorParameters<typeof Bm25Index>[1]) =>
    new Bm25Index(texts, options).search('red')[0]!.score
  const idf = Math.log(1 + 2.5 / 1.5)
  expect(score({ k: 0, b: 0, d: 0 })).toBeCloseTo(idf, 10)
  expect(score({ k: 1, b: 0, d: 0 })).toBeCloseTo((idf * 4) / 3, 10)
})

test('a character is a word where words are not set apart', () => {
  const retriever = new Bm25Index([
    { id: 'zh', text: '我在北京市' },
    { id: 'en', text: 'Überlingen' },
  ])
  expect(retriever.search('北京').map(({ id }) => id)).toEqual(['zh'])
  expect(retriever.search('überlingen').map(({ id }) => id)).toEqual(['en'])
})

test('an answer is looked for in the texts that may hold it alone', () => {
  const { index } = new Bm25Index(
    Array.from({ length: 5000 }, (_, n) => ({ id: `${n}`, text: `The code of house ${n} is x${n}y, often red.` })),
  )
  expect([...index.holding('x42y', false)]).toEqual([42])
  expect([...index.holding('house 42 is x42y', false)]).toEqual([42])
  expect([...index.holding('x43', true)].slice(0, 3)).toEqual([43, 430, 431])
  expect([...index.holding('house 43', true)]).toHaveLength(111)
  expect(index.holding('ten', false)).toHaveLength(0)
  expect(index.holding('ten', true)).toHaveLength(5000)
  expect(index.holding('nothing like it', true)).toHaveLength(0)
})

test('texts are ranked as by the scores of all of them, however far, with common words and filters', () => {
  const random = new Random(5)
  const words = Array.from({ length: 400 }, (_, i) => `w${i}`)
  // By Zipf's law: the first words are in nearly every text.
  const word = () => words[Math.floor(400 ** (random.below(1000) / 1000)) - 1]!
  const texts = Array.from({ length: 1500 }, (_, i) => ({
    id: String(i),
    text: Array.from({ length: 5 + random.below(40) }, word).join(' '),
  }))
  const retriever = new Bm25Index(texts)
  for (let q = 0; q < 60; q++) {
    const query = Array.from({ length: 1 + random.below(7) }, () =>
      random.below(2) ? word() : words[random.below(400)]!,
    ).join(' ')
    const modulus = 1 + random.below(3)
    const all = texts
      .map((_, text) => ({ text, score: retriever.scoreOf(query, text) }))
      .filter(({ text, score }) => score > 0 && text % modulus === 0)
      .sort((a, b) => b.score - a.score || a.text - b.text)
    const least = all.length === 0 ? 1 : all[random.below(all.length)]!.score
    const keep = (text: number) => text % modulus === 0
    expect([...retriever.rank(query, keep)]).toEqual(all)
    expect([...retriever.rank(query, keep, least)]).toEqual(all.filter(({ score }) => score >= least))
  }
})
