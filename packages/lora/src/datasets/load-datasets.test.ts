// Several data sets as one: names, weights, rows to hold out. Those of the Hub are in the command line's tests.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { AlpacaRow, Row } from '@jora/data'
import { checkDatasets, loadDatasets, mixDatasets } from './load-datasets'

const rowOf = (instruction: string): AlpacaRow => ({ instruction, output: 'x' })
const named = (rows: readonly Row[], split: string) =>
  rows.filter((row) => row.split === split).map((row) => (row as AlpacaRow).instruction)
const sets = ['a', 'b'].map((set) => Array.from({ length: 20 }, (_, i) => rowOf(`${set}${i}`)))

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'jora-datasets-'))
})
afterAll(async () => {
  await rm(dir, { recursive: true })
})

test('weights repeat and thin out what is trained, and nothing that is held out', () => {
  const options = { weights: [2, 0.25], split: 0.75, seed: 1 }
  const mixed = mixDatasets(sets, options)
  const heldOut = named(mixed, 'test')
  expect(heldOut).toHaveLength(10)
  expect(new Set(heldOut).size).toBe(10)
  const trained = named(mixed, 'train')
  expect(trained.filter((name) => heldOut.includes(name))).toEqual([])
  const [a, b] = ['a', 'b'].map((set) => trained.filter((name) => name.startsWith(set)))
  const aRows = 20 - heldOut.filter((name) => name.startsWith('a')).length
  expect(a).toHaveLength(2 * aRows)
  expect(new Set(a).size).toBe(aRows)
  expect(b).toHaveLength(Math.round((30 - aRows) / 4))
  expect(new Set(b).size).toBe(b!.length)
  expect(mixDatasets(sets, options)).toEqual(mixed)
  expect(() => mixDatasets(sets, { ...options, weights: [1] })).toThrow('has 1 numbers for 2 data sets')
  expect(mixDatasets(sets, { split: 0.75, seed: 1 })).toEqual(sets.flat())
})

test('rows to hold out take the place of a share', () => {
  const mixed = mixDatasets([[...sets[0]!, { ...rowOf('marked'), split: 'test' }]], {
    heldOut: [rowOf('asked'), { ...rowOf('too'), split: 'train' }],
    split: 0.5,
    seed: 1,
  })
  expect(named(mixed, 'test')).toEqual(['asked', 'too'])
  expect(named(mixed, 'train')).toEqual(sets[0]!.map(({ instruction }) => instruction))
})

test('names are files, several of them, or Hub ids', async () => {
  const file = (name: string, ...rows: AlpacaRow[]) => writeFile(join(dir, name), JSON.stringify(rows))
  await file('one.json', rowOf('one'))
  await file('with,comma.json', rowOf('comma'))
  const load = async (text: string) =>
    (await loadDatasets(text)).map((rows) => rows.map((row) => (row as AlpacaRow).instruction))
  expect(await load(`${join(dir, 'one.json')}, ${join(dir, 'one.json')}`)).toEqual([['one'], ['one']])
  expect(await load(join(dir, 'with,comma.json'))).toEqual([['comma']])
  await expect(checkDatasets('rows')).rejects.toThrow('rows: no such file; expected a file, or a data set of the Hub')
  await expect(checkDatasets('org/rows,nothing.json', '--dataset')).rejects.toThrow(
    '--dataset nothing.json: no such file',
  )
})
