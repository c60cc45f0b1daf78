// Reading rows: accepted formats, and the exact words of every error.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { DatasetError } from '../errors'
import { loadRows } from './files'
import { JsonTextError, parseJson } from '../records/json-text'
import { parseRows } from './rows'

/** Where a text stops being JSON; −1 when it is. */
const findJsonError = (text: string) => {
  try {
    expect(parseJson(text)).toEqual(JSON.parse(text))
    return -1
  } catch (error) {
    expect(error).toBeInstanceOf(JsonTextError)
    return (error as JsonTextError).offset
  }
}

const message = (text: string) => {
  try {
    parseRows(text, 'data.json')
  } catch (error) {
    expect(error).toBeInstanceOf(DatasetError)
    return (error as DatasetError).message
  }
  return 'no error'
}

test('a JSON array and JSONL give the same rows', () => {
  const rows = [
    { instruction: 'a', input: 'x', output: 'b' },
    { prompt: 'p', completion: 'c' },
    { input_ids: [1, 2], labels: [-100, 2] },
  ]
  const strip = (text: string) => parseRows(text, 'f').map((row) => ({ ...row, origin: undefined }))
  expect(strip(JSON.stringify(rows, null, 2))).toEqual(rows)
  expect(strip(rows.map((row) => JSON.stringify(row)).join('\n'))).toEqual(rows)
  expect(strip(`\uFEFF${rows.map((row) => `${JSON.stringify(row)}\r\n`).join('\r\n')}\n\n`)).toEqual(rows)
})

test('rows know where they stood; blank lines count as lines only', () => {
  const rows = parseRows(
    '\n{"instruction":"a","output":"b"}\n\n{"instruction":"c","input":null,"output":"d"}\n',
    'f.jsonl',
  )
  expect(rows).toEqual([
    { instruction: 'a', output: 'b', origin: { file: 'f.jsonl', row: 1, line: 2 } },
    { instruction: 'c', output: 'd', origin: { file: 'f.jsonl', row: 2, line: 4 } },
  ])
})

