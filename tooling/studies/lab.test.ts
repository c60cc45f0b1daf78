// A study's stages on disk, its tables, and the index of its pages.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Lab, readLines, scoresOf, writeLines } from './lab.mjs'
import { percent, table } from './page.mjs'
import { studies } from './studies/index.mjs'

let folder: string
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'jora-studies-'))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('a stage runs once for its inputs, again for others, and again after it failed', async () => {
  const runs: number[] = []
  const study = async (fails: boolean) => {
    const lab = new Lab(folder, () => {})
    const first = await lab.stage('first', { size: 1 }, () => runs.push(1))
    await lab.stage('second', {}, () => {
      runs.push(2)
      if (fails) throw new Error('stopped')
      return 0
    })
    return [first, await lab.stage('first', { size: 2 }, () => runs.push(3))]
  }
  await expect(study(true)).rejects.toThrow('stopped')
  expect(await study(false)).toEqual([1, 4])
  expect(runs).toEqual([1, 2, 2, 3])
  expect(await study(true)).toEqual([1, 4])
  expect(runs).toHaveLength(4)
})

test('rows have a file for each of what they are made from', async () => {
  const lab = new Lab(folder, () => {})
  const write = (value: number) => lab.rows('some', { value }, (path) => writeLines(path, [{ value }]))
  const [one, two] = [await write(1), await write(2)]
  expect(one).not.toBe(two)
  expect([...readLines(one), ...readLines(two)]).toEqual([{ value: 1 }, { value: 2 }])
})

test('scores have their intervals; a table has as many cells in each line', () => {
  expect(percent({ mean: 0.5, low: 0.25, high: 0.625, count: 8 })).toBe('50.0 (25.0–62.5)')
  expect(percent(undefined)).toBe('')
  expect(table(['a', 'b'], [['1', '2']])).toBe('| a | b |\n| --- | --- |\n| 1 | 2 |')
})

test('an exact match is one to the letter, and as SQuAD has it', () => {
  const answers = [
    { prediction: 'The Rhine.', answers: ['Rhine'], exactMatch: false, f1: 1 },
    { prediction: 'Rhine', answers: ['Po', 'Rhine'], exactMatch: true, f1: 1 },
    { prediction: 'Rhone', answers: ['Rhine'], exactMatch: false, f1: 0 },
  ]
  const { exactMatch, squad } = scoresOf(answers)
  expect([exactMatch?.mean, squad?.mean]).toEqual([1 / 3, 2 / 3])
})

test('the index of results has every study, with its size', () => {
  const index = readFileSync(join(import.meta.dirname, '../../docs/results/README.md'), 'utf8')
  const named = [...index.matchAll(/^\| \[?(\w+)(?:\]\(\w+\.md\))? \| .* \| (\d+) \|$/gm)]
  expect(named.map(([, name, size]) => [name, Number(size)])).toEqual(
    Object.entries(studies).map(([name, { questions }]) => [name, questions]),
  )
})
