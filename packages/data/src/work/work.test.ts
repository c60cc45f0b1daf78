// Work that is stopped at any moment: the next call goes on behind what was done, and what comes of it is the same.
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadTokenizer } from '../rows/files'
import { documents, questions } from '../../test/raft-build'
import { documentsDigest } from '../documents/digest'
import { readDocuments } from '../documents/read-documents'
import { buildRaft, buildRaftWith, type RaftOptions } from '../raft/build'
import { Random } from '../random'
import { openBm25 } from '../retrieval/retrievers'
import { TermIndex } from '../retrieval/term-index'
import type { Tokenizer } from '../tokenizer/tokenizer'
import type { Kept } from './kept'
import { openRaftWork } from './raft-work'
import { WorkFolder } from './work-folder'

let [dir, tokenizer]: [string, Tokenizer] = ['', undefined as never]
const path = (name: string) => join(dir, name)
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'jora-work-'))
  tokenizer = await loadTokenizer(join(import.meta.dirname, '../../../../apps/cli/assets/tiny-llama'))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** All results that are left of a stage. */
const all = <T>(kept: Kept<T>): T[] => {
  const results: T[] = []
  for (let next = kept.take(); next !== undefined; next = kept.take()) results.push(next)
  return results
}

test('results come back in their order, whatever a kill left of the last one', async () => {
  const first = await WorkFolder.open(path('out.jsonl'), 'a')
  expect(first.found).toBe('nothing')
  const stage = first.stage<string>('words')
  expect(stage.take()).toBeUndefined()
  for (const word of ['one', 'zwölf', 'three\n', '四']) stage.add(word)
  first.close()
  const file = path('.out.jsonl.work/words.jsonl')
  // In the middle of a character of three bytes.
  truncateSync(file, readFileSync(file).length - 5)

  const second = await WorkFolder.open(path('out.jsonl'), 'a')
  expect(second.found).toBe('same')
  const again = second.stage<string>('words')
  expect(all(again)).toEqual(['one', 'zwölf', 'three\n'])
  again.add('vier')
  second.close()
  // Another process that did the same at the same time, and lines that are none.
  appendFileSync(file, '[2,"three\\n"]\n[9,"later"]\nnull\n[4,"five"]\n{"a":')
  const third = await WorkFolder.open(path('out.jsonl'), 'a')
  expect(all(third.stage('words'))).toEqual(['one', 'zwölf', 'three\n', 'vier', 'five'])
  third.close()

  const other = await WorkFolder.open(path('out.jsonl'), 'b')
  expect(other.found).toBe('other')
  expect(all(other.stage('words'))).toEqual([])
  await other.remove()
  expect(existsSync(path('.out.jsonl.work'))).toBe(false)
})

test('results that are longer than what is read at a time, and one that cannot be written', async () => {
  const long = ['x'.repeat(3_000_000), 'ü'.repeat(1_500_000), '']
  const work = await WorkFolder.open(path('long.jsonl'), 'a')
  const stage = work.stage<unknown>('texts')
  for (const text of long) stage.add(text)
  const circle: unknown[] = []
  circle.push(circle)
  stage.add(circle)
  stage.add('behind it')
  work.close()
  const again = await WorkFolder.open(path('long.jsonl'), 'a')
  expect(all(again.stage('texts'))).toEqual(long)
  await again.remove()
})

test('contexts: stopped at ten moments, the rows are those of an unbroken call, and no result is made twice', async () => {
  const options: RaftOptions = { tokenizer, chunkTokens: 48 }
  const whole = buildRaft(documents, questions, options)
  const groups = new Set(whole.rows.map((row) => row.questions[0]!.golden![0])).size
  const made = { chunks: 0, index: 0, golden: 0, rows: 0 }
  const total = documents.length + 1 + questions.length + groups
  const random = new Random(7)
  const moments = Array.from({ length: 10 }, () => 1 + random.below(total - 10)).sort((a, b) => a - b)

  /** One call, which is stopped once so many results are made in all. */
  async function call(stopAfter: number) {
    const inputs = { documents: 'd', questions: 'q', tokenizer, options: { chunkTokens: 48 } }
    const work = await openRaftWork(path('rows.jsonl'), inputs)
    const stop = new AbortController()
    const counted = <T>(name: keyof typeof made, kept: Kept<T>): Kept<T> => ({
      take: () => kept.take(),
      add(result) {
        kept.add(result)
        made[name]++
        if (made.chunks + made.index + made.golden + made.rows >= stopAfter) stop.abort(new Error('enough'))
      },
    })
    const kept = {
      chunks: counted('chunks', work.chunks),
      index: counted('index', work.index),
      golden: counted('golden', work.golden),
      rows: counted('rows', work.rows),
    }
    try {
      return await buildRaftWith(openBm25, documents, questions, { ...options, kept, signal: stop.signal })
    } finally {
      work.close()
    }
  }
  let stopped = 0
  for (const moment of moments)
    await call(moment).catch((error: Error) => (stopped += Number(error.message === 'enough')))
  expect(stopped).toBe(10)
  expect(await call(Infinity)).toEqual(whole)
  expect(made).toEqual({ chunks: documents.length, index: 1, golden: questions.length, rows: groups })
})

