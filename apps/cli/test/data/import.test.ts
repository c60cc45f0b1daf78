// jora data import: what is written, what is said of refusals, and wrong usage.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { jora, workspace } from '../harness'

const space = workspace()
afterAll(() => space.remove())

const paragraphs = [
  {
    context: 'Ann runs.',
    qas: [
      { id: 'q1', question: 'Who?', answers: [{ text: 'Ann' }] },
      { id: 'q2', question: 'Who flies?', is_impossible: true },
    ],
  },
]
const row = {
  context: [{ id: 'T#1', title: 'T', text: 'Ann runs.' }],
  questions: [
    { id: 'q1', question: 'Who?', answer: 'Ann', answers: ['Ann'], golden: ['T#1'] },
    { id: 'q2', question: 'Who flies?', answer: 'nobody', golden: [] },
  ],
}
const bad = (n: number) => ({ id: `bad${n}`, question: 'Who?', answers: [{ text: `Bob ${n}` }] })

const squad = space.path('squad.json')
const damaged = space.path('damaged.json')
const out = space.path('out', 'rows.jsonl')
const base = ['data', 'import', '--format', 'squad', '--no-answer', 'nobody', '--input']

beforeEach(() => {
  writeFileSync(squad, JSON.stringify({ data: [{ title: 'T', paragraphs }] }))
  const qas = [...paragraphs[0]!.qas, ...[1, 2, 3, 4].map(bad), {}]
  writeFileSync(damaged, JSON.stringify({ data: [{ title: 'T', paragraphs: [{ ...paragraphs[0], qas }] }] }))
})

const told = (text: string) => text.replaceAll(space.dir, 'DIR')

test('rows go to stdout, the summary to stderr', async () => {
  const { code, out: rows, err } = await jora([...base, squad])
  expect({ code, row: JSON.parse(rows) as unknown }).toEqual({ code: 0, row })
  expect(err).toBe('done    2 questions read, 1 row written: 2 questions on 1 context\n')
})

test('--output is written whole, its folder made, and is a dataset', async () => {
  const { code, out: shown, err } = await jora([...base, squad, '--output', out])
  expect({ code, shown }).toEqual({ code: 0, shown: '' })
  expect(told(err)).toMatchInlineSnapshot(`
    "done    2 questions read, 1 row written: 2 questions on 1 context

    The rows are in DIR/out/rows.jsonl. Next:
      jora data preview --model DIR --dataset DIR/out/rows.jsonl
    "
  `)
  expect(JSON.parse(readFileSync(out, 'utf8'))).toEqual(row)
  expect(readdirSync(space.path('out'))).toEqual(['rows.jsonl'])
})

test('refusals are told by kind, with the first few', async () => {
  const { code, err } = await jora([...base, damaged, '--output', out])
  expect(code).toBe(0)
  expect(told(err.split('\nThe rows')[0]!)).toMatchInlineSnapshot(`
    "refused 5 of 7 questions
      4 × answer not in its paragraph
        DIR/damaged.json: row 3 (bad1): answer not in its paragraph: the string "Bob 1"
        DIR/damaged.json: row 4 (bad2): answer not in its paragraph: the string "Bob 2"
        DIR/damaged.json: row 5 (bad3): answer not in its paragraph: the string "Bob 3"
        and 1 more
      1 × broken question
        DIR/damaged.json: row 7 (T#1): broken question: "question": got nothing; expected text
    done    7 questions read, 1 row written: 2 questions on 1 context
    "
  `)
})

test('--json prints one document', async () => {
  const { code, out: shown } = await jora([...base, damaged, '--output', out, '--json'])
  expect(code).toBe(0)
  expect(JSON.parse(shown)).toMatchObject({
    format: 'squad',
    read: 7,
    rows: 1,
    questions: 2,
    contexts: 1,
    refused: [
      { file: damaged, row: 3, id: 'bad1', reason: 'answer not in its paragraph: the string "Bob 1"' },
      { id: 'bad2' },
      { id: 'bad3' },
      { id: 'bad4' },
      { row: 7 },
    ],
  })
})

