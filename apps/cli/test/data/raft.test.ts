// jora data raft: from files to rows that training reads, what it tells, and what it refuses.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadRows, type ContextRow, type RaftStatistics } from '@jora/data'
import { jora, modelSource, workspace } from '../harness'

const space = workspace()
afterAll(() => space.remove())

const places = Array.from({ length: 10 }, (_, i) => ({ id: `place-${i}`, code: `c${i}x` }))
const questions = places.flatMap(({ id, code }) => [
  { question: `What is the code of ${id}?`, answer: code, document: id },
  { id: `${id}-b`, question: `Which code has ${id}?`, answer: code, quote: `has the code ${code}` },
])
const lines = (rows: readonly unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('')
const file = (name: string, content: string) => {
  writeFileSync(space.path(name), content)
  return space.path(name)
}

let good: string[]
beforeAll(() => {
  mkdirSync(space.path('docs'))
  for (const { id, code } of places) file(`docs/${id}.md`, `# ${id}\n\nThe house ${id} has the code ${code}.\n`)
  good = [
    '--documents',
    space.path('docs'),
    '--questions',
    file('q.jsonl', lines(questions)),
    '--model',
    space.path('model'),
  ]
})
const raft = (...flags: string[]) => jora(['data', 'raft', ...good, '--output', space.path('out.jsonl'), ...flags])

describe.skipIf(modelSource === undefined)('rows', () => {
  test('are what training reads, with all that was asked', async () => {
    const { code, out, err } = await raft()
    expect({ code, out }).toEqual({ code: 0, out: '' })
    const [documents, chunks, ...others] = err.split('\n')
    expect(documents).toBe('documents  10')
    expect(chunks).toMatch(/^chunks {5}10 of \d+ to \d+ tokens, \d+ on average$/)
    expect(others).toEqual([
      'questions  20 read, 20 kept, 0 refused',
      'contexts   11, 1.8 questions each',
      'train      16 questions on 9 contexts, 8 documents',
      'golden     13 of them see their golden document: 81.3%',
      'test       4 questions on 2 contexts, 2 documents',
      'note       2 held-out contexts with distractors from training documents: too few held-out ones fit',
      '',
      `The contexts are in ${space.path('out.jsonl')}. Next:`,
      `  jora data preview --model ${space.path('model')} --dataset ${space.path('out.jsonl')}`,
      '',
    ])
    const rows = (await loadRows(space.path('out.jsonl'))) as ContextRow[]
    const asked = rows.flatMap((row) => row.questions)
    expect(asked.map(({ id }) => id).sort()).toEqual(questions.map(({ id }, i) => id ?? String(i + 1)).sort())
    for (const row of rows) expect(row.context).toHaveLength(5)
    expect(readdirSync(space.dir).filter((name) => name.includes('out.jsonl'))).toEqual(['out.jsonl'])
  })

  test('are the same bytes for the same seed', async () => {
    await raft()
    const bytes = readFileSync(space.path('out.jsonl'), 'utf8')
    await raft('--seed', '420')
    expect(readFileSync(space.path('out.jsonl'), 'utf8')).toBe(bytes)
    await raft('--seed', '421')
    expect(readFileSync(space.path('out.jsonl'), 'utf8')).not.toBe(bytes)
  })

  test('refuse where the document is missing, when told to', async () => {
    await raft('--without-golden', 'refuse', '--refusal', 'No.', '--golden-probability', '0', '--split', '1')
    const rows = (await loadRows(space.path('out.jsonl'))) as ContextRow[]
    expect(new Set(rows.flatMap((row) => row.questions.map(({ answer }) => answer)))).toEqual(new Set(['No.']))
  })

  test('tables are written into contexts', async () => {
    const table = file('fruit.csv', 'Fruit,Colour\nLemon,yellow\nPlum,blue\n')
    const asked = file(
      'fruit.jsonl',
      lines([{ question: 'Which colour has a plum?', answer: 'blue', document: 'fruit' }]),
    )
    await raft('--documents', table, '--questions', asked, '--golden-probability', '1')
    const [row] = (await loadRows(space.path('out.jsonl'))) as ContextRow[]
    expect(row!.context).toEqual([
      { id: 'fruit', text: '| Fruit | Colour |\n| --- | --- |\n| Lemon | yellow |\n| Plum | blue |' },
    ])
  })
})

describe.skipIf(modelSource === undefined)('refused questions', () => {
  const bad = [
    { question: 'Where?', answer: 'nowhere' },
    { id: 'near', question: 'What is the code of place-1?', answer: 'c1x', document: 'place_1' },
  ]

  test('are named, counted, and listed by --json', async () => {
    const asked = file('some.jsonl', lines([...questions, ...bad]))
    const told = [
      'refused 2 of 22 questions',
      `  ${asked}: row 21: answer "nowhere" stands in no document`,
      `  ${asked}: row 22 (near): unknown document "place_1" (did you mean "place-1"?)`,
    ]
    const { code, out, err } = await raft('--questions', asked, '--json')
    expect(code).toBe(0)
    expect(err.split('\n').slice(0, 3)).toEqual(told)
    const result = JSON.parse(out) as { output: string; statistics: RaftStatistics; refused: unknown }
    expect(result.output).toBe(space.path('out.jsonl'))
    expect(result.statistics.questions).toEqual({ read: 22, kept: 20, refused: 2 })
    expect(result.refused).toEqual([
      { file: asked, row: 21, question: 'Where?', reason: 'answer "nowhere" stands in no document' },
      {
        file: asked,
        row: 22,
        id: 'near',
        question: 'What is the code of place-1?',
        reason: 'unknown document "place_1" (did you mean "place-1"?)',
      },
    ])
  })

  test('are an error with --strict, or when none is left, and then nothing is written', async () => {
    const asked = file('some.jsonl', lines([...questions, ...bad]))
    const none = file('none.jsonl', lines(bad))
    const output = space.path('strict.jsonl')
    const strict = await raft('--questions', asked, '--strict', '--output', output)
    expect(strict).toMatchObject({ code: 1, out: '' })
    expect(strict.err).toContain(
      `error: --strict: 2 of 22 questions refused, nothing written: ${asked}: row 21: answer "nowhere" stands in no document\n`,
    )
    const empty = await raft('--questions', none, '--output', output)
    expect(empty).toMatchObject({ code: 1, out: '' })
    expect(empty.err).toContain(
      `error: ${none}: no question is left, nothing written: ${none}: row 1: answer "nowhere"`,
    )
    expect(existsSync(output)).toBe(false)
  })
})

describe.skipIf(modelSource === undefined)('rows that cannot be read', () => {
  test('are told and counted, and stop nothing without --strict', async () => {
    const asked = file('gaps.jsonl', `${lines(questions)}{"id":"g","question":"Who?"}\n{"question":"broken\n`)
    const { code, err } = await raft('--questions', asked)
    expect(code).toBe(0)
    expect(err).toContain('refused 2 of 22 questions\n')
    expect(err).toContain(`  ${asked}: row 21 (g): got nothing; expected a string\n`)
    expect(err).toContain(`  ${asked}: row 22: broken JSON`)
    expect(err).toContain('questions  22 read, 20 kept, 2 refused')
    const strict = await raft('--questions', asked, '--strict')
    expect(strict.code).toBe(1)
    expect(strict.err).toContain('error: --strict: 2 of 22 questions refused, nothing written')
  })

  test('files that are not read are listed with the reason', async () => {
    file('docs/report.pdf', '%PDF-1.4')
    file('docs/picture.png', '')
    const { code, err } = await raft()
    expect(code).toBe(0)
    expect(err).toContain('skipped 2 files or rows\n')
    expect(err).toContain(
      `  1 × is not a PDF that can be read: Invalid PDF structure: ${space.path('docs/report.pdf')}\n`,
    )
    expect(err).toContain(`  1 × .png is not read: ${space.path('docs/picture.png')}\n`)
    rmSync(space.path('docs/report.pdf'))
    rmSync(space.path('docs/picture.png'))
  })

  test('nothing held out is said', async () => {
    expect((await raft('--split', '1')).err).toContain('note       nothing is held out')
  })
})

describe('wrong usage ends with 2', () => {
  test.each<[string[], string]>([
    [['--chunk-tokens', '15'], '--chunk-tokens: got "15", expected an integer ≥ 16'],
    [
      ['--chunk-tokens', '64', '--chunk-overlap', '64'],
      '--chunk-overlap: got 64, expected less than the 64 of --chunk-tokens',
    ],
    [['--golden-probability', '1.5'], '--golden-probability: got "1.5", expected a number from 0 to 1'],
    [['--split', '-0.1'], '--split: got "-0.1", expected a number from 0 to 1'],
    [['--distractors', '-1'], '--distractors: got "-1", expected an integer ≥ 0'],
    [['--without-golden', 'drop'], '--without-golden: got "drop", expected keep or refuse'],
    [['--refusal', 'No.'], '--refusal goes with --without-golden refuse'],
    [['--table-format', 'html'], '--table-format: got "html", expected markdown, csv or tsv'],
  ])('%j', async (flags, message) => {
    expect(await raft(...flags)).toEqual({ code: 2, out: '', err: `error: ${message}\n` })
  })

  test('the output is not a folder, and none of the inputs', async () => {
    const asked = space.path('q.jsonl')
    expect((await raft('--output', asked)).err).toBe(`error: --output: ${asked} is what --questions reads\n`)
    expect((await raft('--output', space.dir)).err).toBe(`error: --output: ${space.dir} is a folder, expected a file\n`)
  })
})

test('bad input ends with 1, naming file and row', async () => {
  const table = file('ragged.csv', 'a,b\n1,2\n1\n')
  expect(await raft('--documents', table)).toEqual({
    code: 1,
    out: '',
    err: `error: ${table}: row 3 (line 3): got 1 cells; expected 2, as in the header\n`,
  })
  const twice = file(
    'twice.jsonl',
    lines([
      { id: 'a', text: 'x' },
      { id: 'a', text: 'y' },
    ]),
  )
  if (modelSource !== undefined)
    expect((await raft('--documents', twice)).err).toBe(
      `error: ${twice}: row 2: "id": "a" appears twice, first in row 1\n`,
    )
})
