// Questions of published sets, rows of tables and Parquet, and columns that are called otherwise.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkRow } from '../check-row'
import { parseColumns } from './columns'
import { loadRows } from '../files'

let dir: string
beforeAll(async () => void (dir = await mkdtemp(join(tmpdir(), 'jora-qa-'))))
afterAll(() => rm(dir, { recursive: true, force: true }))

const put = async (name: string, content: string | Uint8Array): Promise<string> => {
  const path = join(dir, name)
  await writeFile(path, content)
  return path
}
const rowOf = (value: unknown) => {
  const { origin: _origin, ...row } = checkRow(value, { file: 'f', row: 1 })
  return row
}

describe('published sets', () => {
  test('SQuAD as JSONL, with and without an answer', () => {
    const squad = {
      id: '1',
      title: 'T',
      context: 'c',
      question: 'q?',
      answers: { text: ['a', 'b', 'a'], answer_start: [0, 1, 0] },
    }
    expect(rowOf(squad)).toEqual({
      context: 'c',
      questions: [{ id: '1', question: 'q?', answer: 'a', answers: ['a', 'b'] }],
    })
    expect(rowOf({ ...squad, answers: { text: [], answer_start: [] } })).toEqual({
      context: 'c',
      questions: [{ id: '1', question: 'q?', answer: 'The documents do not answer this.', golden: [] }],
    })
  })

  test('HotpotQA, as its files and as the Hub have it', () => {
    const expected = {
      context: [
        { id: 'A', title: 'A', text: 'One. Two.' },
        { id: 'B', title: 'B', text: 'Three.' },
      ],
      questions: [{ id: 'x', question: 'q?', answer: 'a', golden: ['B'] }],
    }
    const common = { question: 'q?', answer: 'a' }
    expect(
      rowOf({
        ...common,
        _id: 'x',
        supporting_facts: [['B', 0]],
        context: [
          ['A', ['One.', ' Two.']],
          ['B', ['Three.']],
        ],
      }),
    ).toEqual(expected)
    expect(
      rowOf({
        ...common,
        id: 'x',
        supporting_facts: { title: ['B'], sent_id: [0] },
        context: { title: ['A', 'B'], sentences: [['One.', ' Two.'], ['Three.']] },
      }),
    ).toEqual(expected)
  })

  test('MS MARCO: passages, the selected one, and no answer', () => {
    const marco = {
      query_id: 7,
      query: 'q?',
      answers: ['a'],
      passages: { is_selected: [0, 1], passage_text: ['x', 'y'], url: ['u', 'v'] },
    }
    expect(rowOf(marco)).toEqual({
      context: [
        { id: '1', text: 'x' },
        { id: '2', text: 'y' },
      ],
      questions: [{ id: '7', question: 'q?', answer: 'a', golden: ['2'] }],
    })
    expect(rowOf({ ...marco, answers: ['No Answer Present.'] })).toMatchObject({ questions: [{ golden: [] }] })
  })

  test('context arrays, questions without a context, and what is wrong with them', () => {
    expect(rowOf({ question: 'q?', answer: 5, context: ['x', { text: 'y', title: 'Y' }] })).toEqual({
      context: [
        { id: '1', text: 'x' },
        { id: 'Y', title: 'Y', text: 'y' },
      ],
      questions: [{ question: 'q?', answer: '5' }],
    })
    expect(rowOf({ question: 'q?', answer: 'a', split: 'dev' })).toEqual({
      instruction: 'q?',
      output: 'a',
      split: 'test',
    })
    expect(() => rowOf({ question: 'q?' })).toThrow('f: row 1: "answer": got nothing; expected text')
    expect(() => rowOf({ question: 'q?', answer: 'a', context: [3.5, {}] })).toThrow(
      '"context[1]": got an object; expected a text',
    )
    expect(() => rowOf({ question: ' ', answer: 'a' })).toThrow('"question": got the string " "; expected text')
  })
})

