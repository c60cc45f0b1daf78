// Preferences: the rows that are read, and the trees that they become.
import { describe, expect, test } from 'vitest'
import { llamaLike } from '../../test/tiny-tokenizers'
import { checkJudged, checkPair, parseTokenizer, prepareJudged, preparePairs, treeOfTwo } from '../index'

const origin = { file: 'rows.json', row: 3 }
const messages = (...texts: string[]) =>
  texts.map((content, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content }))

describe('rows', () => {
  test('of texts, with a prompt, an instruction, or what both answers begin with', () => {
    const pair = checkPair({ prompt: 'p', chosen: 'a', rejected: 'b', split: 'test' }, origin)
    expect(pair.chosen).toMatchObject({ prompt: 'p', completion: 'a', split: 'test' })
    expect(pair.rejected).toMatchObject({ prompt: 'p', completion: 'b' })
    expect(checkPair({ instruction: 'i', input: 'x', chosen: 'a', rejected: 'b' }, origin).rejected).toMatchObject({
      instruction: 'i',
      input: 'x',
      output: 'b',
    })
    const implicit = checkPair({ chosen: 'Q: is it? A: yes', rejected: 'Q: is it? A: no' }, origin)
    expect(implicit.chosen).toMatchObject({ prompt: 'Q: is it? A:', completion: ' yes' })
    expect(implicit.rejected).toMatchObject({ prompt: 'Q: is it? A:', completion: ' no' })
  })

  test('of conversations, whole or after a prompt', () => {
    const [asked, good, bad] = [messages('q'), messages('q', 'yes').slice(1), messages('q', 'no').slice(1)]
    const after = checkPair({ prompt: asked, chosen: good, rejected: bad }, origin)
    const whole = checkPair({ chosen: messages('q', 'yes'), rejected: messages('q', 'no') }, origin)
    expect(after).toEqual(whole)
    expect(after.rejected).toMatchObject({ messages: messages('q', 'no') })
    expect(checkJudged({ prompt: asked, completion: good, label: false }, origin)).toMatchObject({
      isGood: false,
      row: { messages: messages('q', 'yes') },
    })
  })

  test.each([
    [{ prompt: 'p', chosen: 'a' }, 'rejected', /got nothing; expected text or a list of messages/],
    [{ prompt: 'p', chosen: 3, rejected: 'b' }, 'chosen', /expected text or a list of messages/],
    [{ prompt: 3, chosen: 'a', rejected: 'b' }, 'prompt', /prompt/],
  ])('%j is refused', (row, key, message) => {
    expect(() => checkPair(row, origin)).toThrow(message)
    expect(() => checkPair(row, origin)).toThrow(key)
    expect(() => checkPair(row, origin)).toThrow(/rows\.json/)
  })
})

describe('samples', () => {
  const tokenizer = parseTokenizer({ 'tokenizer.json': JSON.stringify(llamaLike()) }, 'tiny')
  const options = {
    tokenizer,
    template: 'none',
    maxSeqLength: 64,
    onOverflow: 'error',
    split: 1,
    seed: 1,
    vocabSize: tokenizer.vocabSize,
  } as const
  const pairs = ['one', 'two', 'three'].map((word, i) =>
    checkPair({ prompt: `Say ${word}.`, chosen: word, rejected: `not ${word}` }, { file: 'f', row: i + 1 }),
  )

  test('a pair is a tree: the prompt once, both answers from where they part, learned', () => {
    const { train, statistics } = preparePairs(pairs, options)
    expect(train.map(({ sign, row }) => [sign, row])).toEqual([
      [1, 1],
      [1, 2],
      [1, 3],
    ])
    const { ids, labels, branches, contextLength } = train[0]!
    const [first, second] = branches!
    expect([first!.contextLength, second!.contextLength]).toEqual([contextLength, contextLength])
    const text = (from: number, to?: number) =>
      tokenizer.decode([...ids.subarray(from, to)], { skipSpecialTokens: true })
    expect(text(0, first!.start).trim()).toBe('Say one.')
    expect(text(first!.start, second!.start).trim()).toBe('one')
    expect(text(second!.start).trim()).toBe('not one')
    labels.forEach((label, t) => expect(label).toBe(t < contextLength! ? -100 : ids[t]))
    expect(statistics.tokens).toBeLessThan(statistics.separateTokens)
  })

  test('of judged answers the second is that of the row before', () => {
    const judged = ['one', 'two'].map((word, i) =>
      checkJudged({ prompt: `Say ${word}.`, completion: word, label: i === 0 }, { file: 'f', row: i + 1 }),
    )
    const { train } = prepareJudged(judged, options)
    const second = ({ ids, branches }: (typeof train)[number]) =>
      tokenizer.decode([...ids.subarray(branches![1]!.start)], { skipSpecialTokens: true }).trim()
    expect(train.map((sample) => [sample.sign, second(sample)])).toEqual([
      [1, 'two'],
      [-1, 'one'],
    ])
  })

  test('too long ones are named, left out or cut; the same prompt stays on one side', () => {
    expect(() => preparePairs(pairs, { ...options, maxSeqLength: 3 })).toThrow(/exceed --max-seq-length 3/)
    const lengths = preparePairs(pairs, options).train.map(({ ids, branches, contextLength }) => {
      const { start } = branches![1]!
      return Math.max(start, contextLength! + ids.length - start)
    })
    const short = Math.min(...lengths)
    const dropped = preparePairs(pairs, { ...options, maxSeqLength: short, onOverflow: 'drop' })
    expect(dropped.statistics.dropped).toBe(lengths.filter((length) => length > short).length)
    expect(dropped.statistics.dropped).toBeGreaterThan(0)
    const twice = [
      ...pairs,
      ...pairs.map(({ chosen, rejected }) => ({ chosen: { ...rejected }, rejected: { ...chosen } })),
    ]
    const { train, heldOut } = preparePairs(twice, { ...options, split: 0.6 })
    expect(heldOut.length % 2).toBe(0)
    expect(train.length + heldOut.length).toBe(6)
  })

  test('answers share no token that either learns', () => {
    const sample = (learned: number) => ({
      ids: Int32Array.of(1, 5, 6, 7),
      labels: Int32Array.of(-100, -100, -100, 7)
        .fill(-100, 0, learned)
        .map((label, t) => (t < learned ? -100 : [1, 5, 6, 7][t]!)),
      row: 0,
    })
    expect(treeOfTwo(sample(2), sample(3)).contextLength).toBe(2)
  })
})
