// Shapes of a run: few, large enough for every batch, and with as little padding as so few can have.
import { describe, expect, test } from 'vitest'
import { collate } from './collate'
import { paddedLength } from './padding'
import { packSamples, planSteps } from './plan'
import { planShapes, shapeFor } from './shapes'
import type { Sample } from './sample'

const sample = (length: number, targets: number, row: number): Sample => ({
  ids: Int32Array.from({ length }, (_, t) => t + 1),
  labels: Int32Array.from({ length }, (_, t) => (t < length - targets ? -100 : t + 1)),
  row,
})
const lengths = Array.from({ length: 301 }, (_, i) => 20 + ((i * 7919) % 900))
const samples = lengths.map((length, i) => sample(length, 1 + ((i * 13) % 17), i + 1))
const trees = samples.map((own): Sample => {
  const start = Math.floor(own.ids.length / 2)
  return { ...own, branches: [{ start, contextLength: start, question: 0 }] }
})

describe.each([
  ['samples', samples],
  ['trees', trees],
])('%s', (_name, all) => {
  test.each([1, 2])('every batch of a run fits one of few shapes, and keeps its labels (%i groups)', (groups) => {
    const options = { batchSize: 4, gradientAccumulationSteps: 2, seed: 1, shuffle: true, rowTokens: 1200 }
    const batches = [0, 1].flatMap((epoch) => planSteps(all, { ...options, epoch }).flat())
    const shapes = planShapes(all, batches, { most: 3, groups })
    expect(shapes.length).toBeLessThanOrEqual(3)
    expect(planShapes(all, batches, { most: 3, groups })).toEqual(shapes)
    const seen = new Set<string>()
    for (const rows of batches) {
      const shape = shapeFor(all, rows, shapes, groups)!
      const batch = collate(all, rows, { padId: 0, groups, shape })
      seen.add(JSON.stringify([batch.batchSize, batch.seqLen, batch.labels.length, batch.packed?.window]))
      expect(batch.targetTokens).toBe(collate(all, rows, { padId: 0, groups }).targetTokens)
      expect(batch.samples).toEqual(rows.flat())
    }
    expect(seen.size).toBe(shapes.length)
  })
})

test('the lengths are those that pad the least: no others of as many do better', () => {
  const few = [40, 60, 70, 300, 310, 320, 800, 90].map((length, i) => sample(length, 1, i + 1))
  const batches = few.map((_, i) => [i])
  const padded = few.map(({ ids }) => paddedLength(ids.length))
  const cost = (chosen: readonly number[]) =>
    padded.reduce((n, length) => n + Math.min(...chosen.filter((c) => c >= length)), 0)
  const longest = Math.max(...padded)
  const best = Math.min(...padded.flatMap((a) => padded.map((b) => cost([a, b, longest]))))
  const chosen = planShapes(few, batches, { most: 3, groups: 1 }).map(({ seqLen }) => seqLen)
  expect(chosen).toEqual([...chosen].sort((a, b) => a - b))
  expect(cost(chosen)).toBe(best)
})

test('a batch that no shape holds is told, not cut', () => {
  const [shape] = planShapes(samples, [[0]], { most: 1, groups: 1 })
  const longer = lengths.findIndex((length) => paddedLength(length) > shape!.seqLen)
  expect(shapeFor(samples, [longer], [shape!], 1)).toBeUndefined()
  expect(() => collate(samples, [longer], { padId: 0, shape: shape! })).toThrow(/does not fit/)
})

test('samples are packed into full rows, each once', () => {
  const rows = packSamples(samples, 1000)
  expect(rows.flat().sort((a, b) => a - b)).toEqual([...samples.keys()])
  const tokens = rows.map((row) => row.reduce((n, index) => n + lengths[index]!, 0))
  expect(Math.max(...tokens)).toBeLessThanOrEqual(1000)
  expect(tokens.reduce((a, b) => a + b) / (1000 * rows.length)).toBeGreaterThan(0.97)
})
