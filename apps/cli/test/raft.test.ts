// From documents to a model that answers from them, on the command line: retrieve, look, train as trees, evaluate, ask.
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { writeTinyEncoder } from '../../../packages/llama/test/tiny-encoder'
import { jora, modelSource, workspace } from './harness'

const space = workspace()
const { path } = space
afterAll(() => space.remove())

const places = ['Ada', 'Ban', 'Cor', 'Dun', 'Eld', 'Fen', 'Gor', 'Hul', 'Ism', 'Jor', 'Kel', 'Lom']
const facts = (name: string, i: number) => [
  [`What is the river of ${name}?`, `The river of ${name} is blue ${i}.`],
  [`Where is ${name}?`, `${name} is in the garden ${i}.`],
  [`What do people in ${name} eat?`, `People in ${name} eat soup ${i}.`],
]

describe.skipIf(!modelSource)('RAFT (needs a small model)', () => {
  beforeAll(async () => {
    const lines = (rows: readonly unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('')
    const documents = places.map((name, i) => ({
      id: name,
      text: facts(name, i)
        .map(([, a]) => a)
        .join(' '),
    }))
    const questions = places.flatMap((name, i) =>
      facts(name, i).map(([question, answer]) => ({ document: name, question, answer })),
    )
    writeFileSync(path('documents.jsonl'), lines(documents))
    writeFileSync(path('questions.jsonl'), lines(questions))
    const sources = ['--documents', path('documents.jsonl'), '--questions', path('questions.jsonl')]
    const shape = ['--distractors', '1', '--golden-probability', '1', '--output', path('raft.jsonl')]
    await jora(['data', 'raft', '--model', path('model'), ...sources, ...shape])
  })
  const on = (...more: string[]) => ['--model', path('model'), '--dataset', path('raft.jsonl'), ...more]

  test('distractors are found by meaning and by both, and vectors are made once', async () => {
    mkdirSync(path('encoder'))
    await writeTinyEncoder(path('encoder'))
    const build = async (...more: string[]) => {
      const sources = ['--documents', path('documents.jsonl'), '--questions', path('questions.jsonl')]
      const shape = ['--distractors', '1', '--golden-probability', '1', '--output', path('mined.jsonl'), '--overwrite']
      const { code, err } = await jora(['data', 'raft', '--model', path('model'), ...sources, ...shape, ...more])
      expect(code, err).toBe(0)
      return { rows: readFileSync(path('mined.jsonl'), 'utf8').trim().split('\n'), err }
    }
    const embedded = ['--embedder', path('encoder'), '--index-dir', path('vectors')]
    const dense = await build('--retriever', 'dense', ...embedded)
    const bytesOf = () => readdirSync(path('vectors')).map((name) => statSync(join(path('vectors'), name)).size)
    const before = bytesOf()
    expect(before).toHaveLength(1)
    const hybrid = await build('--retriever', 'hybrid', ...embedded)
    expect(bytesOf()).toEqual(before)
    const words = await build()
    for (const { rows } of [dense, hybrid, words]) expect(rows).toHaveLength(places.length)
    expect(dense.rows).not.toEqual(words.rows)
    expect((await build('--retriever', 'dense', ...embedded)).rows).toEqual(dense.rows)
    const none = ['--retriever', 'dense', '--embedder', path('model'), '--index-dir', path('vectors')]
    const sources = ['--documents', path('documents.jsonl'), '--questions', path('questions.jsonl')]
    const refused = await jora([
      'data',
      'raft',
      '--model',
      path('model'),
      ...sources,
      '--output',
      path('no.jsonl'),
      ...none,
    ])
    expect(refused.code).toBe(1)
    expect(refused.err).toContain('"model_type" is "llama"; expected "bert"')
  })

  test('data preview draws the tree, and tells what training takes', async () => {
    const { code, out } = await jora(['data', 'preview', ...on('--index', '1', '--batch-size', '6')])
    expect(code).toBe(0)
    expect(out).toMatch(
      /^row \d+ of \d+ {2}\d+ tokens, 3 questions on \d+ tokens of context \(\d+ apart\), \d+ learned/,
    )
    expect(out).toMatch(/### Context:\n<DOCUMENT>[^]*<\/DOCUMENT>\n│\n├─ ### Question:\n│ {2}\S[^]*├─ [^]*└─ [^]*⟦/)
    expect(out).toMatch(/\nrows +12, 36 samples on 12 contexts, \d+ held out\n/)
    expect(out).toMatch(/\ntokens +[\d,]+ tokens as context trees, [\d,]+ apart \(\d\.\d×\)\n/)
    expect(out).toMatch(/\ntraining +\d+ steps? an epoch, \d+ steps in all, [\d.]+ [MG]FLOP: on this CPU at least /)
    const json = await jora(['data', 'preview', ...on('--packing', 'none', '--no-estimate-time', '--json')])
    const shown = JSON.parse(json.out) as {
      packing: string
      parts: string[]
      learned: boolean[]
      statistics: Record<string, number>
      plan: Record<string, number>
    }
    expect(shown).toMatchObject({ packing: 'none', statistics: { samples: 36, contexts: 12, dropped: 0 } })
    expect(new Set(shown.parts)).toEqual(new Set(['context', 'question', 'answer', 'end']))
    expect(shown.parts.map((part) => part === 'answer' || part === 'end')).toEqual(shown.learned)
    expect(shown.plan.cpuSeconds).toBeUndefined()
  })

  test('data preview in colours, and what is too long told without stopping', async () => {
    const colours = await jora(['data', 'preview', ...on('--no-estimate-time')], { isTTY: true })
    expect(colours.out).toContain('\u001b[36m### Question:')
    expect(colours.out).toContain('\u001b[2m<DOCUMENT>')
    const short = await jora(['data', 'preview', ...on('--no-estimate-time', '--max-seq-length', '145')])
    expect(short.code + short.out).toMatch(/^0[^]*\nover 145 +\d+: training stops at them/)
  })

  test('training packs trees by itself, and its adapter is evaluated and asked', async () => {
    const settings = ['--num-epochs', '2', '--batch-size', '6', '--gradient-accumulation-steps', '1', '--lr', '5e-3']
    const trained = await jora(['train', ...on('--output-dir', path('out'), ...settings)])
    expect(trained).toMatchObject({ code: 0 })
    expect(trained.err).toMatch(/\d+ samples on \d+ contexts \(\d+ held out\)/)
    expect(trained.err).toMatch(/context trees: [\d.]+k? → [\d.]+k? tokens \(\d\.\d× fewer\)/)
    const metrics = readFileSync(path('out/metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((l) => JSON.parse(l) as Record<string, number>)
    const samples = metrics
      .filter((m) => String(m.type) === 'step' && m.epoch! <= 1)
      .reduce((n, m) => n + m.samples!, 0)
    const record = JSON.parse(readFileSync(path('out/run.json'), 'utf8')) as {
      dataset: { packing: string; statistics: { train: { samples: number } } }
    }
    expect([record.dataset.packing, samples]).toEqual(['tree', record.dataset.statistics.train.samples])

    // Trees are the same training as separate samples, up to how they fall into steps.
    const asked = ['eval', ...on('--adapter', path('out'), '--split', '0.8', '--max-new-tokens', '6')]
    const [tree, none] = [
      await jora([...asked, '--json', '--output', path('answers.jsonl')]),
      await jora([...asked, '--json', '--packing', 'none']),
    ]
    const [a, b] = [tree, none].map(({ out }) => JSON.parse(out) as Record<string, number>) as [
      Record<string, number>,
      Record<string, number>,
    ]
    expect(a.loss).toBeCloseTo(b.loss!, 4)
    expect({ ...a, loss: 0, perplexity: 0, seconds: 0 }).toEqual({ ...b, loss: 0, perplexity: 0, seconds: 0 })
    const answers = readFileSync(path('answers.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((l) => JSON.parse(l) as Record<string, unknown>)
    expect(answers).toHaveLength(a.samples!)
    expect(answers[0]).toMatchObject({
      question: 0,
      answers: [expect.any(String)],
      prediction: expect.any(String),
      exactMatch: expect.any(Boolean),
    })
    const two = await jora([...asked, '--limit', '2', '--json'])
    expect(JSON.parse(two.out)).toMatchObject({ samples: 2 })

    writeFileSync(path('one.txt'), 'The river of Mor is red.\n')
    const ask = ['generate', '--model', path('model'), '--adapter', path('out'), '--max-new-tokens', '4', '--json']
    const answer = await jora([...ask, '--document', path('one.txt'), '--question', 'What is the river of Mor?'])
    expect(JSON.parse(answer.out)).toMatchObject({ tokens: expect.any(Array), finishReason: expect.any(String) })
    expect(await jora([...ask, '--question', 'What?'])).toMatchObject({
      code: 2,
      err: 'error: --question needs a --document FILE to answer from\n',
    })
    expect(await jora([...ask, '--document', path('none.txt'), '--question', 'What?'])).toMatchObject({
      code: 1,
      err: `error: ${join(path('none.txt'))}: no such file\n`,
    })
  }, 300_000)
})