describe('fails with 1', () => {
  test('--strict writes nothing when something is refused', async () => {
    const strict = space.path('strict.jsonl')
    const { code, out: shown, err } = await jora([...base, damaged, '--output', strict, '--strict', '--json'])
    expect({ code, shown, there: readdirSync(space.dir).includes('strict.jsonl') }).toEqual({
      code: 1,
      shown: '',
      there: false,
    })
    expect(told(err.split('\n').at(-2)!)).toBe(
      'error: --strict: 5 of 7 refused, first DIR/damaged.json: row 3 (bad1): answer not in its paragraph: the string "Bob 1"',
    )
    expect((await jora([...base, squad, '--output', strict, '--strict'])).code).toBe(0)
  })

  const refused: [string, string, string][] = [
    ['nothing imported', '{"data":[]}', 'DIR/x.json: nothing to import: it has no questions or records'],
    [
      'all refused',
      '{"data":[{}]}',
      'DIR/x.json: nothing to import: DIR/x.json: row 1: broken article: "paragraphs" of article 1: got nothing; expected an array',
    ],
    ['broken JSON', '{"data":[}', 'DIR/x.json: line 1: broken JSON: unexpected "}"'],
  ]
  test.each(refused)('%s', async (_what, text, message) => {
    writeFileSync(space.path('x.json'), text)
    const { code, out: shown, err } = await jora([...base, space.path('x.json')])
    expect({ code, shown }).toEqual({ code: 1, shown: '' })
    expect(told(err)).toMatch(new RegExp(`^error: ${message.replace(/[[\]{}().]/g, '\\$&')}$`, 'm'))
  })

  test('no such input', async () => {
    expect(await jora([...base, 'nowhere.json'])).toEqual({
      code: 1,
      out: '',
      err: 'error: nowhere.json: no such file or folder\n',
    })
  })
})

test('wikitablequestions, threads and jsonl take options of their own', async () => {
  mkdirSync(space.path('wtq/data'), { recursive: true })
  mkdirSync(space.path('wtq/csv/1-csv'), { recursive: true })
  const header = 'id\tutterance\tcontext\ttargetValue\n'
  for (const name of ['a', 'b'])
    writeFileSync(space.path(`wtq/data/${name}.tsv`), `${header}${name}\tWho?\tcsv/1-csv/1.csv\tAnn\n`)
  writeFileSync(space.path('wtq/csv/1-csv/1.csv'), '"n","m"\n"Ann",""\n')
  const rowsOf = async (...argv: string[]) => {
    const { code, out: rows, err } = await jora(['data', 'import', ...argv])
    return code === 0 ? (JSON.parse(rows) as unknown) : told(err)
  }
  const wtq = ['--format', 'wikitablequestions', '--input', space.path('wtq')]
  expect(await rowsOf(...wtq)).toBe(
    'error: several files of questions: data/a.tsv, data/b.tsv; expected one of them as the split file (--split-file)\n',
  )
  expect(await rowsOf(...wtq, '--split-file', 'data/b.tsv', '--table-format', 'csv')).toEqual({
    context: 'n,m\nAnn,',
    questions: [{ id: 'b', question: 'Who?', answer: 'Ann' }],
    metric: 'denotation',
  })

  const posts = [
    { id: 1, text: 'a' },
    { id: 2, text: 'b', reply_to: 1 },
  ]
  writeFileSync(space.path('t.json'), JSON.stringify({ posts }))
  const threads = ['--format', 'threads', '--input', space.path('t.json'), '--window', '1']
  expect(await rowsOf(...threads)).toMatchObject({ questions: [{ id: '1#1' }, { id: '1#2' }] })
  expect(await rowsOf(...threads, '--no-include-starts')).toMatchObject({ questions: [{ id: '1#2' }] })

  writeFileSync(space.path('q.jsonl'), '{"q":"a","x":[{"y":"b"}]}\n')
  expect(
    await rowsOf('--format', 'jsonl', '--input', space.path('q.jsonl'), '--columns', 'question=q, answer=x.0.y'),
  ).toEqual({ instruction: 'a', output: 'b' })
})

