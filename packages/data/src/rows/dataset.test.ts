// Splits, mixes, overflow policies and statistics.

import { expect, test } from 'vitest'
import { llamaLike } from '../../test/tiny-tokenizers'
import { prepareDataset, type PrepareOptions } from './dataset'
import type { Row } from './row-formats'
import { createTokenizer } from '../tokenizer/tokenizer'

const tokenizer = createTokenizer(llamaLike())

/** Row i from 1: BOS, "▁a", i times " a", EOS: i + 3 tokens, i + 1 of them learned. */
const makeRows = (count: number, file = 'f.json'): Row[] =>
  Array.from({ length: count }, (_, i) => ({
    prompt: 'a',
    completion: ' a'.repeat(i + 1),
    origin: { file, row: i + 1 },
  }))

const prepare = (options: Partial<PrepareOptions> = {}) =>
  prepareDataset({
    rows: makeRows(10),
    tokenizer,
    template: 'none',
    maxSeqLength: 100,
    onOverflow: 'error',
    seed: 420,
    ...options,
  })

const rowNumbers = (samples: readonly { row: number }[]) => samples.map(({ row }) => row)

test('without a split all rows train, in file order, and are counted', () => {
  const { train, heldOut, statistics } = prepare()
  expect(rowNumbers(train)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  expect(heldOut).toEqual([])
  expect(statistics).toMatchObject({
    samples: 10,
    contexts: 10,
    tokens: 85,
    targetTokens: 65,
    dropped: 0,
    truncated: 0,
  })
})

test('a split is seeded, disjoint, complete and independent of lengths', () => {
  const a = prepare({ split: 0.8 })
  expect([a.train.length, a.heldOut.length]).toEqual([8, 2])
  expect([...rowNumbers(a.train), ...rowNumbers(a.heldOut)].sort((x, y) => x - y)).toEqual([
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
  ])
  expect(rowNumbers(prepare({ split: 0.8 }).heldOut)).toEqual(rowNumbers(a.heldOut))
  const seeds = Array.from({ length: 10 }, (_, seed) => rowNumbers(prepare({ split: 0.8, seed }).heldOut).join())
  expect(new Set(seeds).size).toBeGreaterThan(5)
  const cut = prepare({ split: 0.8, maxSeqLength: 5, onOverflow: 'truncate' })
  expect(rowNumbers(cut.heldOut)).toEqual(rowNumbers(a.heldOut))
  expect(a.statistics.train.samples + a.statistics.heldOut.samples).toBe(a.statistics.samples)
  expect(prepare({ rows: makeRows(2), split: 0.99 }).heldOut).toHaveLength(1)
  expect(prepare({ rows: makeRows(1), split: 0.5 }).train).toHaveLength(1)
  expect(() => prepare({ split: 0 })).toThrow('--split: got 0; expected a share over 0 and up to 1')
})

test('overflow: error names the row, its length, the limit and the flags', () => {
  expect(() => prepare({ maxSeqLength: 12 })).toThrowErrorMatchingInlineSnapshot(
    `[DatasetError: f.json: row 10: 13 tokens exceed --max-seq-length 12; raise it to 13, or use --on-overflow drop or truncate]`,
  )
  expect(() => prepare({ maxSeqLength: 11 })).toThrowErrorMatchingInlineSnapshot(
    `[DatasetError: f.json: row 9: 12 tokens exceed --max-seq-length 11 (2 samples are too long, the longest has 13); raise it to 13, or use --on-overflow drop or truncate]`,
  )
  expect(prepare({ maxSeqLength: 13 }).train).toHaveLength(10)
})

test('overflow: drop leaves out and counts', () => {
  const { train, statistics } = prepare({ maxSeqLength: 11, onOverflow: 'drop' })
  expect(rowNumbers(train)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  expect(statistics).toMatchObject({ samples: 8, dropped: 2, truncated: 0 })
  expect(() => prepare({ maxSeqLength: 3, onOverflow: 'drop' })).toThrowErrorMatchingInlineSnapshot(
    `[DatasetError: f.json: no training sample is left: all 10 rows exceed --max-seq-length 3]`,
  )
})

test('overflow: truncate cuts from the right and drops what learns nothing', () => {
  const long: Row = { prompt: ' a'.repeat(20), completion: 'a', origin: { file: 'f.json', row: 11 } }
  const { train, statistics } = prepare({ rows: [...makeRows(10), long], maxSeqLength: 11, onOverflow: 'truncate' })
  expect(rowNumbers(train)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  expect(statistics).toMatchObject({ samples: 10, dropped: 1, truncated: 2 })
  expect(train[9]?.ids).toHaveLength(11)
  expect(train[9]?.labels.at(-1)).not.toBe(tokenizer.eosId)
  expect(train[7]?.labels.at(-1)).toBe(tokenizer.eosId)
})

test('mix adds general rows to training only, seeded, without repetition while there are enough', () => {
  const mixRows = makeRows(20, 'general.json').map((row) => ({
    ...row,
    origin: { file: 'general.json', row: (row.origin?.row ?? 0) + 100 },
  }))
  const options = { split: 0.8, mixRows, mix: 0.5 }
  const { train, heldOut } = prepare(options)
  const mixed = rowNumbers(train).filter((row) => row > 100)
  expect(train).toHaveLength(12)
  expect(new Set(mixed).size).toBe(4)
  expect(rowNumbers(heldOut).every((row) => row <= 10)).toBe(true)
  expect(rowNumbers(prepare(options).train)).toEqual(rowNumbers(train))
  expect(rowNumbers(prepare({ ...options, seed: 1 }).train).slice(8)).not.toEqual(mixed)
  expect(rowNumbers(heldOut)).toEqual(rowNumbers(prepare({ split: 0.8 }).heldOut))
  const scarce = rowNumbers(prepare({ mixRows: mixRows.slice(0, 2), mix: 0.5 }).train).slice(10)
  const times = [101, 102].map((row) => scarce.filter((drawn) => drawn === row).length)
  expect(times.sort()).toEqual([2, 3])
})

test('equal inputs are one context', () => {
  const row = (input: string) => ({ instruction: 'a', input, output: 'a' })
  const rows = [row('x'), row('x'), row('y'), { instruction: 'b', output: 'a' }, row('')]
  expect(prepare({ rows }).statistics.contexts).toBe(4)
})
