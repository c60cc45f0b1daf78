// Reading documents and questions: folders, files, and the exact words of every error.

import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseDocuments } from '../raft/documents'
import { parseQuestions } from '../raft/questions'
import { blocksText } from './blocks'
import { readDocuments, readQuestions } from './read-documents'

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
      { id: 'b', blocks: [{ kind: 'heading', level: 1, text: 'B' }] },
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
      empty:
        'holds no file that ends in .txt, .text, .rst, .adoc, .org, .md, .markdown, .mdx, .html, .htm, .xhtml, .pdf, .docx, .docm, .pptx, .pptm, .epub, .csv, .tsv, .tab, .xlsx, .xlsm, .json, .jsonl, .ndjson or .parquet',
      'x.rtf':
        'got a file that ends in ".rtf"; expected .txt, .text, .rst, .adoc, .org, .md, .markdown, .mdx, .html, .htm, .xhtml, .pdf, .docx, .docm, .pptx, .pptm, .epub, .csv, .tsv, .tab, .xlsx, .xlsm, .json, .jsonl, .ndjson or .parquet, or a folder (RTF is not read; save it as .docx)',
      'latin.txt': 'is not UTF-8 text',
      'blank.jsonl': 'holds no documents',
    }
    await put('x.rtf', '')
    await put('latin.txt', Uint8Array.of(0xe9))
    await put('blank.jsonl', '\n')
    for (const [name, problem] of Object.entries(problems))
      await expect(readDocuments(join(root, name))).rejects.toThrow(`${join(root, name)}: ${problem}`)
  })

  test('a folder as people have it: what is read, and what is skipped with the reason', async () => {
    await put('mixed/CUBA.TXT', 'Havana')
    await put('mixed/fiji.markdown', 'Suva')
    await put('mixed/more.jsonl', '{"id":"m","text":"Bamako"}\n{"text":"Lome"}\n{"title":"no text"}\n')
    await put('mixed/questions.json', '[{"question":"q","answer":"a"}]')
    await put('mixed/report.pdf', '%PDF-1.4')
    await put('mixed/same.md', 'one')
    await put('mixed/same.txt', 'two')
    await put('mixed/sub/iran.rst', 'Tehran')
    await put('other/oman.txt', '\uFEFFMuscat')
    await symlink('../../other', join(root, 'mixed/sub/linked'))
    await symlink('..', join(root, 'mixed/sub/loop'))
    const skipped: unknown[] = []
    const found = await readDocuments(join(root, 'mixed'), { onSkipped: (each) => void skipped.push(each) })
    expect(
      found.map((each) => [each.id, 'text' in each ? each.text : 'blocks' in each ? blocksText(each.blocks) : '']),
    ).toEqual([
      ['CUBA', 'Havana'],
      ['fiji', 'Suva'],
      ['m', 'Bamako'],
      ['more/2', 'Lome'],
      ['same.md', 'one'],
      ['same.txt', 'two'],
      ['sub/iran', 'Tehran'],
      ['sub/linked/oman', 'Muscat'],
    ])
    const at = (name: string) => join(root, 'mixed', name)
    expect(skipped).toEqual([
      { file: at('sub/loop'), reason: 'a link to a folder that is read already' },
      { file: at('more.jsonl'), row: 3, reason: 'got nothing; expected a string' },
      { file: at('questions.json'), reason: 'its rows are not documents: got nothing; expected a string' },
      {
        file: at('report.pdf'),
        reason: expect.stringContaining('is not a PDF that can be read') as unknown,
        refused: true,
      },
    ])
    await expect(readDocuments(at('more.jsonl'))).rejects.toThrow('more.jsonl: row 3: ')
  })

  test('a table whose rows leave out cells at their ends', async () => {
    const path = await put(
      'short.csv',
      'version,name,released,ended\n1.1,Buzz,1996-06-17,1997-06-05\n1.2,Rex,1996-12-12\n1.3,Bo,1997-06-05\n',
    )
    expect(await readDocuments(path)).toMatchObject([
      {
        table: {
          rows: [
            ['1.1', 'Buzz', '1996-06-17', '1997-06-05'],
            ['1.2', 'Rex', '1996-12-12', ''],
            ['1.3', 'Bo', '1997-06-05', ''],
          ],
        },
      },
    ])
  })

  test('many files of one folder', async () => {
    for (let i = 0; i < 3000; i++) await put(`many/sub/${i}.txt`, `item ${i}`)
    expect(await readDocuments(join(root, 'many'))).toHaveLength(3000)
  })

  test.each<[string, string, string[], string[][]]>([
    ['semicolons', 't.csv', ['a', 'b'], [['1,5', 'x']]],
    ['tabs in a .csv', 't2.csv', ['a', 'b'], [['1,5', 'x']]],
    ['bars', 't3.csv', ['a', 'b'], [['1', 'x']]],
    ['commas in quotes', 't4.csv', ['a;b', 'c'], [['1;2', 'x,y']]],
    ['quotes in a .tsv', 't5.tsv', ['a', 'b'], [['one\ttwo', 'x']]],
    ['quotes that are text', 't6.tsv', ['a', 'b'], [['"one"', 'x']]],
    ['commas in a .tsv', 't7.tsv', ['a', 'b'], [['1', 'x']]],
    ['sep= of Excel', 't8.csv', ['a,x', 'b'], [['1', '2']]],
    ['UTF-16', 't9.csv', ['ä', 'b'], [['1', '2']]],
    ['one column', 't10.csv', ['a'], [['1;2'], ['3']]],
  ])('a table of %s', async (_, name, header, rows) => {
    const texts: Record<string, string | Uint8Array> = {
      't.csv': '\uFEFFa;b\r\n1,5;x\r\n',
      't2.csv': 'a\tb\n1,5\tx\n',
      't3.csv': 'a|b\n1|x\n',
      't4.csv': 'a;b,c\n1;2,"x,y"\n',
      't5.tsv': 'a\tb\n"one\ttwo"\tx\n',
      't6.tsv': 'a\tb\n"one"\tx\n',
      't7.tsv': 'a,b\n1,x\n',
      't8.csv': 'sep=;\na,x;b\n1;2\n',
      't9.csv': Buffer.from('\uFEFFä;b\n1;2\n', 'utf16le'),
      't10.csv': 'a\n1;2\n3\n',
    }
    const [document] = await readDocuments(await put(`tables/${name}`, texts[name]!))
    expect(document).toMatchObject({ table: { header, rows } })
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
