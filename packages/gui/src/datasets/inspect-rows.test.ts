// Formats are told, and every bad row is.
import { expect, test } from 'vitest'
import { parseColumns, recordsOfFile } from '@jora/data'
import { inspectRows, inspectTable } from './inspect-rows'

const inspect = (text: string) => inspectRows([text], 'rows.jsonl', 3)

test.each([
  ['alpaca', '{"instruction":"a","output":"b"}'],
  ['completion', '{"prompt":"a","completion":"b"}'],
  ['chat', '{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}'],
  ['sharegpt', '{"conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"b"}]}'],
  ['raft', '{"context":"c","questions":[{"question":"q","answer":"a"}]}'],
  ['tokens', '{"input_ids":[1,2],"labels":[-100,2]}'],
])('%s', async (format, row) => {
  expect(await inspect(`${row}\n\n${row}\r\n`)).toMatchObject({
    format,
    formats: [format],
    layout: 'lines',
    rows: 2,
    errorCount: 0,
  })
  expect(await inspect(`\uFEFF [${row}]`)).toMatchObject({ format, layout: 'array', rows: 1, first: [JSON.parse(row)] })
})

test('errors have row, line and key, and no path', async () => {
  const { errors, hint } = await inspect(
    '{"instruction":"a","output":"b"}\n\n{"instruction":"a","output":1}\n{"x":1}\nnot json\n',
  )
  expect(errors).toEqual([
    { row: 2, line: 3, key: 'output', message: expect.stringMatching(/^got the number 1; expected a string/) },
    { row: 3, line: 4, key: null, message: expect.stringMatching(/^got the keys "x"/) },
    { row: 4, line: 5, key: null, message: expect.stringMatching(/^broken JSON: unexpected "not json"/) },
  ])
  expect(hint).toContain('one a line')
})

test('files that hold no rows say what they are', async () => {
  expect(await inspect('')).toMatchObject({ format: null, errorCount: 1 })
  expect((await inspect('<html>')).hint).toContain('web page')
  expect((await inspect('[{"instruction":')).errors[0]?.message).toContain('broken JSON: it ends too early')
  expect((await inspect('question,answer\nwhat,that\n')).hint).toContain('table')
  expect((await inspect('{"version":1,"data":[{"paragraphs":[]}]}')).hint).toContain('SQuAD')
})

test('tables have the formats of rows, by their columns', async () => {
  const table = (text: string, file = 'rows.csv') => inspectTable(recordsOfFile(bytesOf(text), file), 1)
  expect(await table('instruction;output\na;b\nc;d\n')).toMatchObject({
    format: 'alpaca',
    layout: 'table',
    rows: 2,
    first: [{ instruction: 'a', output: 'b' }],
    errorCount: 0,
  })
  expect(await table('question\tanswer\tcontext\nq\ta\tc\n', 'rows.tsv')).toMatchObject({ format: 'raft', rows: 1 })
  expect(await table('what,that\n1,2\n')).toMatchObject({
    format: null,
    errors: [{ row: 2, message: expect.stringContaining('"what"') }],
    hint: expect.stringContaining('Columns are called'),
    columns: [
      { name: 'what', examples: ['1'] },
      { name: 'that', examples: ['2'] },
    ],
  })
  expect(await table('not parquet', 'rows.parquet')).toMatchObject({ rows: 0, errorCount: 1 })
})

test('rows are held against columns that are named, each wrong one by its row', async () => {
  const columns = parseColumns('question=Frage,answer=out.0.text,context=Text')
  const line = (out: unknown, text = 't') => JSON.stringify({ Frage: 'q', out, Text: text })
  const found = await inspectRows(
    [`${line([{ text: 'a' }])}\n${line([])}\n${line([{ text: 'b' }])}`],
    'r.jsonl',
    1,
    columns,
  )
  expect(found).toMatchObject({
    format: 'raft',
    rows: 3,
    errorCount: 1,
    errors: [{ row: 2, line: 2, key: 'out.0.text', message: expect.stringContaining('expected the answer') }],
    hint: expect.stringContaining('other columns'),
  })
  expect(found.columns.map(({ name }) => name)).toEqual(['Frage', 'out', 'out.0.text', 'Text'])
  const table = recordsOfFile(bytesOf('Frage;Antwort\nq;a\nq;\n'), 'rows.csv')
  expect(await inspectTable(table, 1, parseColumns('question=Frage,answer=Antwort'))).toMatchObject({
    format: 'alpaca',
    errors: [{ row: 3, key: 'Antwort' }],
  })
})

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(text)
}