describe('files', () => {
  test('questions on one context share a row; rows that are contexts already stay as they are', async () => {
    const one = (question: string, context: string) => JSON.stringify({ question, context, answer: 'a' })
    const path = await put('squad.jsonl', [one('1', 'c'), one('2', 'c'), one('3', 'd')].join('\n'))
    expect(
      (await loadRows(path)).map((row) => ('questions' in row ? row.questions.map(({ question }) => question) : [])),
    ).toEqual([['1', '2'], ['3']])
    const raft = (question: string) => JSON.stringify({ context: 'c', questions: [{ question, answer: 'a' }] })
    expect(await loadRows(await put('raft.jsonl', [raft('1'), raft('2')].join('\n')))).toHaveLength(2)
  })

  test('CSV by its columns, called as they are or otherwise', async () => {
    const csv = await put('t.csv', 'Frage;Antwort;Text\nWas?;Das;"ein;Text"\nWer?;Er;"ein;Text"\n')
    const columns = parseColumns('question=Frage,answer=Antwort, context=Text')
    expect(await loadRows(csv, { columns })).toEqual([
      {
        context: 'ein;Text',
        questions: [
          { question: 'Was?', answer: 'Das' },
          { question: 'Wer?', answer: 'Er' },
        ],
        origin: { file: csv, row: 2 },
      },
    ])
    await expect(loadRows(csv, { columns: parseColumns('question=Frage,answer=X') })).rejects.toThrow(
      't.csv: row 2: "X": got nothing; expected the answer; the row has "Frage", "Antwort", "Text"',
    )
    expect(await loadRows(await put('u.tsv', 'instruction\toutput\nDo\tDone\n'))).toMatchObject([
      { instruction: 'Do', output: 'Done' },
    ])
  })

  test('Parquet', async () => {
    // Written by pyarrow: question, answer; snappy.
    const file = await put('q.parquet', Buffer.from(parquet, 'base64'))
    expect(await loadRows(file)).toMatchObject([
      { instruction: 'How tall?', output: '56 m' },
      { instruction: 'How old?', output: '848 years' },
    ])
    await expect(loadRows(await put('no.parquet', 'PAR1nothing'))).rejects.toThrow(
      'no.parquet: is not a Parquet file that can be read',
    )
  })

  test('columns that cannot be', () => {
    for (const text of [
      'question=q',
      'question=q,answer=a,question=b',
      'question=q,answer=a,context=c,input=i',
      'x=y,question=q,answer=a',
    ])
      expect(parseColumns(text)).toBeUndefined()
  })
})

const parquet =
  'UEFSMRUEFTIVNkwVBBUAEgAAGWAJAAAASG93IHRhbGw/CAAAAEhvdyBvbGQ/FQAVEhUWLBUEFRAVBhUGHDYAKAlIb3cgdGFsbD8YCEhvdyBvbGQ/EREAAAAJIAIAAAAEAQEDAhUEFSoVLkwVBBUAEgAAFVAEAAAANTYgbQkAAAA4NDggeWVhcnMVABUSFRYsFQQVEBUGFQYcNgAoCTg0OCB5ZWFycxgENTYgbRERAAAACSACAAAABAEBAwIVBBk8NQAYBnNjaGVtYRUEABUMJQIYCHF1ZXN0aW9uJQBMHAAAABUMJQIYBmFuc3dlciUATBwAAAAWBBkcGSwmABwVDBk1AAYQGRgIcXVlc3Rpb24VAhYEFrgBFsABJlomCBw2ACgJSG93IHRhbGw/GAhIb3cgb2xkPxERABksFQQVABUCABUAFRAVAgA8FiIZBhkmAAQAAAAmABwVDBk1AAYQGRgGYW5zd2VyFQIWBBaoARawASaSAibIARw2ACgJODQ4IHllYXJzGAQ1NiBtEREAGSwVBBUAFQIAFQAVEBUCADwWGhkGGSYABAAAABbgAhYEJggW8AIAKCBwYXJxdWV0LWNwcC1hcnJvdyB2ZXJzaW9uIDI2LjAuMRksHAAAHAAAACUBAABQQVIx'
