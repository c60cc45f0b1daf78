// Conversations through chat templates: what is learned of each turn, and what a template may not drop.

import { expect, test } from 'vitest'
import { llamaLike } from '../../test/tiny-tokenizers'
import { prepareDataset } from '../rows/dataset'
import type { ChatMessage, ChatRow, Row } from '../rows/row-formats'
import { createTokenizer } from '../tokenizer/tokenizer'
import { separateSamples, type Tree } from '../trees/tree'
import { questionsOf } from './asked'
import { rowSegments, type TextRow } from './segments'
import { tokenizeRow, tokenizeTurns } from './tokenize'

const tokenizerFor = (chat_template: string, ends: readonly string[] = []) => {
  const json = llamaLike()
  ends.forEach((content, i) => json.added_tokens.push({ ...json.added_tokens[0]!, id: 337 + i, content }))
  return createTokenizer(json, { bos_token: '<s>', eos_token: '</s>', chat_template })
}
const user = (content: string): ChatMessage => ({ role: 'user', content })
const assistant = (content: string): ChatMessage => ({ role: 'assistant', content })
const origin = { file: 'f.jsonl', row: 7 }

const learnedOf = (tokenizer: ReturnType<typeof tokenizerFor>, messages: readonly ChatMessage[]) => {
  const { ids, labels } = tokenizeRow({ messages }, tokenizer, { template: 'chat' })
  return tokenizer.decode(
    [...ids].filter((_, t) => labels[t] !== -100),
    { continuation: true },
  )
}

test('EOS is learned where a template ends an answer with nothing, also after white space, and once', () => {
  const spaced = tokenizerFor(
    "{% for m in messages %}{% if m.role == 'user' %}U: {{ m.content }}\nA:{% else %} {{ m.content }}\n{% endif %}{% endfor %}",
  )
  const bare = tokenizerFor(
    "{% for m in messages %}{% if m.role == 'user' %}U: {{ m.content }}\nA:{% else %}{{ m.content }}\n{% endif %}{% endfor %}",
  )
  for (const tokenizer of [spaced, bare])
    for (const said of ['Lima', ' Lima', '  Lima ', '\nLima', 'Lima</s>', '', ' '])
      expect(learnedOf(tokenizer, [user('Peru?'), assistant(said)])).toMatch(/^[^<]*<\/s>$/)
  expect(learnedOf(bare, [user('a'), assistant('b'), user('c'), assistant(' d')])).toBe('b</s> d</s>')
  // EOS that the template writes once others follow is the one that is learned.
  const later = tokenizerFor(
    "{% for m in messages %}{{ m.content }}{% if m.role == 'assistant' and not loop.last %}{{ eos_token }}{% endif %}{% endfor %}",
  )
  expect(learnedOf(later, [user('a'), assistant('b'), user('c'), assistant('d')])).toBe('b</s>d</s>')
  const marked = tokenizerFor('{% for m in messages %}{{ m.content }}<end>\n{% endfor %}', ['<end>'])
  expect(learnedOf(marked, [user('a'), assistant('b '), user('c'), assistant('d')])).toBe('b <end>d<end>')
  // A mark in plain text is no token to stop at: EOS follows.
  expect(
    learnedOf(tokenizerFor('{% for m in messages %}{{ m.content }}##{% endfor %}'), [user('a'), assistant('b')]),
  ).toBe('b##</s>')
})

test('the ids are those of the whole text, behind added tokens too', () => {
  const tokenizer = tokenizerFor(
    '{% for m in messages %}{{ m.role }}\n{{ m.content }}{{ eos_token }}\n{% endfor %}{% if add_generation_prompt %}assistant\n{% endif %}',
  )
  const messages = [user('hello the'), assistant('\nhello'), user(' the'), assistant('hello')]
  const row = { messages }
  const text = rowSegments(row, tokenizer, { template: 'chat' })!
    .map((segment) => segment.text)
    .join('')
  expect(text).toContain('</s>\nuser')
  expect([...tokenizeRow(row, tokenizer, { template: 'chat' }).ids]).toEqual(tokenizer.encode(text, { addBos: false }))
})

const tools = [{ type: 'function', function: { name: 'weather', parameters: { type: 'object', properties: {} } } }]
const call: ChatMessage = {
  role: 'assistant',
  content: '',
  tool_calls: [{ type: 'function', function: { name: 'weather', arguments: { city: 'Oslo' } } }],
}
const withTools: TextRow = {
  messages: [user('Rain?'), call, { role: 'tool', content: 'yes' }, assistant('It rains.')],
  tools,
  origin,
}
const toolTemplate =
  "{% if tools %}T: {{ tools | tojson }}\n{% endif %}{% for m in messages %}<{{ m.role }}>{{ m.content or '' }}{% for c in m.tool_calls or [] %}[{{ c.function | tojson }}]{% endfor %}</s>\n{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"

