// How many rows are held out, and which stay together.

import { expect, test } from 'vitest'
import { chooseSizes } from './choose-sizes'
import type { Row } from './row-formats'
import { splitNotes, splitRows } from './split'

const rowsOf = (inputs: readonly string[]): Row[] =>
  inputs.map((input, i) => ({ instruction: `word ${i}`, input, output: `${i}` }))

const seeds = Array.from({ length: 20 }, (_, seed) => seed)

/** Rows held out, and whether contexts stayed whole. */
function held(rows: readonly Row[], split: number, seed: number) {
  const { train, heldOut, parted } = splitRows(rows, split, seed)
  expect(train.length + heldOut.length).toBe(rows.length)
  const inputs = (some: readonly Row[]) => new Set(some.map((row) => ('input' in row ? row.input : '')))
  const shared = [...inputs(train)].filter((input) => inputs(heldOut).has(input))
  expect(shared.length > 0).toBe(parted > 0)
  return { count: heldOut.length, parted, notes: splitNotes({ train, heldOut, parted }, split) }
}

test('an input that most rows share does not take the held-out share with it', () => {
  const rows = rowsOf(Array.from({ length: 100 }, (_, i) => (i < 80 ? 'Translate.' : `text ${i}`)))
  for (const seed of seeds) expect(held(rows, 0.8, seed)).toEqual({ count: 20, parted: 0, notes: [] })
})

test('an input that all rows share is parted, and that is said', () => {
  const rows = rowsOf(Array.from({ length: 100 }, () => 'Translate.'))
  for (const seed of seeds) {
    const { count, parted, notes } = held(rows, 0.8, seed)
    expect([count, parted]).toEqual([20, 100])
    expect(notes).toEqual([expect.stringContaining('100 of 100 rows share contexts too large to be held out whole')])
  }
})

test.each([
  [[50, 50], 0.9],
  [[30, 30, 30, 10], 0.8],
  [[60, 7, 7, 7, 7, 7, 5], 0.8],
  [[97, 1, 1, 1], 0.8],
  [[9, 9, 9, 9, 9], 0.9],
  [[3, 3], 0.8],
])('groups of %j: from half to twice what %d leaves, whatever the seed', (sizes, split) => {
  const rows = rowsOf(sizes.flatMap((size, i) => Array.from({ length: size }, () => `context ${i}`)))
  const asked = rows.length * (1 - split)
  for (const seed of seeds) {
    const { count, parted, notes } = held(rows, split, seed)
    expect(count).toBeGreaterThanOrEqual(Math.floor(asked / 2))
    expect(count).toBeLessThanOrEqual(Math.ceil(asked * 2))
    if (parted > 0 || Math.abs(count - asked) > Math.max(1, asked / 4)) expect(notes).toHaveLength(1)
  }
})

test('rows that ask the same are on one side, in every format', () => {
  const makers: ((i: number, answer: string) => Row)[] = [
    (i, output) => ({ instruction: `q${i}`, output }),
    (i, completion) => ({ prompt: `q${i}`, completion }),
    (i, content) => ({
      messages: [
        { role: 'user', content: `q${i}` },
        { role: 'assistant', content },
      ],
    }),
    (i, answer) => ({ input_ids: [1, i, Number(answer)], labels: [-100, -100, Number(answer)] }),
    (i, answer) => ({ context: [{ text: `c${i}` }], questions: [{ question: 'q', answer }] }),
  ]
  for (const make of makers) {
    // Each question three times, with other answers.
    const rows = Array.from({ length: 60 }, (_, i) => make(i % 20, String(i)))
    for (const seed of seeds) {
      const { train, heldOut } = splitRows(rows, 0.8, seed)
      expect(heldOut).toHaveLength(12)
      const sides = rows.map((row) => heldOut.includes(row))
      rows.forEach((_, i) => expect(sides[i]).toBe(sides[i % 20]))
      expect(train).toHaveLength(48)
    }
  }
})

test('a question that joins two contexts joins their rows', () => {
  const rows: Row[] = [
    { instruction: 'a', input: 'x', output: '1' },
    { instruction: 'b', input: 'x', output: '2' },
    ...Array.from({ length: 8 }, (_, i) => ({ instruction: `c${i}`, output: '3' })),
    { instruction: 'a', input: 'x', output: '4' },
  ]
  for (const seed of seeds) {
    const { heldOut } = splitRows(rows, 0.8, seed)
    expect(heldOut).toHaveLength(2)
    expect(new Set([0, 1, 10].map((i) => heldOut.includes(rows[i]!))).size).toBe(1)
  }
})

test('rows that all ask the same, as of an empty prompt, are held out one by one; equal rows stay together', () => {
  const rows = Array.from({ length: 50 }, (_, i): Row => ({ prompt: '', completion: `text ${i % 25}` }))
  for (const seed of seeds) {
    const { heldOut, parted } = splitRows(rows, 0.8, seed)
    expect([heldOut.length, parted]).toEqual([10, 50])
    const sides = rows.map((row) => heldOut.includes(row))
    for (let i = 0; i < 25; i++) expect(sides[i]).toBe(sides[i + 25])
  }
})

test('nothing held out is said', () => {
  const [row] = rowsOf(['x'])
  expect(splitNotes(splitRows([row!], 0.8, 1), 0.8)).toEqual(['nothing is held out: there is one row'])
  const marked = rowsOf(['x', 'y']).map((each): Row => ({ ...each, split: 'train' }))
  expect(splitNotes(splitRows(marked, 0.8, 1), 0.8)[0]).toContain('marked as training rows')
  expect(splitNotes(splitRows(marked, 1, 1), 1)).toEqual([])
})

test('sizes add up as near as any do', () => {
  const nearest = (sizes: number[], wanted: number, most: number) => {
    let sums = new Set([0])
    for (const size of sizes) sums = new Set([...sums, ...[...sums].map((sum) => sum + size)])
    const inRange = [...sums].filter((sum) => sum >= 1 && sum <= most)
    return Math.min(...inRange.map((sum) => Math.abs(sum - wanted)))
  }
  let state = 1
  const random = (below: number) => (state = (state * 48271) % 2147483647) % below
  for (let round = 0; round < 500; round++) {
    const sizes = Array.from({ length: 1 + random(8) }, () => 1 + random(12))
    const all = sizes.reduce((a, b) => a + b)
    if (all === 1) continue
    const [wanted, most] = [1 + random(all - 1), all - 1]
    const chosen = chooseSizes(sizes, wanted, most)
    const sum = [...chosen].reduce((total, [size, count]) => total + size * count, 0)
    for (const [size, count] of chosen) expect(count).toBeLessThanOrEqual(sizes.filter((s) => s === size).length)
    if (sizes.every((size) => size > most)) expect(sum).toBe(0)
    else expect(Math.abs(sum - wanted)).toBe(nearest(sizes, wanted, most))
  }
})

test('half a million rows are split in seconds', () => {
  const rows = rowsOf(Array.from({ length: 500_000 }, (_, i) => (i % 3 === 0 ? '' : `c${i % 70_000}`)))
  const started = performance.now()
  const { heldOut } = splitRows(rows, 0.9, 7)
  expect(heldOut).toHaveLength(50_000)
  expect(performance.now() - started).toBeLessThan(60_000)
})
