// Metrics by hand-made cases with known scores, and by every gold answer of the WikiTableQuestions sample.

import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { hasShared, shared } from '../../test/shared'
import { denotationMatch } from './denotation'
import { replyMatch } from './reply'
import { exactMatch, f1, normalizeAnswer, squadExactMatch } from './squad'
import { scoreAnswer, summarizeAnswers } from './summary'

describe('squad', () => {
  test('answers are normalised as SQuAD does it', () => {
    expect(normalizeAnswer('  The  U.S.\tArmy,\nan "other" a-b ')).toBe('us army other ab')
    // Letters that are not ASCII make words too: no article is inside them.
    expect(normalizeAnswer('Thé à Anthem')).toBe('thé à anthem')
  })

  test('exact match is strict but for white space around; the SQuAD one is not', () => {
    expect(exactMatch(' 308\n', ['42', '308'])).toBe(true)
    expect(exactMatch('the 308', ['308'])).toBe(false)
    expect(exactMatch('Paris.', ['Paris'])).toBe(false)
    expect(squadExactMatch('The Paris.', ['paris'])).toBe(true)
    expect(squadExactMatch('Paris', [])).toBe(false)
  })

  test('F1 counts common words as multisets, best answer first', () => {
    expect(f1('the red car', ['red car'])).toBe(1)
    expect(f1('a red red car', ['red car'])).toBeCloseTo(0.8, 12)
    expect(f1('red', ['blue', 'red car'])).toBeCloseTo(2 / 3, 12)
    expect(f1('red', ['blue'])).toBe(0)
    expect(f1('', ['blue'])).toBe(0)
    expect(f1('the', ['an'])).toBe(1)
  })
})

describe('denotation', () => {
  test.each<[string, string, boolean]>([
    ['12467', '12,467', true],
    ['12,467.0', '12467', true],
    ['12,46', '1246', false],
    ['0.1000004', '0.1', true],
    ['0.100002', '0.1', false],
    ['1e3', '1,000', true],
    ['-5', '−5', true],
    ['7', '7 years', false],
    ['7 Years', '7 years', true],
    ['b|a', 'A|B', true],
    ['a', 'a|b', false],
    ['a|a', 'a|b', false],
    ['a|a', 'A', true],
    ['a|b', 'a|a', false],
    ['2|1.0', '1|2', true],
    ['a|b', 'a\\pb', false],
    ['a\\pb', 'A\\pB', true],
    ['Malaga CF', 'Málaga CF', true],
    ['It’s “so”', 'it\'s "so"', true],
    ['1999–2000', '1999-2000', true],
    ['Episode Ten', '"Episode Ten"', true],
    ['"Word"[3] (remix)†', 'word', true],
    ['(the rest)', 'rest', false],
    ['[1]', '', true],
    ['M.D.', 'm.d', true],
    ['2012-02-28', '2012-2-28', true],
    ['xxxx-02-28', 'xx-2-28', true],
    ['2012-02-28', 'xx-2-28', false],
    ['2004-xx-xx', '2004', true],
    ['2012-13-01', '2012-13-1', false],
    ['Bangkok,  Thailand', 'bangkok, thailand', true],
  ])('%j for %j: %j', (prediction, answer, same) => {
    expect(denotationMatch(prediction, answer)).toBe(same)
    expect(denotationMatch(answer, prediction)).toBe(same)
  })

  test('gold answers of WikiTableQuestions match themselves, reversed lists too, and hardly anything else', (ctx) => {
    ctx.skip(!hasShared, 'needs ../shared')
    const folder = `${shared}/data/wikitablequestions-sample/data`
    const golds = readdirSync(folder).flatMap((name) =>
      readFileSync(`${folder}/${name}`, 'utf8')
        .trimEnd()
        .split('\n')
        .slice(1)
        .map((line) => line.split('\t')[3]!),
    )
    expect(golds.length).toBe(300)
    expect(golds).toContain('12,467')
    for (const gold of golds) {
      expect(denotationMatch(gold, gold)).toBe(true)
      expect(denotationMatch(gold.split('|').reverse().join('|'), gold)).toBe(true)
    }
    const distinct = [...new Set(golds)]
    const confused = distinct.filter((gold) => distinct.some((other) => other !== gold && denotationMatch(other, gold)))
    expect(confused).toEqual([])
  })
})

describe('reply', () => {
  const answers = ['#1003 answers #1001', '#1003 answers #999']
  test.each<[string, readonly string[], boolean, boolean]>([
    ['#1003 answers #999', answers, true, true],
    ['#1003  answers #1001.', answers, true, true],
    ['#1003 answers #1002', answers, true, false],
    ['#1003 starts a conversation', answers, true, false],
    ['#1003', answers, true, false],
    ['#1004 answers #1001', answers, false, true],
    ['#10030 answers #10010', answers, false, false],
    ['1003 answers #1001', answers, false, false],
    ['#7 starts a conversation', ['#7 starts a conversation'], true, true],
    ['#8 starts a conversation', ['#7 starts a conversation'], false, true],
  ])('%j for %j', (prediction, right, target, reply) => {
    expect(replyMatch(prediction, right)).toEqual({ target, reply })
  })
})

describe('summary', () => {
  test('means are over the answers that have the score', () => {
    const link = ['#2 answers #1']
    expect(
      summarizeAnswers([
        scoreAnswer('#2 answers #1', link, 'reply'),
        scoreAnswer('#2 answers #3', link, 'reply'),
        scoreAnswer('#4 answers #1', link, 'reply'),
        scoreAnswer('12467', ['12,467', 'none'], 'denotation'),
      ]),
    ).toEqual({
      answers: 4,
      exactMatch: 0.25,
      // The comma is no word: 12467 is 12,467 to SQuAD.
      f1: (1 + 2 / 3 + 2 / 3 + 1) / 4,
      denotation: 1,
      target: 2 / 3,
      reply: 2 / 3,
      replyGivenTarget: 0.5,
    })
  })

  test('what was not judged is absent', () => {
    expect(summarizeAnswers([scoreAnswer('a', ['b'])])).toEqual({ answers: 1, exactMatch: 0, f1: 0 })
    expect(summarizeAnswers([scoreAnswer('#4 answers #1', ['#2 answers #1'], 'reply')])).not.toHaveProperty(
      'replyGivenTarget',
    )
    expect(summarizeAnswers([])).toEqual({ answers: 0 })
  })
})