test('tools are rendered, calls of them are learned, and a template without a place for them is refused by name', () => {
  const segments = rowSegments(withTools, tokenizerFor(toolTemplate), { template: 'chat' })!
  expect(segments.map(({ text, learned }) => (learned ? `«${text}»` : text)).join('')).toBe(
    'T: [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]\n<user>Rain?</s>\n<assistant>«[{"name": "weather", "arguments": {"city": "Oslo"}}]</s>»\n<tool>yes</s>\n<assistant>«It rains.</s>»',
  )
  const refused = (template: string, row: TextRow) => () =>
    rowSegments(row, tokenizerFor(template), { template: 'chat' })
  const plain = "{% for m in messages %}<{{ m.role }}>{{ m.content or '' }}</s>\n{% endfor %}"
  expect(refused(plain, withTools)).toThrow('f.jsonl: row 7: the chat template does not show "tools"')
  const { tools: _tools, ...untold } = withTools as ChatRow
  expect(refused(plain, untold)).toThrow('f.jsonl: row 7: the chat template drops "tool_calls" of messages[1]')
  const deaf = toolTemplate.replace("{{ m.content or '' }}", "{{ m.content if m.role != 'tool' }}")
  expect(refused(deaf, withTools)).toThrow(
    'f.jsonl: row 7: the chat template leaves out the message of a tool, messages[2]',
  )
  expect(refused(plain, { messages: [user('a'), { ...assistant('b'), reasoning_content: 'c' }], origin })).toThrow(
    'f.jsonl: row 7: the chat template drops "reasoning_content" of messages[1]',
  )
  expect(
    refused("{{ raise_exception('no: ' ~ messages|length) }}", { messages: [user('a'), assistant('b')], origin }),
  ).toThrow('f.jsonl: row 7: the chat template refuses the messages: no: 2')
})

/** As Qwen 3: only answers after the last question show what was thought. */
const thinking = `{%- set ns = namespace(last=0) %}{%- for m in messages %}{%- if m.role == 'user' %}{%- set ns.last = loop.index0 %}{%- endif %}{%- endfor %}
{%- for m in messages %}{%- if m.role == 'assistant' and loop.index0 > ns.last %}{{- '<a>THINK:' + m.content.split('</think>')[0].split('<think>')[-1].strip('\\n') + ';' + m.content.split('</think>')[-1].lstrip('\\n') + '</s>\\n' }}
{%- else %}{{- '<' + m.role[0] + '>' + m.content.split('</think>')[-1].lstrip('\\n') + '</s>\\n' }}{%- endif %}{%- endfor %}{%- if add_generation_prompt %}{{- '<a>' }}{%- endif %}`

test('a template that renders an answer otherwise later: each is trained as when it is the last, on a shared context', () => {
  const tokenizer = tokenizerFor(thinking)
  const think = (thought: string, said: string) => assistant(`<think>\n${thought}\n</think>\n\n${said}`)
  const messages = [user('a'), think('x', 'b'), user('c'), think('y', 'd'), user('e'), think('z', 'f')]
  const tree = tokenizeTurns({ messages, origin }, tokenizer, { template: 'chat' }) as Tree
  const separate = separateSamples(tree)
  const texts = [2, 4, 6].map((count) => {
    const before = messages
      .slice(0, count - 1)
      .map(({ role, content }) => `<${role[0]}>${content.split('</think>\n\n').at(-1)}</s>\n`)
    const [thought, said] = [
      ['x', 'b'],
      ['y', 'd'],
      ['z', 'f'],
    ][count / 2 - 1]!
    return [`${before.join('')}<a>`, `THINK:${thought};${said}</s>`] as const
  })
  expect(separate.map(({ ids }) => [...ids])).toEqual(
    texts.map(([prompt, answer]) => tokenizer.encode(prompt + answer, { addBos: false })),
  )
  expect(
    separate.map(({ ids, labels }) =>
      tokenizer.decode(
        [...ids].filter((_, t) => labels[t] !== -100),
        { continuation: true },
      ),
    ),
  ).toEqual(texts.map(([, answer]) => answer))
  expect(tree.branches.map(({ contextLength }) => contextLength)).toEqual(
    texts.map(([prompt]) => tokenizer.encode(prompt, { addBos: false }).length),
  )
  expect(() => tokenizeRow({ messages, origin }, tokenizer, { template: 'chat' })).toThrow('expected one answer')
  const rows: Row[] = [{ messages, origin }]
  const options = {
    rows,
    tokenizer,
    template: 'chat' as const,
    maxSeqLength: 500,
    onOverflow: 'error' as const,
    seed: 1,
  }
  const apart = prepareDataset({ ...options, packing: 'none' })
  const packed = prepareDataset({ ...options, packing: 'tree' })
  expect([apart.train.length, packed.train.length]).toEqual([3, 1])
  expect(packed.statistics.targetTokens).toBe(apart.statistics.targetTokens)
  const [asked] = questionsOf(rows[0]!, tokenizer, { template: 'chat' })
  expect(asked!.prompt).toEqual(tokenizer.encode(texts[2]![0], { addBos: false }))
  // One answer alone stays one sample.
  expect(tokenizeTurns({ messages: messages.slice(0, 2) }, tokenizer, { template: 'chat' })).not.toHaveProperty(
    'context',
  )
})