test('stopped while words are indexed, the next call goes on behind the parts that are whole', async () => {
  const many = Array.from({ length: 20_100 }, (_, i) => ({ id: `d${i}`, text: `word${i % 997} and ${i}` }))
  const asked = [{ question: 'What is beside word7?', answer: '7', document: 'd7' }]
  const options: RaftOptions = { tokenizer, chunkTokens: 48, distractors: 2 }
  const call = async (stopAt?: number) => {
    const work = await openRaftWork(path('many.jsonl'), { documents: 'd', questions: 'q', tokenizer, options: {} })
    const stop = new AbortController()
    const earlier = new Set<number>()
    const onProgress: RaftOptions['onProgress'] = (done, _total, stage, before) => {
      if (stage !== 'index') return
      earlier.add(before)
      if (done === stopAt) stop.abort(new Error('enough'))
    }
    try {
      const run = { ...options, kept: work, onProgress, signal: stop.signal }
      return { made: await buildRaftWith(openBm25, many, asked, run), earlier: [...earlier] }
    } finally {
      work.close()
    }
  }
  await expect(call(12_000)).rejects.toThrow('enough')
  const { made, earlier } = await call()
  expect(earlier).toEqual([10_000])
  expect(made).toEqual(buildRaft(many, asked, options))
})

test('an index comes back as it was, or not at all', async () => {
  const texts = documents.map((each) => ('text' in each ? each.text : '')).concat('Ünïcode 東京 x\ud800y')
  const made = TermIndex.of(texts, texts.length)
  let step = made.next()
  while (step.done !== true) step = made.next()
  const work = await WorkFolder.open(path('indexed.jsonl'), 'a')
  expect(work.index('index').take()).toBeUndefined()
  work.index('index').add(step.value.parts)
  const again = new TermIndex(work.index('index').take()!)
  expect(again.parts).toEqual(step.value.parts)
  for (const word of ['river', 'ünïcode', '東', 'nothing'])
    expect(again.postings(word)).toEqual(step.value.postings(word))
  const file = path('.indexed.jsonl.work/index-0')
  truncateSync(file, readFileSync(file).length - 2)
  expect(work.index('index').take()).toBeUndefined()
  writeFileSync(file, new Uint8Array(500))
  expect(work.index('index').take()).toBeUndefined()
  await work.remove()
})

test('an index is joined from parts as if it had been made in one go, whichever of them were kept', async () => {
  const random = new Random(3)
  const texts = Array.from({ length: 57 }, () =>
    Array.from({ length: random.below(40) }, () => `w${random.below(60)}`).join(' '),
  )
  const partsOf = (some: readonly string[]) => {
    const steps = TermIndex.of(some, some.length)
    let step = steps.next()
    while (step.done !== true) step = steps.next()
    return step.value.parts
  }
  const parts = [texts.slice(0, 20), texts.slice(20, 21), texts.slice(21)].map(partsOf)
  expect(TermIndex.joined(parts).parts).toEqual(partsOf(texts))
  const work = await WorkFolder.open(path('parts.jsonl'), 'a')
  const first = work.index('index')
  for (const part of parts) first.add(part)
  writeFileSync(path('.parts.jsonl.work/index-1'), 'cut')
  const second = work.index('index')
  expect(second.take()).toEqual(parts[0])
  expect(second.take()).toBeUndefined()
  second.add(parts[1]!)
  expect(second.take()).toEqual(parts[2])
  expect(second.take()).toBeUndefined()
  await work.remove()
})

test('other documents, questions, settings or tokens are other work', async () => {
  const open = async (change: object) => {
    const inputs = { documents: 'd', questions: 'q', tokenizer, options: { seed: 1, split: 0.5 }, ...change }
    const work = await openRaftWork(path('same.jsonl'), inputs)
    work.close()
    return work.found
  }
  expect(await open({})).toBe('nothing')
  expect(await open({ options: { split: 0.5, seed: 1 } })).toBe('same')
  const otherWords: Tokenizer = { ...tokenizer, vocabSize: tokenizer.vocabSize, idToToken: (id) => `${id}` }
  const otherCuts: Tokenizer = { ...otherWords, idToToken: tokenizer.idToToken.bind(tokenizer), encode: () => [1] }
  for (const change of [
    { documents: 'e' },
    { questions: 'r' },
    { options: { seed: 2, split: 0.5 } },
    { tokenizer: otherWords },
    { tokenizer: otherCuts },
  ]) {
    expect(await open(change), Object.keys(change).join()).toBe('other')
    await open({})
  }
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
      const found = await readDocuments(docs, {
        kept: work.stage('files'),
        signal: stop.signal,
        onSkipped: () => {},
        onProgress(done, _total, earlier) {
          seen.push([done, earlier])
          if (done === stopAfter) stop.abort(new Error('enough'))
        },
      }).catch(() => [])
      return { seen, ids: found.map(({ id }) => id) }
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
