// One prompt: what is asked has the ids of training up to the answer, in every template, and the marks that end it.
import { afterEach, describe, expect, test, vi } from 'vitest'
import { byteLevel, llamaLike } from '../../test/tiny-tokenizers'
import type { Row } from '../rows/row-formats'
import { createTokenizer, type Tokenizer } from '../tokenizer/tokenizer'
import { IGNORED_LABEL } from '../trees/sample'
import { separateSamples } from '../trees/tree'
import { askedIds, type Ask } from './ask'
import {
  choosePromptTemplate,
  parseTemplateJson,
  promptTemplate,
  stopIdsOf,
  stopTextsOf,
  type PromptTemplate,
} from './template'
import { ChatTemplate } from './chat'
import { toJinja } from './to-jinja'
import { tokenizeRow, tokenizeTree } from './tokenize'

const chatml =
  "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
const llama3 =
  "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content | trim + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
/** Its end mark is several tokens. */
const plainChat =
  "{% for m in messages %}{{ m.role + ': ' + m.content + ' [END]\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"

const marks = ['<|im_start|>', '<|im_end|>', '<|start_header_id|>', '<|end_header_id|>', '<|eot_id|>']

function chatTokenizer(template: string): Tokenizer {
  const json = byteLevel()
  marks.forEach((content, i) => json.added_tokens.push({ id: 302 + i, content, special: true, normalized: false }))
  return createTokenizer(json, {
    chat_template: template,
    bos_token: '<|begin_of_text|>',
    eos_token: '<|end_of_text|>',
    add_bos_token: template === llama3,
  })
}

const templates: Readonly<Record<string, { tokenizer: Tokenizer; template: PromptTemplate; ends: string }>> = {
  ChatML: of(chatTokenizer(chatml), 'chat', '<|im_end|>'),
  'Llama 3': of(chatTokenizer(llama3), 'chat', '<|eot_id|>'),
  'a chat without end token': of(chatTokenizer(plainChat), 'chat', '[END]'),
  Alpaca: of(createTokenizer(llamaLike()), 'alpaca', ''),
  RAFT: of(createTokenizer(llamaLike()), 'raft', ''),
  none: of(createTokenizer(llamaLike()), 'none', ''),
}

function of(tokenizer: Tokenizer, name: PromptTemplate['name'], ends: string) {
  return { tokenizer, template: promptTemplate(name, tokenizer), ends }
}

/** Ids of a training sample up to its last answer. */
function trainedPrompt(row: Row, tokenizer: Tokenizer, template: PromptTemplate): number[] {
  const { ids, labels } =
    'questions' in row
      ? separateSamples(tokenizeTree(row, tokenizer, { template }))[0]!
      : tokenizeRow(row, tokenizer, { template })
  let end = labels.findLastIndex((label) => label !== IGNORED_LABEL)
  while (end > 0 && labels[end - 1] !== IGNORED_LABEL) end--
  return [...ids.subarray(0, end)]
}

const documents = [{ title: 'Peru', text: 'The capital is Lima.' }, { text: 'The sea is blue. ' }]
const asks: readonly (readonly [what: string, row: Row, ask: Ask])[] = [
  ['an instruction', { instruction: 'Say the word.', output: 'hello' }, { instruction: 'Say the word.' }],
  [
    'an instruction with input',
    { instruction: 'Say {input} again.', input: 'hello {instruction}', output: 'a b' },
    { instruction: 'Say {input} again.', input: 'hello {instruction}' },
  ],
  [
    'a question on documents',
    { context: documents, questions: [{ question: 'What is the capital?', answer: 'Lima' }] },
    { question: 'What is the capital?', documents },
  ],
  [
    'the same as a conversation',
    { context: documents, questions: [{ question: 'What is the capital?', answer: 'Lima' }] },
    { messages: [{ role: 'user', content: 'What is the capital?' }], documents },
  ],
  ['a prompt', { prompt: 'the sea is', completion: ' blue' }, { prompt: 'the sea is' }],
]

describe.each(Object.entries(templates))('%s', (_name, { tokenizer, template, ends }) => {
  test.each(asks)('%s has the ids it has in training', (_what, row, ask) => {
    const { context, prompt } = askedIds(ask, tokenizer, template)
    expect([...context, ...prompt]).toEqual(trainedPrompt(row, tokenizer, template))
  })

  test('written to JSON and read again it asks the same', () => {
    const again = parseTemplateJson(JSON.parse(JSON.stringify(template)), 'prompt.json')
    expect(again).toEqual(template)
    // Another tokenizer of the same vocabulary, as the file of the base may have changed its chat template since.
    for (const [, , ask] of asks) expect(askedIds(ask, tokenizer, again)).toEqual(askedIds(ask, tokenizer, template))
  })

  test('as Jinja it renders what is asked, one turn or several', () => {
    const conversation = [
      { role: 'user', content: 'the first "word" {input}' },
      { role: 'assistant', content: 'hello' },
      { role: 'user', content: 'the second' },
    ] as const
    const jinja = new ChatTemplate(tokenizer, toJinja(template))
    for (const messages of [conversation.slice(0, 1), conversation]) {
      const text = jinja.render(messages, true)
      const { prompt } = askedIds({ messages }, tokenizer, template)
      // Turns of a chat are tokenised apart, so that texts are compared.
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(tokenizer.decode(prompt))
    }
  })

  test('its end mark ends answers, as a token or as text', () => {
    const ids = stopIdsOf(template, tokenizer, [7])
    expect(ids).toEqual(expect.arrayContaining([7, tokenizer.eosId]))
    const id = ends === '' ? [] : tokenizer.encode(ends, { continuation: true })
    if (id.length === 1) expect(ids).toContain(id[0])
    expect(stopTextsOf(template, tokenizer)).toEqual(id.length > 1 ? [ends] : [])
  })
})

