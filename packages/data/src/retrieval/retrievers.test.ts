// Rankings by words, by scores and by both, against sorting everything.

import { expect, test } from 'vitest'
import { Random } from '../random'
import { Bm25Index } from './lexical'
import { bm25Retriever, fusedRetriever, scoredRetriever, type Scorer } from './retrievers'

const random = new Random(3)
const size = 3000
const scores = Float32Array.from({ length: size }, () => random.below(500) / 500)
const scorer: Scorer = { size, scores: async (questions) => questions.map(() => scores) }
const all = Array.from(scores, (score, text) => ({ text, score })).sort((a, b) => b.score - a.score || a.text - b.text)

test('scores rank as sorting all of them does, equals in their order, as far as one looks', async () => {
  const [ranking] = await scoredRetriever(scorer).rank(['q'])
  expect([...ranking!.best()]).toEqual(all)
  const keep = (text: number) => text % 7 === 0
  const of = all[1000]!.text
  const near = { of, share: 0.5 }
  const wanted = all.filter(({ text, score }) => keep(text) && score >= 0.5 * scores[of]!)
  expect([...ranking!.best({ keep, near })]).toEqual(wanted)
  expect([...ranking!.best({ keep: () => false })]).toEqual([])
  let seen = 0
  for (const { text } of ranking!.best()) {
    expect(text).toBe(all[seen]!.text)
    if (++seen === 3) break
  }
})

test('words rank as their index does, and near leaves out what scores too little', async () => {
  const index = new Bm25Index([
    { id: 'a', text: 'red red house' },
    { id: 'b', text: 'red' },
    { id: 'c', text: 'a house by the sea' },
    { id: 'd', text: 'nothing' },
  ])
  const [ranking] = await bm25Retriever(index).rank(['red house'])
  const found = [...ranking!.best()]
  expect(found.map(({ text }) => text)).toEqual([0, 1, 2])
  const share = 1.01 * (found[2]!.score / found[0]!.score)
  expect([...ranking!.best({ near: { of: 0, share } })]).toEqual(found.slice(0, 2))
})

test('fusion scores by places alone', async () => {
  const rankings = (...orders: number[][]) =>
    orders.map((order) => ({
      size: 4,
      rank: async (questions: readonly string[]) =>
        questions.map(() => ({ best: () => order.map((text, i) => ({ text, score: 10 - i })) })),
    }))
  const [fused] = await fusedRetriever(rankings([0, 1, 2], [2, 3]), { k: 10 }).rank(['q'])
  const found = [...fused!.best()]
  expect(found.map(({ text }) => text)).toEqual([2, 0, 1, 3])
  expect(found.map(({ score }) => score)).toEqual([1 / 13 + 1 / 11, 1 / 11, 1 / 12, 1 / 12])
  const [shallow] = await fusedRetriever(rankings([0, 1, 2], [2, 3]), { depth: 1 }).rank(['q'])
  expect([...shallow!.best()].map(({ text }) => text)).toEqual([0, 2])
})
