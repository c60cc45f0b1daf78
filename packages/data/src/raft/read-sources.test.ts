// Reading documents and questions: folders, files, and the exact words of every error.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseDocuments } from './documents'
import { parseQuestions } from './questions'
import { readDocuments, readQuestions } from './read-sources'

let root: string
beforeAll(async () => void (root = await mkdtemp(join(tmpdir(), 'jora-raft-'))))
afterAll(() => rm(root, { recursive: true, force: true }))

async function put(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(root, name)
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, content)
  return path
}

describe('documents', () => {
  test('a folder: texts and tables to its depths, sorted, called by their paths', async () => {
    await put('docs/b.md', '# B\r\n')
    await put('docs/a/z.v2.txt', '\uFEFFz')
    await put('docs/a/t.csv', 'x,y\n1,"2,3"\n')
    await put('docs/a/u.tsv', 'x\ty\n1\t"2"\n')
    await put('docs/a/picture.png', '')
    await put('docs/.git/config.txt', 'no')
    const found = await readDocuments(join(root, 'docs'))
    expect(found.map(({ origin: _origin, ...document }) => document)).toEqual([
      { id: 'a/t', table: { header: ['x', 'y'], rows: [['1', '2,3']] } },
      { id: 'a/u', table: { header: ['x', 'y'], rows: [['1', '"2"']] } },
      { id: 'a/z.v2', text: 'z' },
      { id: 'b', text: '# B\r\n' },
    ])
    expect(found[3]!.origin).toEqual({ file: join(root, 'docs/b.md') })
  })

  test('one file is one document, or a row each', async () => {
    expect(await readDocuments(await put('t.CSV', 'x\n1'))).toMatchObject([{ id: 't', table: { rows: [['1']] } }])
    const path = await put(
      'docs.json',
      '[{"id": "a", "title": "A", "text": "x", "split": "dev"}, {"id": null, "text": ""}]',
    )
    expect(await readDocuments(path)).toEqual([
      { id: 'a', title: 'A', text: 'x', split: 'test', origin: { file: path, row: 1 } },
      { id: '2', text: '', origin: { file: path, row: 2 } },
    ])
  })

  test('nothing there, nothing in it, nothing to read it by', async () => {
    await mkdir(join(root, 'empty'))
    const problems: Record<string, string> = {
      none: 'no such file or folder',
      empty: 'holds no file that ends in .txt, .md, .csv or .tsv',
      'x.pdf': 'got a file that ends in ".pdf"; expected .txt, .md, .csv, .tsv, .json or .jsonl, or a folder',
      'latin.txt': 'is not UTF-8 text',
      'blank.jsonl': 'holds no documents',
    }
    await put('x.pdf', '')
    await put('latin.txt', Uint8Array.of(0xe9))
    await put('blank.jsonl', '\n')
    for (const [name, problem] of Object.entries(problems))
      await expect(readDocuments(join(root, name))).rejects.toThrow(`${join(root, name)}: ${problem}`)
  })

  test.each<[string, string]>([
    ['[{"text": 3}]', 'f: row 1: "text": got the number 3; expected a string'],
    ['{"text": "a"}\n\n{"id": 7, "text": "a"}', 'f: row 2: "id": got the number 7; expected a string'],
    ['{"text": "a", "split": "valid"}', 'f: row 1: "split": got the string "valid"; expected train or test'],
    [
      '{"text": "a", "split": "constructor"}',
      'f: row 1: "split": got the string "constructor"; expected train or test',
    ],
    ['["a"]', 'f: row 1: got the string "a"; expected an object'],
    ['{"text": "a"}\n{"text": }', 'f: line 2: broken JSON: unexpected "}"'],
    ['[]', 'f: holds no documents'],
  ])('%s', (text, message) => {
    expect(() => parseDocuments(text, 'f')).toThrow(message)
  })
})

describe('questions', () => {
  test('all keys, and only the needed ones', async () => {
    const full = { question: 'q', answer: 'a', answers: ['a', 'b'], document: 'd', quote: 'c', id: 'i' }
    const path = await put('q.jsonl', `${JSON.stringify(full)}\n{"question": "q", "answer": "a", "quote": null}\n`)
    expect(await readQuestions(path)).toEqual([
      { ...full, origin: { file: path, row: 1 } },
      { question: 'q', answer: 'a', origin: { file: path, row: 2 } },
    ])
    await expect(readQuestions(root)).rejects.toThrow(`${root}: is a folder; expected a file`)
    await expect(readQuestions(join(root, 'none'))).rejects.toThrow('none: no such file')
  })

  test.each<[string, string]>([
    ['{"question": "q"}', 'f: row 1: "answer": got nothing; expected a string'],
    [
      '{"question": "q", "answer": "a", "answers": ["a", 1]}',
      'f: row 1: "answers": got an array of 2; expected an array of strings',
    ],
    ['{"question": "q", "answer": "a", "document": 4}', 'f: row 1: "document": got the number 4; expected a string'],
    ['', 'f: holds no questions'],
  ])('%s', (text, message) => {
    expect(() => parseQuestions(text, 'f')).toThrow(message)
  })
})
