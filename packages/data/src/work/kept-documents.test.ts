// Documents that are read from disk one by one: contexts are those of documents in memory, and a stop costs what was being read.
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { documents, questions } from '../../test/raft-build'
import { documentsDigest } from '../documents/digest'
import { keepDocuments, readDocuments, type KeptDocuments } from '../documents/read-documents'
import { buildRaft, buildRaftWith, type RaftOptions } from '../raft/build'
import { openBm25 } from '../retrieval/retrievers'
import { loadTokenizer } from '../rows/files'
import type { Tokenizer } from '../tokenizer/tokenizer'
import { openRaftWork } from './raft-work'
import { WorkFolder } from './work-folder'

let [dir, tokenizer]: [string, Tokenizer] = ['', undefined as never]
const path = (name: string) => join(dir, name)
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'jora-documents-'))
  tokenizer = await loadTokenizer(join(import.meta.dirname, '../../../../apps/cli/assets/tiny-llama'))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

test('contexts of documents, chunks and words that are on disk are those that are made in memory', async () => {
  const docs = path('on-disk')
  mkdirSync(docs)
  for (const [i, { id }] of documents.entries()) {
    const { text } = documents[i] as { text: string }
    if (i < 20) writeFileSync(join(docs, `${id}.txt`), text)
    else appendFileSync(join(docs, 'rows.jsonl'), `${JSON.stringify({ id, text })}\n`)
  }
  writeFileSync(join(docs, 'table.csv'), 'place,code\nnowhere,x99y9z\n')
  const missing = [
    { question: 'What is the code of place 3?', answer: 'nothing at all', document: 'd3' },
    { question: 'What is nowhere?', answer: 'x99y9z' },
    { question: 'What do people say of place 2?', answer: 'y0z. People like it a lot. The new' },
  ]
  const asked = [...questions, ...missing]
  const options: RaftOptions = { tokenizer, chunkTokens: 48 }
  const wanted = buildRaft(await readDocuments(docs), asked, options)
  expect(wanted.rows.length).toBeGreaterThan(10)
  expect(wanted.refused.map(({ reason }) => reason)).toContainEqual(expect.stringContaining('but whole in no chunk'))
  for (let call = 0; call < 2; call++) {
    const work = await openRaftWork(path('on-disk.jsonl'), { documents: 'd', questions: 'q', tokenizer, options: {} })
    const kept = await keepDocuments(docs, work.read)
    expect(await buildRaftWith(openBm25, kept, asked, { ...options, kept: work })).toEqual(wanted)
    work.close()
  }
})

test('a file of many documents: what was read of it before a stop is not kept twice', async () => {
  const file = path('rows.jsonl.in.jsonl')
  writeFileSync(file, Array.from({ length: 50 }, (_, i) => `${JSON.stringify({ text: `Text ${i}.` })}\n`).join(''))
  const read = async (stopAfter: number) => {
    const work = await WorkFolder.open(path('single.jsonl'), 'a')
    const stop = new AbortController()
    const kept = work.documents()
    let count = 0
    const counted: KeptDocuments = {
      ...kept,
      documents: {
        take: () => kept.documents.take(),
        at: (number) => kept.documents.at(number),
        add(document) {
          kept.documents.add(document)
          if (++count === stopAfter) stop.abort(new Error('enough'))
        },
      },
    }
    try {
      return { documents: [...(await keepDocuments(file, counted, { signal: stop.signal }))], count }
    } finally {
      work.close()
    }
  }
  await expect(read(20)).rejects.toThrow('enough')
  const wanted = await readDocuments(file)
  expect(await read(99)).toEqual({ documents: wanted, count: 30 })
  expect(await read(99)).toEqual({ documents: wanted, count: 0 })
})

test('a file that could not be read, and can be now, begins the work anew', async () => {
  const docs = path('mended')
  mkdirSync(docs)
  for (const name of ['a.txt', 'c.txt']) writeFileSync(join(docs, name), `This is ${name}.`)
  const rows = '{"text": "good"}\n{"text": "whole"}\n'
  // Bytes that are no text, behind what is read at a time.
  writeFileSync(join(docs, 'b.jsonl'), Buffer.concat([Buffer.from(rows.repeat(20_000)), Buffer.from([0xff, 0xff])]))
  const read = async () => {
    const work = await openRaftWork(path('mended.jsonl'), { documents: 'd', questions: 'q', tokenizer, options: {} })
    const skipped: string[] = []
    try {
      const found = await keepDocuments(docs, work.read, { onSkipped: ({ reason }) => void skipped.push(reason) })
      const old = work.golden.take()
      work.golden.add(1)
      return { ids: [...found].map(({ id }) => id), old, skipped: skipped.length }
    } finally {
      work.close()
    }
  }
  const before = await readDocuments(docs, { onSkipped: () => {} })
  const ids = before.map(({ id }) => id)
  expect(ids).toEqual(['a', 'c'])
  expect(await read()).toEqual({ ids, old: undefined, skipped: 1 })
  expect(await read()).toEqual({ ids, old: 1, skipped: 1 })
  writeFileSync(join(docs, 'b.jsonl'), rows)
  expect(await read()).toEqual({ ids: ['a', 'b/1', 'b/2', 'c'], old: undefined, skipped: 0 })
})

test('documents: files that are read already are not read again, but for those that could not be', async () => {
  const docs = path('docs')
  mkdirSync(docs)
  for (const name of ['a.txt', 'b.txt', 'd.txt']) writeFileSync(join(docs, name), `This is ${name}.`)
  writeFileSync(join(docs, 'c.docx'), 'no archive')
  const before = await documentsDigest(docs)
  const read = async (stopAfter: number) => {
    const work = await WorkFolder.open(path('read.jsonl'), before)
    const stop = new AbortController()
    const seen: number[][] = []
    try {
      const found = await keepDocuments(docs, work.documents(), {
        signal: stop.signal,
        onSkipped: () => {},
        onProgress(done, _total, earlier) {
          seen.push([done, earlier])
          if (done === stopAfter) stop.abort(new Error('enough'))
        },
      }).catch(() => [])
      return { seen, ids: [...found].map(({ id }) => id) }
    } finally {
      work.close()
    }
  }
  expect((await read(3)).seen).toEqual([
    [1, 0],
    [2, 0],
    [3, 0],
  ])
  writeFileSync(join(docs, 'a.txt'), 'Something else.')
  const { seen, ids } = await read(9)
  // c.docx is looked at again.
  expect(seen.map(([, earlier]) => earlier)).toEqual([1, 2, 2, 2])
  expect(ids).toEqual(['a', 'b', 'd'])
  expect(await documentsDigest(docs)).not.toBe(before)
})