test('errors name file, row, key, what came and what was expected', () => {
  expect(message('')).toMatchInlineSnapshot(`"data.json: the dataset is empty; expected at least one row"`)
  expect(message('[]')).toMatchInlineSnapshot(`"data.json: the dataset is empty; expected at least one row"`)
  expect(message('[\n{"instruction":"a","output":"b"},\n{"instruction":"c"}]')).toMatchInlineSnapshot(
    `"data.json: row 2: "output": got nothing; expected a string"`,
  )
  expect(message('{"instruction":"a","output":"b"}\n\n{"instruction":"a","output":7}')).toMatchInlineSnapshot(
    `"data.json: row 2 (line 3): "output": got the number 7; expected a string"`,
  )
  expect(message('[{"instruction":["a"],"output":"b"}]')).toMatchInlineSnapshot(
    `"data.json: row 1: "instruction": got an array of 1; expected a string"`,
  )
  expect(message('[{"instruction":"a","input":{},"output":"b"}]')).toMatchInlineSnapshot(
    `"data.json: row 1: "input": got an object; expected a string"`,
  )
  expect(message('[{"prompt":"a"}]')).toMatchInlineSnapshot(
    `"data.json: row 1: "completion": got nothing; expected a string"`,
  )
  expect(message('[3]')).toMatchInlineSnapshot(
    `"data.json: row 1: got the number 3; expected an object with "instruction" and "output", "prompt" and "completion", "context" and "questions", "question" and "answer", "messages", or "input_ids" and "labels""`,
  )
  expect(message('[{"text":"a"}]')).toMatchInlineSnapshot(
    `"data.json: row 1: got the keys "text"; expected "instruction" and "output", "prompt" and "completion", "context" and "questions", "question" and "answer", "messages", or "input_ids" and "labels""`,
  )
  expect(message('[{"messages":[]}]')).toMatchInlineSnapshot(
    `"data.json: row 1: "messages": nothing is learned; expected at least one assistant message"`,
  )
  expect(message('[{"messages":[{"role":"bot","content":"hi"}]}]')).toMatchInlineSnapshot(
    `"data.json: row 1: "messages[0].role": got the string "bot"; expected system, user, assistant, tool"`,
  )
  expect(message('[{"messages":[{"role":"user","content":"hi"}]}]')).toMatchInlineSnapshot(
    `"data.json: row 1: "messages": nothing is learned; expected at least one assistant message"`,
  )
  expect(message('[{"messages":[{"role":"assistant","content":7}]}]')).toMatchInlineSnapshot(
    `"data.json: row 1: "messages[0].content": got the number 7; expected text"`,
  )
  expect(message('[{"conversations":[{"from":"alien","value":"hi"}]}]')).toMatchInlineSnapshot(
    `"data.json: row 1: "conversations[0].from": got the string "alien"; expected system, user, assistant, tool, human, gpt, chatgpt, bard, bing, function_response, observation"`,
  )
  expect(message('[{"questions":[]}]')).toMatchInlineSnapshot(
    `"data.json: row 1: "context": got nothing; expected text or an array of documents"`,
  )
  expect(message('[{"context":"c","questions":[]}]')).toMatchInlineSnapshot(
    `"data.json: row 1: "questions": got an empty array; expected a question"`,
  )
  expect(message('[{"context":["c",5],"questions":[]}]')).toMatchInlineSnapshot(
    `"data.json: row 1: "context[1]": got the number 5; expected text, or an object with "text""`,
  )
  expect(message('[{"context":"c","questions":[{"question":"q"}]}]')).toMatchInlineSnapshot(
    `"data.json: row 1: "questions[0].answer": got nothing; expected a string"`,
  )
  expect(
    message('[{"context":["c"],"questions":[{"question":"q","answer":"a","documents":2}]}]'),
  ).toMatchInlineSnapshot(
    `"data.json: row 1: "questions[0].documents": got the number 2; expected an integer from 0 to 1"`,
  )
  expect(
    message('[{"context":[{"id":"x","text":"c"},{"id":"x","text":"d"}],"questions":[{"question":"q","answer":"a"}]}]'),
  ).toMatchInlineSnapshot(`"data.json: row 1: "context[1].id": "x" appears twice"`)
  expect(message('[{"context":"c","questions":[{"question":"q","answer":"a"}],"split":"eval"}]')).toMatchInlineSnapshot(
    `"data.json: row 1: "split": got the string "eval"; expected train or test"`,
  )
  expect(
    message('[{"context":"c","questions":[{"question":"q","answer":"a"}],"metric":"bleu"}]'),
  ).toMatchInlineSnapshot(`"data.json: row 1: "metric": got the string "bleu"; expected denotation or reply"`)
  expect(message('[{"input_ids":[1,2]}]')).toMatchInlineSnapshot(
    `"data.json: row 1: "labels": got nothing; expected an array of integers"`,
  )
  expect(message('[{"input_ids":[1,2],"labels":[1]}]')).toMatchInlineSnapshot(
    `"data.json: row 1: "labels": got 1 labels for 2 input_ids; expected the same length"`,
  )
  expect(message('[{"input_ids":[1,2.5],"labels":[1,2]}]')).toMatchInlineSnapshot(
    `"data.json: row 1: "input_ids": got the number 2.5 at index 1; expected an integer"`,
  )
  expect(message('[{"input_ids":[],"labels":[]}]')).toMatchInlineSnapshot(
    `"data.json: row 1: "input_ids": got an empty array; expected at least one id"`,
  )
})

test('broken JSON is found at its line', () => {
  expect(message('[\n{"instruction":"a","output":"b"}\n{"instruction":"c"}]')).toMatchInlineSnapshot(
    `"data.json: line 3: broken JSON: unexpected "{\\"instruction\\":\\"c\\"}]""`,
  )
  expect(message('{"instruction":"a","output":"b"}\n{"instruction":"a",}\n')).toMatchInlineSnapshot(
    `"data.json: line 2: broken JSON: unexpected "}""`,
  )
  expect(message('[\n{"instruction":"a",\n"output":"b')).toMatchInlineSnapshot(
    `"data.json: line 3: broken JSON: unexpected "\\"b""`,
  )
  expect(message('instruction,output\na,b')).toMatchInlineSnapshot(
    `"data.json: line 1: broken JSON: unexpected "instruction,output""`,
  )
  expect(message('{\n"instruction":"a",\n"output":"b"\n}')).toMatchInlineSnapshot(
    `"data.json: a single JSON object over several lines; expected a JSON array of rows, or one row a line"`,
  )
})

