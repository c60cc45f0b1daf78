// Records that are rows already, and records mapped by columns.

import { expect, test } from 'vitest'
import { columnRecords } from './columns'
import type { Convert, ImportColumns } from './imported'
import { alpacaRecords, chatRecords, convertRecords, shareGptRecords } from './records'

const importColumns = convertRecords(columnRecords)
const importAlpaca = convertRecords(alpacaRecords)
const importChat = convertRecords(chatRecords)
const importShareGpt = convertRecords(shareGptRecords)

const convert = (importer: Convert, records: unknown[]) => importer(new Map([['r.json', JSON.stringify(records)]]), {})

const told = ({ refused }: ReturnType<Convert>) =>
  refused.map(({ row, id, reason }) => `${row}${id === undefined ? '' : ` (${id})`}: ${reason}`)

test('Alpaca', () => {
  const imported = convert(importAlpaca, [
    { instruction: 'a', input: '', output: 'b', split: 'validation' },
    { instruction: 'a', input: 'i', output: 'b', text: 'more' },
    { id: 'r3', instruction: 'a', output: 7 },
    { messages: [{ role: 'assistant', content: 'a' }] },
    'text',
  ])
  expect(imported.rows).toEqual([
    { instruction: 'a', output: 'b', split: 'test' },
    { instruction: 'a', input: 'i', output: 'b' },
  ])
  expect(told(imported)).toMatchInlineSnapshot(`
    [
      "3 (r3): "output": got the number 7; expected a string",
      "4: "instruction": got nothing; expected a string",
      "5: got the string "text"; expected an object with "instruction" and "output", "prompt" and "completion", "context" and "questions", "question" and "answer", "messages", or "input_ids" and "labels"",
    ]
  `)
})

test('chats', () => {
  const imported = convert(importChat, [
    {
      messages: [
        { role: 'user', content: 'a' },
        { role: 'assistant', content: [{ type: 'text', text: 'b' }] },
      ],
    },
    { messages: [{ role: 'robot', content: 'a' }] },
    { messages: [{ role: 'user', content: 'a' }] },
  ])
  expect(imported.rows).toEqual([
    {
      messages: [
        { role: 'user', content: 'a' },
        { role: 'assistant', content: 'b' },
      ],
    },
  ])
  expect(told(imported)).toMatchInlineSnapshot(`
    [
      "2: "messages[0].role": got the string "robot"; expected system, user, assistant, tool",
      "3: "messages": nothing is learned; expected at least one assistant message",
    ]
  `)
})

test('ShareGPT', () => {
  const imported = convert(importShareGpt, [
    {
      system: 's',
      conversations: [
        { from: 'human', value: 'a' },
        { from: 'gpt', value: 'b' },
      ],
    },
    { id: 'r2', conversations: [{ from: 'alien', value: 'a' }] },
    { messages: [] },
  ])
  expect(imported.rows).toEqual([
    {
      messages: [
        { role: 'system', content: 's' },
        { role: 'user', content: 'a' },
        { role: 'assistant', content: 'b' },
      ],
    },
  ])
  expect(told(imported)).toMatchInlineSnapshot(`
    [
      "2 (r2): "conversations[0].from": got the string "alien"; expected system, user, assistant, tool, human, gpt, chatgpt, bard, bing, function_response, observation",
      "3: "conversations": got nothing; expected an array",
    ]
  `)
})

const mapped = (records: unknown[], columns: ImportColumns) =>
  importColumns(new Map([['r.json', JSON.stringify(records)]]), { columns })

test('columns without a context', () => {
  const columns = { question: 'task', input: 'instances.0.input', answer: 'instances.0.output' }
  const imported = mapped(
    [
      { task: 'a', instances: [{ input: '', output: 'b' }] },
      { task: 'a', instances: [{ input: 'i', output: 42 }] },
      { task: 'a', instances: [{ input: null, output: 'b' }] },
      { task: 'a', instances: [{ output: 'b' }] },
      { task: 'a', instances: [] },
      { task: ' ', instances: [{ input: '', output: 'b' }] },
      { task: 'a', instances: [{ input: '', output: ['b'] }] },
    ],
    columns,
  )
  expect(imported.rows).toEqual([
    { instruction: 'a', output: 'b' },
    { instruction: 'a', input: 'i', output: '42' },
    { instruction: 'a', output: 'b' },
  ])
  expect(told(imported)).toMatchInlineSnapshot(`
    [
      "4: "instances.0.input": got nothing; expected text (column input)",
      "5: "instances.0.output": got nothing; expected text (column answer)",
      "6: "task": empty question",
      "7: "instances.0.output": got an array of 1; expected text (column answer)",
    ]
  `)
})

test('equal contexts become one row, in order of first appearance', () => {
  const imported = mapped(
    [
      { q: 'q1', 'a.b': 'a1', c: 'x', n: 1 },
      { q: 'q2', 'a.b': 'a2', c: 'y', n: 2 },
      { q: 'q3', 'a.b': 'a3', c: 'x', n: 3 },
      { q: 'q4', 'a.b': 'a4', c: 'x' },
      { q: 'q5', 'a.b': 'a5', c: null, n: 5 },
    ],
    { question: 'q', answer: 'a.b', context: 'c', id: 'n' },
  )
  expect(imported.rows).toEqual([
    {
      context: 'x',
      questions: [
        { id: '1', question: 'q1', answer: 'a1' },
        { id: '3', question: 'q3', answer: 'a3' },
      ],
    },
    { context: 'y', questions: [{ id: '2', question: 'q2', answer: 'a2' }] },
  ])
  expect(told(imported)).toMatchInlineSnapshot(`
    [
      "4: "n": got nothing; expected text (column id)",
      "5: "c": got null; expected text (column context)",
    ]
  `)
})

test('what objects inherit is no column', () => {
  expect(told(mapped([{ q: 'a' }], { question: 'q', answer: 'constructor.name' }))).toMatchInlineSnapshot(`
    [
      "1: "constructor.name": got nothing; expected text (column answer)",
    ]
  `)
})

test('columns that cannot be', () => {
  expect(() => importColumns(new Map(), {})).toThrow('columns: got nothing; expected those of question and answer')
  expect(() => mapped([], { question: 'q', answer: 'a', context: 'c', input: 'i' })).toThrow(
    'columns: got both context and input; expected one of them',
  )
})