describe('refused with 2', () => {
  const jsonl = ['--format', 'jsonl', '--input', 'q.jsonl']
  test.each<[string[], string]>([
    [['--format', 'squat', '--input', 'x'], '--format: got "squat", expected a format (did you mean squad?)'],
    [
      ['--format', 'parquet', '--input', 'x'],
      '--format: got "parquet", expected wikitablequestions, squad, babi, threads, alpaca, chat, sharegpt or jsonl',
    ],
    [['--format', 'squad'], '--input DIR|FILE is required (jora data import --help)'],
    [['--format', 'squad', '--input', 'x', '--json'], '--json needs --output FILE for the rows'],
    [['--format', 'squad', '--input', 'x', '--window', '5'], '--window is for --format threads, not for squad'],
    [
      ['--format', 'squad', '--input', 'x', '--no-include-starts'],
      '--no-include-starts is for --format threads, not for squad',
    ],
    [['--format', 'threads', '--input', 'x', '--window', '0'], '--window: got "0", expected an integer ≥ 1'],
    [['--format', 'squad', '--input', 'a/x', '--output', 'a/../a/x'], '--output: a/../a/x is the input'],
    [['--format', 'squad', '--input', 'x', '--output', '/tmp'], '--output: /tmp is a folder, expected a file'],
    [jsonl, '--format jsonl needs --columns question=Q,answer=A,…'],
    ...(
      [
        ['question=q', 'question=Q,answer=A and perhaps context=C or input=I, and id=D, each once'],
        ['question=q,answer=a,answer=b', 'question=Q,answer=A and perhaps context=C or input=I, and id=D, each once'],
        ['question=q,answers=a', 'question=Q,answer=A and perhaps context=C or input=I, and id=D, each once'],
        [
          'question=q,answer=a,context=c,input=i',
          'question=Q,answer=A and perhaps context=C or input=I, and id=D, each once',
        ],
      ] as const
    ).map(([columns, message]): [string[], string] => [
      [...jsonl, '--columns', columns],
      `--columns: got "${columns}", expected ${message}`,
    ]),
  ])('%j', async (argv, message) => {
    expect(await jora(['data', 'import', ...argv])).toEqual({ code: 2, out: '', err: `error: ${message}\n` })
  })
})

test('--help tells formats and examples', async () => {
  const { code, out: help } = await jora(['data', 'import', '--help'])
  expect(code).toBe(0)
  expect(help).toContain('$ jora data import --format squad --input train-v2.0.json')
  for (const name of ['wikitablequestions', 'squad', 'babi', 'threads', 'alpaca', 'chat', 'sharegpt', 'jsonl'])
    expect(help).toMatch(new RegExp(`^  ${name} +\\w`, 'm'))
})

test('an output that holds something else is only replaced with --overwrite; earlier rows are, and that is said', async () => {
  const notes = space.path('notes.txt')
  writeFileSync(notes, 'my notes\n')
  const refused = await jora([...base, squad, '--output', notes])
  expect(refused).toMatchObject({ code: 2, out: '' })
  expect(refused.err).toBe(
    `error: --output: ${notes} exists with other content; choose another name, or replace it with --overwrite\n`,
  )
  expect(readFileSync(notes, 'utf8')).toBe('my notes\n')
  expect((await jora([...base, squad, '--output', notes, '--overwrite'])).code).toBe(0)
  const again = await jora([...base, squad, '--output', notes])
  expect(again).toMatchObject({ code: 0 })
  expect(again.err).toContain('replacing an earlier file')
})

test('what is refused with --strict leaves stdout empty, and keys that nothing is done with are told', async () => {
  const file = space.path('records.jsonl')
  writeFileSync(
    file,
    '{"instruction":"a","output":"b","category":"c"}\n{"instruction":"a","output":12345678901234567890}\n',
  )
  const argv = ['data', 'import', '--format', 'alpaca', '--input', file]
  const { code, out, err } = await jora(argv)
  expect({ code, out }).toEqual({ code: 0, out: '{"instruction":"a","output":"b"}\n' })
  expect(err).toContain('got the number 12345678901234567890; expected a string')
  expect(err).toContain('note    nothing is done with the key "category" of the rows\n')
  expect(await jora([...argv, '--strict'])).toMatchObject({ code: 1, out: '' })
})