test('findJsonError agrees with JSON.parse', () => {
  const good = ['{}', ' [1, -2.5e3, "a\\u00e9\\n", null, true] ', '"x"', '{"a":{"b":[]}}']
  const bad = ['', '{', '[1,]', '{"a"}', '{a:1}', "['a']", '01', '1.', '"a\nb"', '"\\x"', 'nul', '[1] 2', '{"a":1,}']
  for (const text of good) expect([text, findJsonError(text)]).toEqual([text, -1])
  for (const text of bad) {
    expect(() => JSON.parse(text)).toThrow(SyntaxError)
    expect([text, findJsonError(text) >= 0]).toEqual([text, true])
  }
})

test('loadRows says what is wrong with a file', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'jora-data-'))
  try {
    await expect(loadRows(join(dir, 'none.json'))).rejects.toThrow(/none\.json: no such file$/)
    await expect(loadRows(dir)).rejects.toThrow(/is a folder; expected a file$/)
    await writeFile(join(dir, 'latin1.jsonl'), Buffer.from('{"prompt":"caf\xe9","completion":""}', 'latin1'))
    await expect(loadRows(join(dir, 'latin1.jsonl'))).rejects.toThrow(/is not UTF-8 text/)
    await writeFile(join(dir, 'bom.jsonl'), '\uFEFF{"prompt":"é","completion":""}\r\n')
    expect(await loadRows(join(dir, 'bom.jsonl'))).toMatchObject([{ prompt: 'é', completion: '' }])
  } finally {
    await rm(dir, { recursive: true })
  }
})

test('contexts, chats and splits are read', () => {
  const read = (row: unknown) => {
    const { origin: _origin, ...rest } = parseRows(JSON.stringify([row]), 'f')[0]!
    return rest
  }
  const question = { question: 'q', answer: 'a' }
  expect(read({ context: ['one', { id: 'x', title: 't', text: 'two', score: 1 }], questions: [question] })).toEqual({
    context: [{ text: 'one' }, { id: 'x', title: 't', text: 'two' }],
    questions: [question],
  })
  const full = { ...question, id: '7', answers: ['a', 'b'], golden: ['x'], documents: 0 }
  expect(read({ context: [], questions: [full], metric: 'reply', split: 'validation' })).toEqual({
    context: [],
    questions: [full],
    metric: 'reply',
    split: 'test',
  })
  expect(
    read({
      conversations: [
        { from: 'system', value: 's' },
        { from: 'human', value: 'h' },
        { from: 'gpt', value: 'g' },
      ],
    }),
  ).toEqual({
    messages: [
      { role: 'system', content: 's' },
      { role: 'user', content: 'h' },
      { role: 'assistant', content: 'g' },
    ],
  })
  expect(
    read({
      messages: [
        {
          role: 'assistant',
          content: [
            { type: 'text', text: 'a' },
            { type: 'text', text: 'b' },
          ],
        },
      ],
    }),
  ).toEqual({
    messages: [{ role: 'assistant', content: 'ab' }],
  })
  expect(read({ instruction: 'i', output: 'o', split: 'train' })).toEqual({
    instruction: 'i',
    output: 'o',
    split: 'train',
  })
})

test('a string of many megabytes does not overflow the search for what is broken', () => {
  const long = 'x'.repeat(12_000_000)
  expect(message(`{"instruction":"${long}","output":}`)).toMatch(/^data.json: line 1: broken JSON: unexpected "}"$/)
  expect(findJsonError(`"${'\\n'.repeat(3_000_000)}"`)).toBe(-1)
})
