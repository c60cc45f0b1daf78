// Answers read from tokens: calls of tools that begin with a special token, stop texts, log probabilities.
import { expect, test } from 'vitest'
import { createTokenizer, promptTemplate, StopText, type Ask, type Piece, type PromptTemplate } from '@jora/data'
import { byteLevel } from '../../../data/test/tiny-tokenizers'
import { AnswerText } from './answer-text'

const json = byteLevel()
json.added_tokens.push({ ...json.added_tokens[0]!, id: 302, content: '[TOOL_CALLS]' })
const tokenizer = createTokenizer(json)
const prompt: PromptTemplate = { ...promptTemplate('none', tokenizer), chat: "{{ '[TOOL_CALLS]' }}" }
const messages = [{ role: 'user' as const, content: 'Rain?' }]
const tools = [{ type: 'function', function: { name: 'weather' } }]

/** All pieces of an answer of this text. */
function read(ask: Ask, text: string, stops: readonly string[] = []): Piece[] {
  const reading = new AnswerText({ tokenizer, prompt }, ask, new StopText(stops))
  const pieces: Piece[] = []
  for (const id of tokenizer.encode(text, { continuation: true })) {
    pieces.push(reading.push({ id, logprob: -1, top: [{ id: 65, logprob: -0.5 }] }))
    if (reading.stopped) break
  }
  return [...pieces, reading.end('length', 3)]
}
const textOf = (pieces: readonly Piece[]) => pieces.map(({ text }) => text).join('')

test('a call behind a special token is a call, and no text', () => {
  const pieces = read({ messages, tools }, 'I look. [TOOL_CALLS] [{"name": "weather", "arguments": {"city": "Oslo"}}]')
  const { answer } = pieces.at(-1)!
  expect(textOf(pieces)).toBe('I look.')
  expect(answer).toMatchObject({ text: 'I look.', toolCalls: [{ name: 'weather', arguments: '{"city":"Oslo"}' }] })
})

test('where no tools were offered, special tokens are left out and the rest is text', () => {
  const pieces = read({ messages }, 'Say [TOOL_CALLS] [1]')
  expect(textOf(pieces)).toBe('Say  [1]')
  expect(pieces.at(-1)!.answer).not.toHaveProperty('toolCalls')
})

test('a call that is cut off stays text, and so does what comes before a stop', () => {
  const cut = read({ messages, tools }, '[TOOL_CALLS] [{"name": "wea')
  expect(textOf(cut)).toBe('[TOOL_CALLS] [{"name": "wea')
  const stopped = read({ messages, tools }, 'one two three', [' three'])
  expect(textOf(stopped)).toBe('one two')
  expect(stopped.at(-1)!.answer).toMatchObject({ text: 'one two', finishReason: 'stop' })
})

test('log probabilities come with each token, and all of them with the answer', () => {
  const pieces = read({ messages }, 'é!')
  // Its two bytes are no character each.
  const [first] = pieces[0]!.logprobs!
  expect(first).toEqual({
    id: 195,
    text: '\uFFFD',
    bytes: Uint8Array.of(0xc3),
    logprob: -1,
    top: [{ id: 65, text: 'A', bytes: Uint8Array.of(65), logprob: -0.5 }],
  })
  const { answer } = pieces.at(-1)!
  expect(answer!.text).toBe('é!')
  expect(Buffer.concat(answer!.logprobs!.map(({ bytes }) => bytes)).toString()).toBe('é!')
})
