// Seeded random numbers: fixed values, fair shuffles.

import { expect, test } from 'vitest'
import { deriveSeed, Random, randomUint32, shuffle } from './random'

test('the sequence is fixed for good', () => {
  expect([0, 1, 2].map((counter) => randomUint32(420, counter))).toMatchInlineSnapshot(`
    [
      67193811,
      2828131130,
      3295044139,
    ]
  `)
  expect(shuffle([0, 1, 2, 3, 4, 5, 6, 7], 420)).toMatchInlineSnapshot(`
    [
      5,
      1,
      0,
      2,
      7,
      6,
      3,
      4,
    ]
  `)
})

test('a shuffle permutes a copy, evenly', () => {
  const original = [0, 1, 2, 3]
  const counts = Array.from({ length: 4 }, () => [0, 0, 0, 0])
  for (let seed = 0; seed < 8000; seed++) {
    const result = shuffle(original, seed)
    expect([...result].sort()).toEqual([0, 1, 2, 3])
    result.forEach((value, place) => counts[place]![value]!++)
  }
  expect(original).toEqual([0, 1, 2, 3])
  // Standard deviation is 39; five of them.
  for (const count of counts.flat()) expect(Math.abs(count - 2000)).toBeLessThan(195)
})

test('seeds, names and epochs give different streams', () => {
  const seeds = [
    deriveSeed(1),
    deriveSeed(2),
    deriveSeed(1, 'a'),
    deriveSeed(1, 'b'),
    deriveSeed(1, 0),
    deriveSeed(1, 1),
  ]
  seeds.push(deriveSeed(-1), deriveSeed(2 ** 32 + 1), deriveSeed(2 ** 40))
  expect(new Set(seeds).size).toBe(seeds.length)
  expect(() => deriveSeed(0.5)).toThrow('seed: 0.5 is not an integer')
})

test('below stays below and reaches every value', () => {
  const random = new Random(7)
  const seen = new Set(Array.from({ length: 200 }, () => random.below(5)))
  expect([...seen].sort()).toEqual([0, 1, 2, 3, 4])
})
