// Work that is stopped at any moment: the next call goes on behind what was done, and what comes of it is the same.
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadTokenizer } from '../rows/files'
import { documents, questions } from '../../test/raft-build'
import { buildRaft, buildRaftWith, type RaftOptions, type RaftWork } from '../raft/build'
import { Random } from '../random'
import { openBm25 } from '../retrieval/retrievers'
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
    const count = (name: keyof typeof made) => {
      made[name]++
      if (made.chunks + made.index + made.golden + made.rows >= stopAfter) stop.abort(new Error('enough'))
    }
    const counted = <T>(name: keyof typeof made, kept: Kept<T>): Kept<T> => ({
      take: () => kept.take(),
      add(result) {
        kept.add(result)
        count(name)
      },
      at: (number) => kept.at(number),
    })
    const { chunks, index } = work
    const kept: RaftWork = {
      chunks,
      cuts: counted('chunks', work.cuts),
      index: {
        whole: (texts) => index.whole(texts),
        take: () => index.take(),
        add(part) {
          index.add(part)
          count('index')
        },
        join: () => index.join(),
      },
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
