// Data sets of the Hub against a small one on localhost: which files, cache, offline, the Hub's own copies, refusals.

import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { resolveDataset, type ResolveDatasetOptions } from './dataset'
import { chooseSplit, datasetLayout, datasetNameOf } from './dataset-files'
import { TestHub } from './test-server'

let hub: TestHub
let home: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'jora-hub-'))
  hub = new TestHub()
  await hub.start()
  hub.repos['org/rows'] = {
    commit: 'c0ffee'.padEnd(40, '0'),
    files: {
      'README.md': 'read me',
      'dataset_infos.json': '{}',
      'data/train-00000-of-00002.parquet': 'first',
      'data/train-00001-of-00002.parquet': 'second',
      'data/validation-00000-of-00001.parquet': 'third',
    },
    lfs: ['data/train-00000-of-00002.parquet'],
  }
  hub.repos['org/raw'] = {
    commit: 'bad'.padEnd(40, '0'),
    files: { 'README.md': 'read me', 'raw.tar.gz': 'packed' },
    branches: {
      'refs/convert/parquet': {
        commit: 'feed'.padEnd(40, '0'),
        files: {
          'en/train/0000.parquet': 'english',
          'de/train/0000.parquet': 'german',
          'de/unlabelled/0000.parquet': 'x',
        },
      },
    },
  }
})
afterEach(async () => {
  await hub.stop()
  await rm(home, { recursive: true, force: true })
})

const find = (name: string, options: ResolveDatasetOptions = {}) =>
  resolveDataset(name, { env: { HF_HOME: home, HF_ENDPOINT: hub.endpoint }, ...options })
const texts = async (files: readonly string[]) => Promise.all(files.map((file) => readFile(file, 'utf8')))

test('the files of a split come in their order, into the cache, and from it without the Hub', async () => {
  const progress: string[] = []
  const found = await find('org/rows', { onProgress: ({ file }) => void progress.push(file) })
  expect(found).toMatchObject({ id: 'org/rows', config: 'default', split: 'train', revision: 'c0ffee'.padEnd(40, '0') })
  expect(await texts(found.files)).toEqual(['first', 'second'])
  expect(found.files[0]).toContain(join('hub', 'datasets--org--rows', 'snapshots'))
  expect(progress).toHaveLength(2)
  const before = hub.downloads().length
  expect(await find('org/rows')).toEqual(found)
  expect(hub.downloads()).toHaveLength(before)
  expect(await find('org/rows', { offline: true })).toEqual(found)
  expect(await texts((await find('org/rows', { splits: ['test', 'validation', 'train'] })).files)).toEqual(['third'])
  await expect(find('org/other', { offline: true })).rejects.toThrow('is not in the cache')
})

test('what is not there as a table is taken from the Hub’s Parquet copies', async () => {
  expect(await texts((await find('org/raw:de')).files)).toEqual(['german'])
  expect(await find('org/raw:de:unlabelled')).toMatchObject({ config: 'de', split: 'unlabelled' })
  expect(await texts((await find('org/raw:en:train')).files)).toEqual(['english'])
  await expect(find('org/raw')).rejects.toThrow(
    'org/raw: has several configurations; name one: de, en (org/raw:CONFIG)',
  )
  await expect(find('org/raw:fr')).rejects.toThrow('has no configuration fr: de, en')
  await expect(find('org/raw:de:test')).rejects.toThrow('has no split test: train, unlabelled (org/raw:de:SPLIT)')
  delete hub.repos['org/raw']!.branches
  await expect(find('org/raw')).rejects.toThrow('has no Parquet, JSON or CSV files')
  await expect(find('org/none')).rejects.toThrow('neither a local file nor a data set at')
})

describe('names and layouts', () => {
  test.each([
    ['org/name', { id: 'org/name', parts: [] }],
    ['org/name:en:test', { id: 'org/name', parts: ['en', 'test'] }],
    ['org/rows.jsonl', undefined],
    ['./org/name', undefined],
    ['name', undefined],
    ['org/name:', undefined],
    ['org/name:a:b:c', undefined],
    ['C:/rows', undefined],
  ])('%s', (text, expected) => expect(datasetNameOf(text)).toEqual(expected))

  const layoutOf = (...paths: string[]) =>
    Object.fromEntries([...datasetLayout(paths)].map(([config, splits]) => [config, Object.fromEntries(splits)]))
  test('the first folder is the configuration, words in names tell the split', () => {
    expect(layoutOf('train.jsonl', 'test.jsonl', 'config.json')).toEqual({
      default: { train: ['train.jsonl'], test: ['test.jsonl'] },
    })
    expect(layoutOf('train/a.csv', 'dev/a.csv', '.hidden/b.csv')).toEqual({
      default: { train: ['train/a.csv'], validation: ['dev/a.csv'] },
    })
    expect(layoutOf('en/rows.parquet', 'en/rows_test.parquet', 'de/x.parquet', 'train.jsonl')).toEqual({
      en: { train: ['en/rows.parquet'], test: ['en/rows_test.parquet'] },
      de: { train: ['de/x.parquet'] },
    })
  })

  test('a word behind the name may be the split where there is one configuration', () => {
    const layout = datasetLayout(['train.jsonl', 'test.jsonl'])
    expect(chooseSplit(layout, { id: 'a/b', parts: ['test'] }, ['train'])).toMatchObject({ files: ['test.jsonl'] })
    expect(() => chooseSplit(layout, { id: 'a/b', parts: [] }, [])).toThrow('has several splits; name one: test, train')
    expect(() => chooseSplit(layout, { id: 'a/b', parts: ['en', 'test'] }, [])).toThrow('has no configuration en')
  })
})
