// System texts, earlier turns, and messages that are not to be learned: all are in the prompt, none is learned.

import { expect, test } from 'vitest'
import { llamaLike } from '../../test/tiny-tokenizers'
import type { Row } from '../rows/row-formats'
import { createTokenizer } from '../tokenizer/tokenizer'
import { questionsOf } from './asked'
import { rowSegments, type TextRow } from './segments'
import { tokenizeRow } from './tokenize'

const chat_template =
  "{% for m in messages %}<{{ m.role }}>{{ m.content }}{{ '.' }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
const tokenizer = createTokenizer(llamaLike(), { bos_token: '<s>', eos_token: '</s>', chat_template })

const row: TextRow = {
  system: 'Be kind.',
  history: [
    ['hi', 'hello'],
    ['who', 'me'],
  ],
  instruction: 'why',
  output: 'so',
}

const textOf = (segments: readonly { text: string; learned: boolean }[] = []) =>
  segments.map(({ text, learned }) => (learned ? `[${text}]` : text)).join('')

test('under each template, system and history come before the question', () => {
  expect(textOf(rowSegments(row, tokenizer, { template: 'none' }))).toBe('Be kind.\n\nhihello\n\nwhome\n\nwhy[so]')
  const alpaca = textOf(rowSegments(row, tokenizer, { template: 'alpaca' }))
  expect(alpaca).toMatch(/^Be kind\.\n\nBelow is an instruction/)
  expect(alpaca.match(/### (Instruction|Response):\n.*/g)).toEqual([
    '### Instruction:\nhi',
    '### Response:\nhello',
    '### Instruction:\nwho',
    '### Response:\nme',
    '### Instruction:\nwhy',
    '### Response:\n[so]',
  ])
  expect(textOf(rowSegments(row, tokenizer, { template: 'chat' }))).toBe(
    '<system>Be kind..<user>hi.<assistant>hello.<user>who.<assistant>me.<user>why.<assistant>[so.]',
  )
})

test('a message of weight 0 is a turn like any other, but not learned; the last that is learned is asked for', () => {
  const messages: Row = {
    messages: [
      { role: 'user', content: 'one' },
      { role: 'assistant', content: 'bad', weight: 0 },
      { role: 'user', content: 'two' },
      { role: 'assistant', content: 'good' },
      { role: 'user', content: 'three' },
      { role: 'assistant', content: 'worse', weight: 0 },
    ],
  }
  expect(textOf(rowSegments(messages, tokenizer, { template: 'chat' }))).toBe(
    '<user>one.<assistant>bad.<user>two.<assistant>[good.]<user>three.<assistant>worse.',
  )
  const learned = { ...messages, messages: messages.messages.map(({ weight: _weight, ...message }) => message) }
  const ids = (each: typeof messages) => [...tokenizeRow(each, tokenizer, { template: 'chat' }).ids]
  expect(ids(messages)).toEqual(ids(learned))
  const [asked] = questionsOf(messages, tokenizer, { template: 'chat' })
  expect(asked).toMatchObject({ text: 'two', answers: ['good'] })
  expect(tokenizer.decode([...asked!.prompt])).toMatch(/<user>two\.<assistant>$/)
})

test('tools go to the template; one that knows nothing of them, or of calls, is refused by name', () => {
  const tools = [{ type: 'function', function: { name: 'add' } }]
  const called: Row = {
    messages: [
      { role: 'user', content: 'one' },
      { role: 'assistant', content: '', tool_calls: [{ function: { name: 'add' } }] },
      { role: 'tool', content: '2' },
      { role: 'assistant', content: 'two' },
    ],
    origin: { file: 'f', row: 3 },
  }
  const textWith = (source: string, row: TextRow) =>
    textOf(
      rowSegments(row, createTokenizer(llamaLike(), { bos_token: '<s>', eos_token: '</s>', chat_template: source }), {
        template: 'chat',
      }),
    )
  const calls = '{% if m.tool_calls %}({{ m.tool_calls[0].function.name }}){% endif %}'
  const knowing = chat_template.replace('{{ m.content }}', `{{ m.content }}${calls}`)
  const withTools = `{% if tools %}[{{ tools[0].function.name }}]{% endif %}${knowing}`
  expect(textWith(withTools, { ...called, tools })).toBe('[add]<user>one.<assistant>[(add).]<tool>2.<assistant>[two.]')
  expect(() => textWith(knowing, { ...called, tools })).toThrow('f: row 3: the chat template does not show "tools"')
  expect(() => textWith(chat_template, called)).toThrow('the chat template drops "tool_calls" of messages[1]')
})
