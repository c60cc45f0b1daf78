// Prompts and samples: what is learned, by position.

import { expect, test } from 'vitest'
import { byteLevel, llamaLike } from '../../test/tiny-tokenizers'
import { describeTokens } from './preview'
import { renderPrompt } from './prompt'
import { parsePromptTemplate, type PromptTemplateName } from './template'
import { countTargets } from '../trees/sample'
import { tokenizeRow } from './tokenize'
import { createTokenizer } from '../tokenizer/tokenizer'

const tokenizer = createTokenizer(llamaLike())
const origin = { file: 'f.json', row: 3 }

test('the Alpaca prompt, with and without input', () => {
  expect(renderPrompt('alpaca', { instruction: 'Add.', input: '1 2' })).toBe(
    'Below is an instruction that describes a task, paired with an input that provides further context. Write a response that appropriately completes the request.\n\n### Instruction:\nAdd.\n\n### Input:\n1 2\n\n### Response:\n',
  )
  expect(renderPrompt('alpaca', { instruction: 'Add.' })).toBe(
    'Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n### Instruction:\nAdd.\n\n### Response:\n',
  )
  expect(renderPrompt('none', { instruction: 'Add.', input: '1 2' })).toBe('Add.\n1 2')
  expect(renderPrompt('alpaca', { prompt: 'as it stands' })).toBe('as it stands')
  expect(() => renderPrompt('chat' as PromptTemplateName, { instruction: 'a' })).toThrow(
    'renderPrompt: a chat template belongs to a tokenizer; use tokenizeRow',
  )
  expect(() => parsePromptTemplate('vicuna')).toThrow(
    '--prompt-template: got "vicuna"; expected alpaca, raft, chat or none',
  )
})

test('the answer and EOS are learned, the prompt is not', () => {
  const row = { instruction: 'say the word', output: 'hello the', origin }
  const sample = tokenizeRow(row, tokenizer, { template: 'alpaca' })
  const promptLength = tokenizer.encode(renderPrompt('alpaca', row)).length
  expect(sample.row).toBe(3)
  expect(sample.ids[0]).toBe(tokenizer.bosId)
  expect(sample.ids.at(-1)).toBe(tokenizer.eosId)
  expect([...sample.labels.subarray(0, promptLength)]).toEqual(Array(promptLength).fill(-100))
  expect(sample.labels.subarray(promptLength)).toEqual(sample.ids.subarray(promptLength))
  expect(tokenizer.decode([...sample.ids], { skipSpecialTokens: true })).toBe(renderPrompt('alpaca', row) + row.output)
  expect(describeTokens(sample, tokenizer).slice(promptLength)).toEqual([
    { id: expect.any(Number), text: 'hello', learned: true, part: 'answer' },
    { id: expect.any(Number), text: ' the', learned: true, part: 'answer' },
    { id: 2, text: '</s>', learned: true, part: 'end' },
  ])
})

test('masking goes by position: an answer equal to the prompt is learned still', () => {
  const sample = tokenizeRow({ prompt: 'the the', completion: ' the the' }, tokenizer, { template: 'none' })
  const the = tokenizer.encode('the', { addBos: false })[0]
  expect([...sample.ids]).toEqual([1, the, the, the, the, 2])
  expect([...sample.labels]).toEqual([-100, -100, -100, the, the, 2])
})

test('EOS is learned once, also for an empty answer and one that spells it out', () => {
  expect([...tokenizeRow({ prompt: 'a', completion: '' }, tokenizer, { template: 'none' }).labels]).toEqual([
    -100, -100, 2,
  ])
  const spelt = tokenizeRow({ prompt: 'a', completion: '</s>' }, tokenizer, { template: 'none' })
  expect([...spelt.labels]).toEqual([-100, -100, 2])
})

test('the first position is never learned, even without a prompt or BOS', () => {
  const plain = createTokenizer(byteLevel())
  expect(plain.addsBos).toBe(false)
  const sample = tokenizeRow({ prompt: '', completion: 'ab' }, plain, { template: 'none' })
  expect([...sample.labels]).toEqual([-100, 98, 301])
})

test('pre-tokenised rows are checked against the vocabulary', () => {
  const run = (input_ids: number[], labels: number[]) =>
    tokenizeRow({ input_ids, labels, origin }, tokenizer, { template: 'none' })
  const sample = run([1, 5, 6], [1, -100, 6])
  expect([...sample.labels]).toEqual([-100, -100, 6])
  expect(countTargets(sample)).toBe(1)
  expect(() => run([1, 9999], [-100, 5])).toThrowErrorMatchingInlineSnapshot(
    `[DatasetError: f.json: row 3: "input_ids": got 9999 at index 1; expected 0 to 336]`,
  )
  expect(() => run([1, 5], [-100, -5])).toThrowErrorMatchingInlineSnapshot(
    `[DatasetError: f.json: row 3: "labels": got -5 at index 1; expected 0 to 336, or -100 for no loss]`,
  )
  expect(() => run([1, 5], [5, -100])).toThrowErrorMatchingInlineSnapshot(
    `[DatasetError: f.json: row 3: "labels": nothing is learned; expected a label other than -100 after the first]`,
  )
})

test('a tokenizer without EOS cannot train', () => {
  const json = llamaLike()
  json.added_tokens.pop()
  const endless = createTokenizer(json, {}, { name: 'models/endless' })
  expect(() =>
    tokenizeRow({ prompt: 'a', completion: 'b' }, endless, { template: 'none' }),
  ).toThrowErrorMatchingInlineSnapshot(
    `[Error: tokenizer models/endless has no EOS token: expected "eos_token" in tokenizer_config.json or "eos_token_id" in config.json]`,
  )
})
