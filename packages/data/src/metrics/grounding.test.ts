// Scores by the context, and intervals of means.

import { expect, test } from 'vitest'
import { bootstrap } from './bootstrap'
import { groundingOf } from './grounding'
import { estimateAnswers, scoreAnswer } from './summary'

const context = 'The tower is 56 metres tall — or so they say.'

test.each<[string, string[], boolean, { refusal?: boolean; faithful?: boolean }]>([
  ['56 Metres.', ['56 metres'], false, { faithful: true }],
  ['57 metres', ['56 metres'], false, { faithful: false }],
  ['It says ##begin_quote##tall - or so##end_quote##. ##Answer: 60', ['56 metres'], false, { faithful: true }],
  ['It says ##begin_quote##very tall##end_quote##. ##Answer: 56 metres', ['56 metres'], false, { faithful: false }],
  ['', ['56 metres'], false, { faithful: false }],
  ['The documents do not answer this.', ['The documents do not answer this.'], true, { refusal: true }],
  ['Sorry: the documents do not answer this', ['The documents do not answer this.'], true, { refusal: true }],
  ['56 metres', ['The documents do not answer this.'], true, { refusal: false, faithful: true }],
])('%s', (prediction, answers, unanswerable, score) => {
  expect(groundingOf(prediction, answers, { unanswerable, context })).toEqual(score)
})

test('an interval holds the mean, narrows with the values, and is the same again', () => {
  const coin = (n: number) => Array.from({ length: n }, (_, i) => i % 2)
  const [few, many] = [bootstrap(coin(20)), bootstrap(coin(2000))]
  for (const { mean, low, high } of [few, many]) {
    expect(mean).toBe(0.5)
    expect(low).toBeLessThan(0.5)
    expect(high).toBeGreaterThan(0.5)
  }
  // 1.96 standard errors of a fair coin.
  expect(few.high - few.low).toBeCloseTo((2 * 1.96 * 0.5) / Math.sqrt(20), 1)
  expect(many.high - many.low).toBeCloseTo((2 * 1.96 * 0.5) / Math.sqrt(2000), 2)
  expect(bootstrap(coin(20))).toEqual(few)
  expect(bootstrap([1, 1, 1])).toEqual({ mean: 1, low: 1, high: 1, count: 3 })
})

test('scores that no answer has are absent', () => {
  const estimates = estimateAnswers([
    scoreAnswer('x', ['x']),
    scoreAnswer('y', ['z'], undefined, { unanswerable: true, context }),
  ])
  expect(estimates).toMatchObject({ exactMatch: { mean: 0.5, count: 2 }, refusal: { mean: 0, count: 1 } })
  expect(estimates).not.toHaveProperty('denotation')
})
