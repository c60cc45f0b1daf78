// Batch plans and batches: every sample once, the same plan for the same seed, little padding.

import { expect, test } from 'vitest'
import { hasShared, shared } from '../../test/shared'
import { planBatches } from './batches'
import { collate } from './collate'
import { paddedLength } from './padding'
import { loadRows, loadTokenizer } from '../rows/files'
import type { Sample } from './sample'
import { tokenizeRow } from '../prompt/tokenize'

const makeSamples = (lengths: readonly number[]): Sample[] =>
  lengths.map((length, i) => ({
    ids: Int32Array.from({ length }, (_, t) => t + 1),
    labels: Int32Array.from({ length }, (_, t) => (t < length - 2 ? -100 : t + 1)),
    row: i + 1,
  }))

const lengths = Array.from({ length: 1003 }, (_, i) => 20 + ((i * 7919) % 500))
const samples = makeSamples(lengths)
const options = { batchSize: 4, epoch: 0, seed: 420, shuffle: true }

test('every sample comes exactly once an epoch, the partial batch included', () => {
  for (const shuffle of [true, false]) {
    const plan = planBatches(samples, { ...options, shuffle })
    expect(plan.flat().sort((a, b) => a - b)).toEqual([...samples.keys()])
    expect(plan.map((batch) => batch.length).sort()).toEqual([3, ...Array<number>(250).fill(4)])
  }
})

test('a plan depends on seed and epoch alone', () => {
  const plan = planBatches(samples, options)
  expect(planBatches(samples, options)).toEqual(plan)
  expect(planBatches(samples, { ...options, epoch: 1 })).not.toEqual(plan)
  expect(planBatches(samples, { ...options, seed: 421 })).not.toEqual(plan)
  expect(planBatches(makeSamples([9, 9, 9, 9, 9]), { ...options, batchSize: 2 })).toMatchInlineSnapshot(`
    [
      [
        0,
        2,
      ],
      [
        4,
      ],
      [
        1,
        3,
      ],
    ]
  `)
})

test('without shuffle the file order stays', () => {
  expect(planBatches(samples, { ...options, shuffle: false }).flat()).toEqual([...samples.keys()])
})

test('batches hold samples of similar length', () => {
  const spread = (window: number) => {
    const plan = planBatches(samples, { ...options, window })
    const waste = plan.map((batch) => {
      const own = batch.map((i) => lengths[i] ?? 0)
      return Math.max(...own) * own.length - own.reduce((a, b) => a + b, 0)
    })
    return waste.reduce((a, b) => a + b, 0)
  }
  expect(spread(50) * 5).toBeLessThan(spread(1))
})

test('an impossible batch size is refused', () => {
  expect(() => planBatches(samples, { ...options, batchSize: 0 })).toThrow(
    'planBatches: batchSize 0 is not a positive integer',
  )
})

test('collate shifts labels into positions, pads right and counts', () => {
  const given = makeSamples([3, 18, 5])
  const batch = collate(given, [2, 0], { padId: 99, lengthMultiple: 6, labelMultiple: 3 })
  expect(batch).toEqual({
    tokens: Int32Array.of(1, 2, 3, 4, 5, 99, 1, 2, 3, 99, 99, 99),
    batchSize: 2,
    seqLen: 6,
    groups: 1,
    labelRows: Int32Array.of(2, 3, 6, 7, 0, 0),
    labels: Int32Array.of(4, 5, 2, 3, -1, -1),
    targetTokens: 4,
    sampleCount: 2,
    rowCount: 2,
    tokenCount: 8,
    samples: [2, 0],
    parts: [given[2], given[0]],
  })
})

test('groups of rows have labels of their own, and rows are padded to fill them', () => {
  const options = { padId: 99, lengthMultiple: 6, labelMultiple: 3 }
  const given = makeSamples([3, 4, 5])
  const batch = collate(given, [2, 0, 1], { ...options, groups: 2 })
  expect(batch).toEqual({
    tokens: Int32Array.of(1, 2, 3, 4, 5, 99, 1, 2, 3, 99, 99, 99, 1, 2, 3, 4, 99, 99, 99, 99, 99, 99, 99, 99),
    batchSize: 4,
    seqLen: 6,
    groups: 2,
    labelRows: Int32Array.of(2, 3, 6, 7, 0, 0, 1, 2, 0, 0, 0, 0),
    labels: Int32Array.of(4, 5, 2, 3, -1, -1, 3, 4, -1, -1, -1, -1),
    targetTokens: 6,
    sampleCount: 3,
    rowCount: 3,
    tokenCount: 12,
    samples: [2, 0, 1],
    parts: [given[2], given[0], given[1]],
  })
  expect(collate(makeSamples([9]), [0], { padId: 0, groups: 4 })).toMatchObject({ batchSize: 4, sampleCount: 1 })
  expect(collate(makeSamples([9, 9]), [0, 1], { padId: 0, batchSize: 3, groups: 2 }).batchSize).toBe(4)
  expect(() => collate(makeSamples([9]), [0], { padId: 0, groups: 0 })).toThrow(
    'collate: groups 0 is not a positive integer',
  )
})

test('shapes come from coarse grids', () => {
  expect([1, 16, 17, 64, 65, 96, 97].map(paddedLength)).toEqual([16, 16, 32, 64, 96, 96, 128])
  const batch = collate(samples, [0, 1, 2], { padId: 0 })
  expect(batch.batchSize).toBe(3)
  expect(batch.labels.length).toBe((3 * batch.seqLen) / 8)
  const padded = collate(samples, [0], { padId: 0, batchSize: 4 })
  expect([padded.batchSize, padded.sampleCount, padded.tokens.length]).toEqual([4, 1, 4 * padded.seqLen])
  expect(() => collate(samples, [0, 1], { padId: 0, batchSize: 1 })).toThrow(
    'collate: 2 samples do not fit a batch of 1',
  )
  expect(() => collate(samples, [5000], { padId: 0 })).toThrow('collate: no sample 5000 among 1003')
})

test('padding wastes under 10% on GSM8K', async (ctx) => {
  ctx.skip(!hasShared, 'needs ../shared')
  const tokenizer = await loadTokenizer(`${shared}/tokenizers/llama2`)
  const rows = await loadRows(`${shared}/data/gsm8k_train_alpaca.json`)
  const gsm8k = rows
    .slice(0, 3000)
    .flatMap((row) => ('questions' in row ? [] : [tokenizeRow(row, tokenizer, { template: 'alpaca' })]))
  for (const batchSize of [1, 4, 8]) {
    const shapes = new Set<string>()
    let padded = 0
    let real = 0
    for (const indices of planBatches(gsm8k, { batchSize, epoch: 0, seed: 420, shuffle: true })) {
      const batch = collate(gsm8k, indices, { padId: 0 })
      padded += batch.tokens.length
      real += batch.tokenCount
      shapes.add(`${batch.batchSize}x${batch.seqLen}+${batch.labels.length}`)
    }
    expect(1 - real / padded).toBeLessThan(0.1)
    expect(shapes.size).toBeLessThan(60)
  }
})
