// Columns by their names, and as --columns has them.
import { settings } from '@jora/lora/settings'
import { expect, test } from 'vitest'
import { guessColumns, mappingOf, mappingText, unusable } from './column-mapping'

const named = (...names: string[]) => names.map((name) => ({ name, examples: [] }))

test.each([
  [['id', 'Frage', 'Antwort'], { id: 'id', question: 'Frage', answer: 'Antwort' }],
  [
    ['user question', 'model_answer', 'text', 'input'],
    { question: 'user question', answer: 'model_answer', context: 'text' },
  ],
  // Each column once: `answer` is not also a part of the question.
  [['question_answer', 'question'], { question: 'question', answer: 'question_answer' }],
  [['a,b', 'x=y', 'colour'], {}],
])('%j', (names, expected) => {
  expect(guessColumns(named(...names))).toEqual(expected)
})

test('what the page writes is what --columns takes', () => {
  const mapping = { question: 'user question', answer: 'outputs.0.text', context: 'text' }
  const text = mappingText(mapping)!
  expect(settings.columns.type.parse(text)).toBe('question=user question,answer=outputs.0.text,context=text')
  expect(mappingOf(text)).toEqual(mapping)
  expect(mappingText({ question: 'q' })).toBeUndefined()
  expect([unusable('a,b'), unusable('a=b'), unusable(' a'), unusable('a b')].map(Boolean)).toEqual([
    true,
    true,
    true,
    false,
  ])
})
