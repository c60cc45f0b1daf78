// What a folder's files say of its tokens beside tokenizer.json, and folders that have none; ids as transformers 5 gives them.
import { describe, expect, test } from 'vitest'
import { byteLevel, llamaLike } from '../../test/tiny-tokenizers'
import type { Row } from '../rows/row-formats'
import { parseRows } from '../rows/rows'
import { tokenizeRow } from '../prompt/tokenize'
import { createTokenizer } from './tokenizer'
import { parseTokenizer } from './tokenizer-files'

const flags = { lstrip: false, rstrip: false, single_word: false }

describe('added tokens', () => {
  const json = byteLevel()
  const pieces = (config: object, text: string) => {
    const tokenizer = createTokenizer(json, config)
    return tokenizer.encode(text).map((id) => tokenizer.idToToken(id) ?? id)
  }

  test('those of added_tokens_decoder that tokenizer.json lacks are tokens, with their flags', () => {
    const decoder = {
      '302': { content: '<tool>', special: true, normalized: false, ...flags },
      '303': { content: 'x y', special: false, normalized: true, ...flags, single_word: true, rstrip: true },
      '300': { content: '<other>', special: true, ...flags },
    }
    const config = { added_tokens_decoder: decoder }
    expect(pieces(config, 'a<tool>b')).toEqual(['a', '<tool>', 'b'])
    expect(pieces(config, 'x y  ax y')).toEqual(['x y', 'a', 'x', 'Ġ', 'y'])
    // tokenizer.json has another token of this id: its own counts.
    expect(pieces(config, '<other>')).toEqual(['<', 'o', 't', 'he', 'r', '>'])
    expect(createTokenizer(json, config).vocabSize).toBe(304)
    expect(createTokenizer(json, config).decode([302], { skipSpecialTokens: true })).toBe('')
  })

  test('special tokens that the vocabulary has, and the configuration names, are found whole', () => {
    expect(pieces({}, 'the')).toEqual(['t', 'he'])
    expect(pieces({ eos_token: 'he' }, 'the')).toEqual(['t', 'he'])
    expect(pieces({ additional_special_tokens: ['Ġt'] }, 'Ġthe')).toEqual(['Ġt', 'he'])
    expect(pieces({ extra_special_tokens: [{ content: 'Ġt' }] }, 'Ġthe')).toEqual(['Ġt', 'he'])
    // What the vocabulary lacks has no embedding: it is text.
    expect(pieces({ pad_token: '[PAD]' }, '[PAD]')).toEqual([...'[PAD]'])
  })

  test('an added_tokens.json of early versions', () => {
    const files = { 'tokenizer.json': json, 'added_tokens.json': { '<call>': 302 } }
    expect(parseTokenizer(files).encode('a<call>')).toEqual([97, 302])
    expect(() => parseTokenizer({ ...files, 'added_tokens.json': { '<call>': -1 } }, 'm')).toThrow(
      'tokenizer m: added_tokens.json: "<call>": got the number -1; expected an integer from 0 to below 2³¹',
    )
  })
})

describe('vocab.json and merges.txt', () => {
  const { vocab, merges } = byteLevel().model
  const files = (config: object) => ({
    'vocab.json': { ...vocab, '<|endoftext|>': 259 },
    'merges.txt': `#version: 0.2\n${merges.join('\r\n')}\n\n`,
    'tokenizer_config.json': config,
  })
  const pieces = (config: object, text: string) => {
    const tokenizer = parseTokenizer(files(config), 'm')
    return tokenizer.encode(text).map((id) => tokenizer.idToToken(id))
  }

  test("GPT-2's kind", () => {
    expect(pieces({ tokenizer_class: 'GPT2Tokenizer' }, 'a the<|endoftext|>')).toEqual(['a', 'Ġthe', '<|endoftext|>'])
    expect(pieces({ tokenizer_class: 'GPT2TokenizerFast', add_prefix_space: true }, 'the')).toEqual(['Ġthe'])
    expect(parseTokenizer(files({ tokenizer_class: 'GPT2Tokenizer' }))).toMatchObject({
      eosId: 259,
      bosId: 259,
      addsBos: false,
    })
    // Without a tokenizer.json the setting decides.
    expect(pieces({ tokenizer_class: 'GPT2Tokenizer', add_bos_token: true }, 'a')).toEqual(['<|endoftext|>', 'a'])
  })

  test("Qwen 2's kind: composed letters, digits one by one", () => {
    const config = { tokenizer_class: 'Qwen2Tokenizer', eos_token: '<|endoftext|>' }
    expect(pieces(config, 'e\u0301')).toEqual(['Ã', '©'])
    expect(pieces(config, 'he12')).toEqual(['he', '1', '2'])
    expect(parseTokenizer({ ...files({}), 'config.json': { model_type: 'qwen2' } }).bosId).toBe(undefined)
  })

  test('other kinds, and half of the files, are refused by name', () => {
    expect(() => pieces({ tokenizer_class: 'BartTokenizer' }, 'a')).toThrow(
      'tokenizer m: there is no tokenizer.json, and vocab.json and merges.txt are read for GPT2Tokenizer, CodeGenTokenizer, Qwen2Tokenizer alone, not for BartTokenizer',
    )
    expect(() => parseTokenizer({ 'vocab.json': vocab }, 'm')).toThrow('tokenizer m/tokenizer.json: no such file')
  })
})

