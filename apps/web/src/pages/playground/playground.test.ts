// Answers as they grow, and questions found in rows of every format.
import { expect, test } from 'vitest'
import type { ChatEvent } from '@jora/gui/client'
import { addChatEvent, noAnswers } from './answers'
import { datasetOf, examplesOf, nameOf } from './examples'

test('two answers grow apart, and end apart', () => {
  const events: ChatEvent[] = [
    { type: 'loading', text: 'reading the model' },
    { type: 'context', documents: [{ index: 2, score: 3 }] },
    { type: 'prompt', text: 'P', tokens: 1 },
    { type: 'token', side: 'base', text: 'Por' },
    { type: 'token', side: 'tuned', text: 'Peru' },
    { type: 'token', side: 'base', text: 'tuguese' },
    { type: 'done', side: 'base', finishReason: 'length', tokens: 2, seconds: 1 },
  ]
  const answers = events.reduce(addChatEvent, noAnswers)
  expect(answers.loading).toBeUndefined()
  expect(answers.context[0]?.index).toBe(2)
  expect(answers.sides.base).toEqual({ text: 'Portuguese', done: { reason: 'length', tokens: 2, seconds: 1 } })
  expect(answers.sides.tuned).toEqual({ text: 'Peru', done: undefined })
  expect(addChatEvent(answers, { type: 'error', message: 'out of memory' }).error).toBe('out of memory')
})

test('examples: held-out rows first, one of each context, rows that are none left out', () => {
  const rows = [
    { instruction: 'Say hello.', output: 'Hello!' },
    { instruction: 'Name it.', input: 'France', output: 'Paris' },
    { prompt: 'p', completion: 'c' },
    { messages: [] },
    null,
    'text',
    {
      context: ['A.', { text: 'B.' }],
      questions: [
        { question: 'Q1', answer: 'A1' },
        { question: 'Q2', answer: 'A2' },
      ],
      split: 'test',
    },
  ]
  const examples = examplesOf(rows, 10)
  expect(examples.map(({ question }) => question)).toEqual(['Q1', 'Say hello.', 'Name it.', 'p'])
  expect(examples[0]).toEqual({ question: 'Q1', input: '', documents: ['A.', 'B.'], expected: 'A1', heldOut: true })
  expect(examples.map((example) => nameOf(example))).toEqual(['Q1', 'Say hello.', 'France', 'p'])
  expect(nameOf({ question: 'Q', input: `${'a '.repeat(60)}Where is it?` }, 20)).toMatch(/^… .*Where is it\?$/)
  expect(nameOf({ question: 'Q', input: 'A text.\nQuestion: Where?' })).toBe('Question: Where?')
  expect(examplesOf(rows, 2)).toHaveLength(2)
})

test('where the rows of a run lie', () => {
  expect(datasetOf({ dataset: '/a' }, { dataset: { path: '/b' } })).toBe('/a')
  expect(datasetOf(null, { dataset: { path: '/b' } })).toBe('/b')
  expect(datasetOf(null, null)).toBeUndefined()
})
