// Reading folders, and the published data sets of ../shared as a whole.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseCsv } from '../rows/csv'
import { checkRow } from '../rows/check-row'
import { countQuestions, type ImportOptions } from './imported'
import type { ImportFormatName } from './index'
import { importDataset } from './import-dataset'
import { splitTsv, unescapeTsv } from './tables'

let dir = ''
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'jora-import-'))
})
afterAll(() => rm(dir, { recursive: true }))

async function put(path: string, content: string | Uint8Array): Promise<string> {
  const file = join(dir, path)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, content)
  return file
}

test('the split file is looked for in the input, then in the working directory', async () => {
  const split = (answer: string) => `id\tutterance\tcontext\ttargetValue\nq\tWho?\tcsv/1-csv/1.csv\t${answer}\n`
  await put('wtq/data/a.tsv', split('Ann'))
  await put('wtq/data/b.tsv', split('Bob'))
  await put('wtq/csv/1-csv/1.csv', '"n"\n"Ann"\n')
  const elsewhere = await put('mine.tsv', split('Cy'))
  const answerOf = async (options: ImportOptions) =>
    (await importDataset('wikitablequestions', join(dir, 'wtq'), options)).rows
  await expect(answerOf({ splitFile: 'data/b.tsv' })).resolves.toMatchObject([{ questions: [{ answer: 'Bob' }] }])
  await expect(answerOf({ splitFile: elsewhere })).resolves.toMatchObject([{ questions: [{ answer: 'Cy' }] }])
  await expect(answerOf({ splitFile: 'data/c.tsv' })).rejects.toThrow('data/c.tsv: no such file')
  await expect(answerOf({})).rejects.toThrow('several files of questions: data/a.tsv, data/b.tsv')
})

test('files of a folder are read in the order of their numbers; others are left alone', async () => {
  for (const n of [10, 2]) await put(`babi/qa${n}_x.txt`, `1 Ann sits.\n2 Who?\tAnn${n}\t1\n`)
  await put('babi/notes.txt', 'hello')
  await put('babi/hn/qa1_x.txt', 'hello')
  const { rows, read } = await importDataset('babi', join(dir, 'babi'))
  expect(read).toBe(2)
  expect(rows).toMatchObject([{ questions: [{ answer: 'Ann2' }] }, { questions: [{ answer: 'Ann10' }] }])
})

test('input that cannot be read', async () => {
  const latin = await put('latin.json', new Uint8Array([0x5b, 0x22, 0xe9, 0x22, 0x5d]))
  const told = (format: ImportFormatName, path: string) =>
    importDataset(format, path).then(
      () => 'no error',
      (error: Error) => error.message.replaceAll(dir, 'DIR'),
    )
  await mkdir(join(dir, 'empty'))
  expect([
    await told('squad', join(dir, 'none.json')),
    await told('squad', join(dir, 'empty')),
    await told('babi', join(dir, 'empty')),
    await told('wikitablequestions', latin),
    await told('squad', latin),
  ]).toMatchInlineSnapshot(`
    [
      "DIR/none.json: no such file or folder",
      "DIR/empty: is a folder; expected a file",
      "DIR/empty: expected a folder holding qaN_*.txt",
      "DIR/latin.json: is a file; expected a folder holding data/*.tsv and csv/*/*.csv",
      "DIR/latin.json: is not UTF-8 text: byte 0xe9 in line 1, offset 2; save it as UTF-8",
    ]
  `)
})

const shared = join(process.env.JORA_SHARED ?? join(import.meta.dirname, '../../../../../shared'), 'data')
const hasShared = existsSync(join(shared, 'babi'))

describe.skipIf(!hasShared)(`published data${hasShared ? '' : ' (needs ../shared)'}`, () => {
  const instances = { question: 'instruction', input: 'instances.0.input', answer: 'instances.0.output' }
  test.each<[string, ImportFormatName, ImportOptions, { read: number; rows: number; refused: Record<string, number> }]>(
    [
      ['gsm8k_train_alpaca.json', 'alpaca', {}, { read: 7473, rows: 7473, refused: {} }],
      [
        'gsm8k_test.jsonl',
        'jsonl',
        { columns: { question: 'question', answer: 'answer' } },
        { read: 1319, rows: 1319, refused: {} },
      ],
      ['self_instruct_seed_tasks.jsonl', 'jsonl', { columns: instances }, { read: 175, rows: 175, refused: {} }],
      ['xquad.en.json', 'squad', {}, { read: 1190, rows: 240, refused: {} }],
      ['babi', 'babi', {}, { read: 8000, rows: 1600, refused: {} }],
      ['wikitablequestions-sample', 'wikitablequestions', {}, { read: 300, rows: 263, refused: {} }],
      ['irc-disentanglement/train', 'threads', {}, { read: 4220, rows: 105, refused: { 'beyond the window': 42 } }],
      ['irc-disentanglement/dev', 'threads', {}, { read: 2327, rows: 50, refused: { 'beyond the window': 41 } }],
    ],
  )('%s', async (path, format, options, expected) => {
    const { rows, refused, read } = await importDataset(format, join(shared, path), options)
    const kinds: Record<string, number> = {}
    for (const { reason } of refused) {
      const kind = reason.split(':')[0]!
      kinds[kind] = (kinds[kind] ?? 0) + 1
    }
    expect({ read, rows: rows.length, refused: kinds }).toEqual(expected)
    expect(countQuestions(rows) + refused.length).toBe(read)
    for (const row of rows) expect(() => checkRow(row, { file: path, row: 1 })).not.toThrow()
  })

  test('WikiTableQuestions: CSV and TSV of all 263 tables hold the same', () => {
    const folder = join(shared, 'wikitablequestions-sample/csv')
    const tables = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.csv'))
    expect(tables).toHaveLength(263)
    // The TSV files collapse spaces.
    const plain = (rows: string[][]) => rows.map((row) => row.map((cell) => cell.replace(/\s+/g, ' ').trim()))
    for (const path of tables) {
      const file = join(folder, path)
      const tsv = splitTsv(readFileSync(file.replace(/csv$/, 'tsv'), 'utf8')).map((row) => row.map(unescapeTsv))
      const csv = parseCsv(readFileSync(file, 'utf8'), path, { backslashQuotes: true }).map(({ cells }) => cells)
      expect(plain(csv), path).toEqual(plain(tsv))
    }
  })
})