test('conversations: earlier turns are those of training where a chat template has them, and frames one after another else', () => {
  const messages = [
    { role: 'system', content: 'Be short.' },
    { role: 'user', content: 'the first' },
    { role: 'assistant', content: 'hello' },
    { role: 'user', content: 'the second' },
  ] as const
  for (const { tokenizer, template } of [templates.ChatML!, templates['Llama 3']!]) {
    const row: Row = { messages: [...messages, { role: 'assistant', content: 'a' }] }
    expect(askedIds({ messages }, tokenizer, template).prompt).toEqual(trainedPrompt(row, tokenizer, template))
  }
  const { tokenizer, template } = templates.RAFT!
  const { prompt } = askedIds({ messages, documents: [{ text: 'hello the' }] }, tokenizer, template)
  expect(tokenizer.decode(prompt, { skipSpecialTokens: true })).toBe(
    'Be short.\n\n### Question:\nthe first\n\n### Answer:\nhello\n\n### Context:\n<DOCUMENT>hello the</DOCUMENT>\n\n### Question:\nthe second\n\n### Answer:\n',
  )
  expect(() => askedIds({ messages: messages.slice(0, 3) }, tokenizer, template)).toThrow(
    'the last message of a conversation must be the user’s',
  )
})

test('auto: rows with prompts of their own, conversations and models with a chat template, contexts, and all else', () => {
  const [plain, chat] = [createTokenizer(llamaLike()), chatTokenizer(chatml)]
  const alpaca: Row = { instruction: 'a', output: 'b' }
  const raft: Row = { context: 'a', questions: [{ question: 'b', answer: 'c' }] }
  const choose = (rows: readonly Row[], tokenizer: Tokenizer) => choosePromptTemplate('auto', rows, tokenizer).name
  expect(choose([alpaca], plain)).toBe('alpaca')
  expect(choose([raft], plain)).toBe('raft')
  expect(choose([raft, alpaca], plain)).toBe('alpaca')
  expect(choose([], plain)).toBe('alpaca')
  expect(choose([raft], chat)).toBe('chat')
  expect(choose([], chat)).toBe('chat')
  expect(choose([{ prompt: 'a', completion: 'b' }], chat)).toBe('none')
  expect(() => choose([{ messages: [{ role: 'assistant', content: 'a' }] }], plain)).toThrow('has no chat template')
})

test('a prompt.json at fault is told by its key', () => {
  const good = JSON.parse(JSON.stringify(templates.RAFT!.template)) as Record<string, unknown>
  const bad = (change: object) => () => parseTemplateJson({ ...good, ...change }, 'out/prompt.json')
  // What `tags` was called in earlier versions.
  expect(parseTemplateJson({ ...good, documents: 'document' }, 'prompt.json').documents).toBe('tags')
  expect(bad({ name: 'vicuna' })).toThrow('out/prompt.json: "name": expected alpaca, raft, chat, none')
  expect(bad({ stops: [1] })).toThrow('out/prompt.json: "stops": expected a list of texts')
  expect(bad({ frames: {} })).toThrow('out/prompt.json: "frames.instruction": expected text')
  expect(bad({ name: 'chat' })).toThrow('out/prompt.json: "chat": expected the Jinja source of the chat template')
})

describe('a chat template that writes the date', () => {
  afterEach(() => vi.useRealTimers())
  const dated = `{{ strftime_now('%d %b %Y') }}\n${chatml}`
  const tokenizer = createTokenizer(llamaLike(), { chat_template: dated, eos_token: '</s>' })
  const row: Row = { instruction: 'Say hello.', output: 'Hello!' }
  const ids = (template: PromptTemplate) => [...tokenizeRow(row, tokenizer, { template }).ids]

  test('writes that of the training, on the day a run is resumed too', () => {
    vi.useFakeTimers({ now: new Date('2026-01-31T12:00:00Z') })
    const template = promptTemplate('chat', tokenizer)
    const first = ids(template)
    expect(tokenizer.decode(first)).toContain('31 Jan 2026')
    vi.setSystemTime(new Date('2027-05-02T12:00:00Z'))
    const kept = parseTemplateJson(JSON.parse(JSON.stringify(template)), 'prompt.json')
    expect(ids(kept)).toEqual(first)
    expect(tokenizer.decode(ids(promptTemplate('chat', tokenizer)))).toContain('02 May 2027')
    expect(() => parseTemplateJson({ ...template, time: 'soon' }, 'prompt.json')).toThrow(/prompt\.json: "time"/)
  })

  test('templates that ask for no time have none', () => {
    const plain = createTokenizer(llamaLike(), { chat_template: chatml, eos_token: '</s>' })
    expect(promptTemplate('chat', plain)).not.toHaveProperty('time')
  })
})
