// Tokens beyond a model's embedding are refused wherever they come from.
import { describe, expect, test } from 'vitest'
import { llamaLike } from '../../test/tiny-tokenizers'
import { parseRows } from '../rows/rows'
import { prepareDataset } from '../rows/dataset'
import { parseTokenizer } from './tokenizer-files'
import { TokenIdError, withinEmbedding } from './embedding'

const json = llamaLike()
const rows = Object.keys(json.model.vocab).length
const added = { id: rows, content: '<|extra|>', single_word: false, lstrip: false, rstrip: false, normalized: false }
const tokenizerWith = (config: object = {}) =>
  parseTokenizer({
    'tokenizer.json': JSON.stringify({ ...json, added_tokens: [...json.added_tokens, { ...added, special: true }] }),
    'tokenizer_config.json': JSON.stringify(config),
  })
const message = new RegExp(`"<\\|extra\\|>" has id ${rows}, but the model's embedding has ${rows} rows`)

test('a text', () => {
  const tokenizer = withinEmbedding(tokenizerWith(), rows)
  expect(() => tokenizer.encode('one <|extra|> two')).toThrow(TokenIdError)
  expect(() => tokenizer.encode('one <|extra|> two', { continuation: true })).toThrow(message)
  expect(() => tokenizer.encodeParts(['one <|ex', 'tra|> two'])).toThrow(message)
  expect(tokenizer.encode('one')).toEqual(tokenizerWith().encode('one'))
  expect(withinEmbedding(tokenizerWith(), rows + 1).encode('<|extra|>')).toContain(rows)
})

const said = '{% for m in messages %}{{ m.content }}</s>{% endfor %}'
const turns = (asked: string) =>
  JSON.stringify({
    messages: [
      { role: 'user', content: asked },
      { role: 'assistant', content: 'b' },
    ],
  })

describe('a data set', () => {
  const prepare = (text: string, config?: object) =>
    prepareDataset({
      rows: parseRows(text, 'rows.jsonl'),
      tokenizer: tokenizerWith({ chat_template: said, ...config }),
      template: text.includes('messages') ? 'chat' : 'none',
      maxSeqLength: 64,
      onOverflow: 'error',
      seed: 1,
      vocabSize: rows,
    })
  test.each([
    ['an answer', '{"instruction":"a","output":"b"}\n{"instruction":"a","output":"<|extra|>"}'],
    ['a prompt', '{"instruction":"a","output":"b"}\n{"instruction":"<|extra|>","output":"b"}'],
    [
      'a context',
      '{"instruction":"a","output":"b"}\n{"context":["<|extra|>"],"questions":[{"question":"a","answer":"b"}]}',
    ],
    ['a message', `${turns('a')}\n${turns('<|extra|>')}`],
  ])('%s: with its row', (_name, text) => {
    expect(() => prepare(text)).toThrow(message)
    expect(() => prepare(text)).toThrow(/^rows\.jsonl: row 2/)
  })

  test("a chat template's own mark: with the row", () => {
    const marked = `{% for m in messages %}<|extra|>{{ m.content }}</s>{% endfor %}`
    expect(() => prepare(turns('a'), { chat_template: marked })).toThrow(message)
    expect(() => prepare(turns('a'), { chat_template: marked })).toThrow(/^rows\.jsonl: row 1/)
  })

  test('the pad token, before any row', () => {
    expect(() => prepare('{"instruction":"a","output":"b"}', { pad_token: '<|extra|>' })).toThrow(
      new RegExp(`^pad token ${message.source}`),
    )
  })
})
