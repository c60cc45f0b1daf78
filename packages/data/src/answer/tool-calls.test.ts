// Calls of tools as the families write them, whole and character by character.
import { expect, test } from 'vitest'
import { ToolCallText } from './tool-calls'

const templates = {
  qwen: '<tool_call>',
  mistral: '[TOOL_CALLS] [',
  granite: 'answer with <|tool_call|>',
  llama: 'Environment: ipython',
}
const oslo = { name: 'weather', arguments: '{"city":"Oslo"}' }
const bergen = { name: 'weather', arguments: '{"city":"Bergen {}]\\""}' }

const cases: readonly (readonly [keyof typeof templates, said: string, text: string, calls: object[]])[] = [
  ['qwen', 'I look.\n<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>', 'I look.', [oslo]],
  [
    'qwen',
    '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>\n<tool_call>\n{"name": "weather", "arguments": "{\\"city\\":\\"Bergen {}]\\\\\\"\\"}"}\n</tool_call>',
    '',
    [oslo, bergen],
  ],
  ['qwen', 'Less < more, <tool_calls> too', 'Less < more, <tool_calls> too', []],
  ['qwen', 'Say <tool_call>{"name": 3}</tool_call>', 'Say <tool_call>{"name": 3}</tool_call>', []],
  ['qwen', '<tool_call>{"name": "weather", "argu', '<tool_call>{"name": "weather", "argu', []],
  ['mistral', '[TOOL_CALLS] [{"name": "weather", "arguments": {"city": "Oslo"}, "id": "1"}]', '', [oslo]],
  ['mistral', '[TOOL_CALLS]weather[ARGS]{"city": "Oslo"}', '', [oslo]],
  ['granite', '<|tool_call|>[{"name": "weather", "arguments": {"city": "Oslo"}}]', '', [oslo]],
  ['llama', '{"name": "weather", "parameters": {"city": "Oslo"}}', '', [oslo]],
  ['llama', '<|python_tag|>{"name": "weather", "parameters": {"city": "Oslo"}}', '', [oslo]],
  ['llama', '{"name": "Oslo", "parameters": {}}', '{"name": "Oslo", "parameters": {}}', []],
  ['llama', ' It rains {here}. ', ' It rains {here}. ', []],
]

test.each(cases)('%s: %s', (family, said, text, calls) => {
  for (const size of [1, 7, said.length]) {
    const reader = new ToolCallText(templates[family], ['weather'])
    let shown = ''
    for (let i = 0; i < said.length; i += size) shown += reader.push(said.slice(i, i + size))
    const { rest, calls: found } = reader.end()
    expect({ text: shown + rest, calls: found }).toEqual({ text, calls })
  }
})

test('text before a call comes as it is said', () => {
  const reader = new ToolCallText(templates.qwen, [])
  expect([reader.push('I '), reader.push('look'), reader.push(' <to'), reader.push('ol_call>{')]).toEqual([
    'I',
    ' look',
    '',
    '',
  ])
})
