// Every key that a row can carry is used, refused, or told: none is dropped without a word.

import { expect, test } from 'vitest'
import { checkRow } from './check-row'
import type { ChatRow } from './row-formats'

const origin = { file: 'f', row: 1 }

function read(row: unknown) {
  const unused: string[] = []
  try {
    const { origin: _origin, ...checked } = checkRow(row, origin, { onUnusedKey: (key) => void unused.push(key) })
    return { row: checked, unused }
  } catch (error) {
    return (error as Error).message
  }
}

const turn = (user: string, assistant: string, more: object = {}) => [
  { role: 'user', content: user },
  { role: 'assistant', content: assistant, ...more },
]

test('Alpaca rows keep their system text and earlier turns', () => {
  const row = { system: 's', history: [['q', 'a']], instruction: 'i', output: 'o' }
  expect(read({ ...row, input: '' })).toEqual({ row, unused: [] })
  expect(read({ instruction: 'i', output: 'o', system: '', history: [] })).toMatchObject({
    row: { instruction: 'i', output: 'o' },
  })
  expect(read({ ...row, history: null, system: null })).toEqual({ row: { instruction: 'i', output: 'o' }, unused: [] })
  expect(read({ ...row, history: [['q']] })).toBe(
    'f: row 1: "history[0]": got an array of 1; expected a pair of question and answer',
  )
  expect(read({ ...row, history: 'x' })).toContain('expected an array of pairs of question and answer')
  expect(read({ ...row, system: ['s'] })).toContain('"system": got an array of 1')
})

test('a system text beside a conversation is its first message, under either spelling', () => {
  const messages = [{ role: 'system', content: 's' }, ...turn('u', 'a')]
  const shareGpt = [
    { from: 'human', value: 'u' },
    { from: 'gpt', value: 'a' },
  ]
  expect(read({ system: 's', conversations: shareGpt })).toEqual({ row: { messages }, unused: [] })
  expect(read({ system: 's', messages: turn('u', 'a') })).toEqual({ row: { messages }, unused: [] })
  expect(read({ system: 's', messages })).toEqual({ row: { messages }, unused: [] })
  expect(read({ system: 'other', messages })).toBe('f: row 1: "system": is a second system message, beside "messages"')
})

test.each([{ weight: 0 }, { train: false }, { training: false }, { weight: 0, train: false }])(
  'a message with %j is not learned',
  (flags) => {
    const { row } = read({ messages: [...turn('u', 'bad', flags), ...turn('v', 'good', { weight: 1 })] }) as {
      row: ChatRow
    }
    expect(row.messages.map(({ weight }) => weight)).toEqual([undefined, 0, undefined, undefined])
    expect(read({ messages: turn('u', 'bad', flags) })).toContain('nothing is learned')
  },
)

test('what says that others are learned, or half of a message, is refused', () => {
  const asked = (more: object) => read({ messages: [{ role: 'user', content: 'u', ...more }, ...turn('v', 'a')] })
  expect(asked({ train: true })).toContain('"messages[0].train": asks to learn what the user says')
  expect(asked({ weight: 1 })).toContain('"messages[0].weight": asks to learn what the user says')
  expect(asked({ weight: 0 })).toMatchObject({ unused: [] })
  expect(asked({ weight: 0.5 })).toContain('"messages[0].weight": got the number 0.5; expected 0 or 1')
  expect(asked({ train: 'no' })).toContain('"messages[0].train": got the string "no"; expected false or true')
  expect(asked({ train_detail: [{}] })).toContain('"messages[0].train_detail": is not supported')
  expect(asked({ function_call: { name: 'f' } })).toContain('"messages[0].function_call": is not supported')
})

test('tools and calls of tools are kept for the chat template', () => {
  const tools = [{ type: 'function', function: { name: 'f' } }]
  const calls = [{ type: 'function', function: { name: 'f', arguments: {} } }]
  const messages = [
    { role: 'user', content: 'u' },
    { role: 'assistant', content: '', tool_calls: calls },
    { role: 'tool', content: '1', tool_call_id: 'c', name: 'f' },
    { role: 'assistant', content: 'a', reasoning_content: 'r' },
  ]
  expect(read({ tools, messages })).toEqual({ row: { tools, messages }, unused: [] })
  const asText = { tools: JSON.stringify(tools), messages: messages.map((m) => ({ ...m, content: m.content || null })) }
  expect(read(asText)).toEqual({ row: { tools, messages }, unused: [] })
  expect(read({ tools: '', messages })).toEqual({ row: { messages }, unused: [] })
  expect(read({ tools: 'no json', messages })).toContain('"tools": is a text that is not JSON')
  expect(read({ tools: [1], messages })).toContain('"tools": got the number 1; expected an array of objects')
})

test.each(['chosen', 'rejected', 'images', 'audio', 'videos', 'functions', 'kto_tag'])(
  '"%s" would change what is learned, and is refused unless it is empty',
  (key) => {
    expect(read({ instruction: 'i', output: 'o', [key]: 'x' })).toContain(`"${key}": `)
    expect(read({ instruction: 'i', output: 'o', [key]: null })).toMatchObject({ row: { output: 'o' } })
    expect(read({ instruction: 'i', output: 'o', [key]: [] })).toMatchObject({ row: { output: 'o' } })
  },
)

test('other keys are told, wherever they are', () => {
  const row = {
    id: 1,
    context: [{ text: 't', score: 1 }],
    questions: [{ question: 'q', answer: 'a', kind: 'k' }],
    split: 'train',
  }
  expect(read(row)).toMatchObject({ unused: ['context[].score', 'questions[].kind', 'id'] })
  expect(read({ messages: turn('u', 'a', { date: 'x' }), source: 's' })).toMatchObject({
    unused: ['messages[].date', 'source'],
  })
})

test('padding in pre-tokenised rows is refused', () => {
  const row = { input_ids: [1, 2], labels: [1, 2] }
  expect(read({ ...row, attention_mask: [1, 1] })).toEqual({ row, unused: [] })
  expect(read({ ...row, attention_mask: [0, 1] })).toContain('"attention_mask": masks tokens')
})
