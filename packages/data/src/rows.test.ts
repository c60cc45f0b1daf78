// Reading rows: accepted formats, and the exact words of every error.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { DatasetError } from './errors'
import { loadRows } from './files'
import { findJsonError } from './json-location'
import { parseRows } from './rows'

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
    `"data.json: row 1: got the number 3; expected an object with "instruction" and "output", "prompt" and "completion", or "input_ids" and "labels""`,
  )
  expect(message('[{"text":"a"}]')).toMatchInlineSnapshot(
    `"data.json: row 1: got the keys "text"; expected "instruction" and "output", "prompt" and "completion", or "input_ids" and "labels""`,
  )
  expect(message('[{"messages":[]}]')).toMatchInlineSnapshot(
    `"data.json: row 1: "messages": chat rows are not available yet; expected "instruction" and "output", "prompt" and "completion", or "input_ids" and "labels""`,
  )
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
