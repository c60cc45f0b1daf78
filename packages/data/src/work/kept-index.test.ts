// The index of words on disk: what is found in it is what one in memory finds, however its parts came to be.
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { documents } from '../../test/raft-build'
import { Random } from '../random'
import { IndexInMemory } from '../retrieval/index-in-memory'
import { Bm25Index, indexing } from '../retrieval/lexical'
import { TermIndex, type IndexParts } from '../retrieval/term-index'
import { WorkFolder } from './work-folder'

let dir = ''
const path = (name: string) => join(dir, name)
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'jora-index-'))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** The index of texts in memory, and what it is made of. */
function indexed(texts: readonly string[]): { parts: IndexParts; index: TermIndex } {
  const parts = ended(TermIndex.of(texts, texts.length))
  return { parts, index: new TermIndex(parts) }
}

function ended<T>(steps: Generator<unknown, T, unknown>): T {
  let step = steps.next()
  while (step.done !== true) step = steps.next()
  return step.value
}

/** Words and pieces of words, which two indexes must have the same texts for. */
function expectSame(made: TermIndex, wanted: TermIndex, words: readonly string[]): void {
  expect(made.lengths).toEqual(wanted.lengths)
  expect(made.meanLength).toBe(wanted.meanLength)
  for (const word of words) {
    expect(made.postings(word), word).toEqual(wanted.postings(word))
    for (const needle of [word, word.slice(1), word.slice(0, 2), `${word} ${words[0]}`])
      expect(made.holding(needle, true), needle).toEqual(wanted.holding(needle, true))
  }
}

test('an index comes back as it was, or not at all', async () => {
  const texts = documents.map((each) => ('text' in each ? each.text : '')).concat('Ünïcode 東京 x\ud800y 𐐨𐐩 ﬂuß')
  const { parts, index } = indexed(texts)
  const words = ['river', 'ünïcode', '東', '𐐨𐐩', 'fluss', 'nothing', 'x', '12']
  const work = await WorkFolder.open(path('indexed.jsonl'), 'a')
  const first = work.index('index')
  expect([first.whole(texts.length), first.take()]).toEqual([undefined, false])
  first.add(parts)
  expectSame(ended(first.join()), index, words)
  expect(readdirSync(path('.indexed.jsonl.work')).filter((name) => name.startsWith('index'))).toEqual(['index'])
  expect(work.index('index').whole(texts.length + 1)).toBeUndefined()
  expectSame(work.index('index').whole(texts.length)!, index, words)
  const file = path('.indexed.jsonl.work/index')
  truncateSync(file, readFileSync(file).length - 2)
  expect(work.index('index').whole(texts.length)).toBeUndefined()
  writeFileSync(file, new Uint8Array(500))
  expect(work.index('index').whole(texts.length)).toBeUndefined()
  await work.remove()
})

test('an index is joined from parts as if it had been made in one go, in files and in memory, whichever of them were kept', async () => {
  const random = new Random(3)
  const texts = Array.from({ length: 57 }, (_, i) =>
    Array.from({ length: i === 20 ? 0 : random.below(40) }, () => `w${random.below(60)}`).join(' '),
  )
  const words = Array.from({ length: 60 }, (_, i) => `w${i}`)
  const { index } = indexed(texts)
  const parts = [texts.slice(0, 20), texts.slice(20, 21), texts.slice(21)].map((some) => indexed(some).parts)
  const inMemory = new IndexInMemory()
  for (const part of parts) inMemory.add(part)
  expectSame(ended(inMemory.join()), index, words)
  const work = await WorkFolder.open(path('parts.jsonl'), 'a')
  const first = work.index('index')
  for (const part of parts) first.add(part)
  writeFileSync(path('.parts.jsonl.work/index-1'), 'cut')
  const second = work.index('index')
  expect([second.take(), second.take()]).toEqual([true, false])
  second.add(parts[1]!)
  expect([second.take(), second.take()]).toEqual([true, false])
  expectSame(ended(second.join()), index, words)
  await work.remove()
})

test('searches in an index on disk have the texts and scores of one in memory, where there is no room for it too', async () => {
  const random = new Random(5)
  const word = () => `w${Math.floor(400 ** (random.below(1000) / 1000))}`
  const texts = Array.from({ length: 3000 }, (_, i) => ({
    id: `t${i}`,
    text: Array.from({ length: 5 + random.below(60) }, word).join(' '),
  }))
  const wanted = new Bm25Index(texts)
  const queries = Array.from({ length: 40 }, () => Array.from({ length: 1 + random.below(8) }, word).join(' '))
  const work = await WorkFolder.open(path('searched.jsonl'), 'a')
  for (const name of ['index', 'nowhere/index']) {
    const kept = work.index(name)
    for (let from = 0; from < texts.length; from += 700) {
      const some = texts.slice(from, from + 700)
      kept.add(ended(indexing(some, some.length)))
    }
    const found = new Bm25Index(texts, { index: ended(kept.join()) })
    for (const query of queries) {
      expect(found.search(query), query).toEqual(wanted.search(query))
      expect([...found.rankAmong(query, [5, 2999, 17, 1500])]).toEqual([
        ...wanted.rankAmong(query, [5, 2999, 17, 1500]),
      ])
    }
  }
  await work.remove()
})