test('rows with tools go through the template for tools, others through the default', () => {
  const config = {
    eos_token: '</s>',
    chat_template: [
      { name: 'default', template: '{% for m in messages %}{{ m.content }}</s>{% endfor %}' },
      { name: 'tool_use', template: '{{ tools | length }}{% for m in messages %}{{ m.content }}</s>{% endfor %}' },
    ],
  }
  const tokenizer = createTokenizer(llamaLike(), config)
  const turns = {
    messages: [
      { role: 'user', content: 'a' },
      { role: 'assistant', content: 'b' },
    ],
  }
  const tools = [{ type: 'function', function: { name: 'f', parameters: {} } }]
  const text = (row: object) => {
    const [parsed] = parseRows(JSON.stringify([row]), 'rows.json') as Extract<Row, { messages: unknown }>[]
    return tokenizer.decode([...tokenizeRow(parsed!, tokenizer, { template: 'chat' }).ids])
  }
  expect(text(turns)).toContain('a</s>')
  expect(text(turns)).not.toContain('1a')
  expect(text({ ...turns, tools })).toContain('1a</s>')
})

describe('what is no tokenizer.json is refused by its place', () => {
  const json = llamaLike()
  const model = (change: object) => ({ ...json, model: { ...json.model, ...change } })
  const cases: readonly (readonly [file: object, message: string])[] = [
    [model({ vocab: { a: 0, b: '1' } }), '"model.vocab.b": got the string "1"; expected an integer from 0'],
    [model({ merges: ['h e', 'a b c'] }), '"model.merges[1]": got the string "a b c"; expected two pieces'],
    [
      model({ merges: ['h q'] }),
      '"model.merges[0]": got the string "h q"; expected two pieces of the vocabulary, and their joint "hq" in it',
    ],
    [model({ type: 'Character' }), '"model": the model Character is not supported'],
    [
      model({ continuing_subword_prefix: '##' }),
      '"model.continuing_subword_prefix": a mark within words is not supported',
    ],
    [model({ dropout: 0.1 }), '"model.dropout": tokenising by chance is not supported'],
    [model({ byte_fallback: 'yes' }), '"model.byte_fallback": got the string "yes"; expected true or false'],
    [{ ...json, normalizer: { type: 'Nmt' } }, '"normalizer": the normalizer Nmt is not supported'],
    [
      { ...json, normalizer: { type: 'Sequence', normalizers: [{ type: 'Replace', pattern: {}, content: '' }] } },
      '"normalizer.normalizers[0].pattern.Regex": got nothing; expected text',
    ],
    [
      { ...json, pre_tokenizer: { type: 'Split', pattern: { Regex: '(' }, behavior: 'Isolated' } },
      '"pre_tokenizer.pattern.Regex": got the string "("; expected a regular expression that can be translated',
    ],
    [
      { ...json, pre_tokenizer: { type: 'Split', pattern: { String: 'a' }, behavior: 'Sideways' } },
      '"pre_tokenizer.behavior": got the string "Sideways"; expected Removed, Isolated',
    ],
    [
      { ...json, added_tokens: [{ id: 1.5, content: '<s>' }] },
      '"added_tokens[0].id": got the number 1.5; expected an integer from 0',
    ],
  ]
  test.each(cases)('%#', (file, message) => {
    expect(() => createTokenizer(file, {}, { name: 'm' })).toThrow(`tokenizer m: tokenizer.json: ${message}`)
  })

  test('a text that needs the unknown token, where the vocabulary has none', () => {
    const tokenizer = createTokenizer(model({ byte_fallback: false, unk_token: '<none>' }), {}, { name: 'm' })
    expect(tokenizer.encode('the', { addBos: false })).toEqual(createTokenizer(json).encode('the', { addBos: false }))
    expect(() => tokenizer.encode('é')).toThrow(
      'tokenizer m: tokenizer.json: "model.unk_token": got the string "<none>"',
    )
  })
})
