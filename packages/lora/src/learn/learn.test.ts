// learn, stopped while it trains and while it drafts: the next call goes on where it was.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openModel, type OpenModel } from '@jora/llama'
import { setDefaultDevice, type Device } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { JoraConfig } from '../settings/jora-config'
import { learn, learnUntil } from './learn'
import type { LearnOptions } from './options'

const modelPath = fileURLToPath(new URL('../../../../apps/cli/assets/tiny-llama', import.meta.url))
let [dir, model, device]: [string, OpenModel, Device] = ['', undefined as never, undefined as never]

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'jora-learn-'))
  mkdirSync(join(dir, 'docs'))
  for (const [i, town] of ['Arl', 'Bex', 'Cor', 'Dun', 'Elm', 'Fir'].entries())
    writeFileSync(
      join(dir, 'docs', `${town}.txt`),
      `The town of ${town} has ${1000 + 37 * i} inhabitants, who live on both banks of a slow river and in the hills behind it.`,
    )
  model = await openModel(modelPath)
  device = await openCpuDevice()
  setDefaultDevice(device)
}, 60_000)
afterAll(async () => {
  setDefaultDevice(undefined)
  await model[Symbol.asyncDispose]()
  await device.close()
  rmSync(dir, { recursive: true, force: true })
})

/** Writes one question on each passage, and counts how often it is asked. */
function drafter(stopAfter = Infinity, stop = new AbortController()) {
  const asked = { count: 0 }
  return {
    asked,
    stop,
    open: async () => ({
      name: 'scripted',
      drafter: {
        async ask({ messages }: { messages: readonly { content: string }[] }) {
          if (++asked.count > stopAfter) {
            stop.abort(new Error('stopped'))
            throw stop.signal.reason as Error
          }
          const [, town = '', n = ''] = /The town of (\w+) has (\d+)/.exec(messages.at(-1)!.content)!
          const text = JSON.stringify([
            { question: `How many people live in ${town}?`, answer: n, quote: `${town} has ${n} inhabitants` },
          ])
          return { text, ids: [], finishReason: 'stop' as const, promptTokens: 0 }
        },
      },
      dispose: async () => {},
    }),
  }
}

test('a run goes on after it was stopped while drafting, and while training', async () => {
  const config = new JoraConfig({
    modelPath,
    device: 'cpu',
    epochs: 3,
    batchSize: 1,
    gradientAccumulationSteps: 1,
    loraR: 2,
    split: 0.6,
    saveEvery: 1,
    maxSeqLength: 512,
  })
  const options = {
    documents: join(dir, 'docs'),
    outputDir: join(dir, 'out'),
    model,
    config,
    drafting: { perChunk: 1, unanswerable: 0, check: false, concurrency: 1 },
    raft: { distractors: 1 },
    openDevice: async () => device,
    maxNewTokens: 4,
  } satisfies LearnOptions

  const first = drafter(2)
  await expect(learn({ ...options, openDrafter: first.open, signal: first.stop.signal })).rejects.toThrow('stopped')

  const second = drafter()
  const stop = new AbortController()
  const steps: number[] = []
  const stopping = learn({
    ...options,
    openDrafter: second.open,
    signal: stop.signal,
    onTrain: (event) => {
      if (event.type !== 'step') return
      steps.push(event.step)
      if (event.step === 2) stop.abort(new Error('enough'))
    },
  })
  await expect(stopping).rejects.toThrow('enough')
  // Two replies of the first call were kept.
  expect(second.asked.count).toBe(4)
  expect(steps).toEqual([1, 2])

  const asking = new AbortController()
  const answering = learn({
    ...options,
    openDrafter: drafter(0).open,
    signal: asking.signal,
    onTrain: (event) => void (event.type === 'step' && steps.push(event.step)),
    onProgress: (_done, _total, what) => what === 'base' && asking.abort(new Error('asked one')),
  })
  await expect(answering).rejects.toThrow('asked one')

  const stages: string[] = []
  const answers: string[] = []
  const learned = await learn({
    ...options,
    openDrafter: drafter(0).open,
    onStage: (stage, state) => void stages.push(`${stage} ${state}`),
    onProgress: (done, _total, what, earlier) => void answers.push(`${what} ${done}, ${earlier} before`),
  })
  expect(answers[0]).toBe('base 1, 1 before')
  expect(answers.at(-1)).toBe(`tuned ${learned.evaluation.questions}, 0 before`)
  expect(readdirSync(join(dir, 'out')).filter((name) => name.startsWith('.'))).toEqual([])
  expect(stages).toEqual(['read stands', 'draft stands', 'contexts stands', 'train stands', 'evaluate begins'])
  expect(steps).toEqual(Array.from({ length: learned.training.steps }, (_, i) => i + 1))
  expect(learned.questions).toMatchObject({ accepted: 6, drafter: 'scripted' })
  expect(readFileSync(join(dir, 'out/report.md'), 'utf8')).toContain('are drafts of scripted')
}, 120_000)

test('reading and contexts go on behind the file, and the document, at which they were stopped', async () => {
  const questions = join(dir, 'asked.jsonl')
  writeFileSync(questions, '{"question":"How many live in Arl?","answer":"1000","document":"Arl"}\n')
  const seen: string[] = []
  const until = async (at = '') => {
    const stop = new AbortController()
    return learnUntil('contexts', {
      documents: join(dir, 'docs'),
      outputDir: join(dir, 'stopped'),
      model,
      config: new JoraConfig({ modelPath, device: 'cpu', split: 0.6 }),
      questions,
      openDevice: async () => device,
      signal: stop.signal,
      onProgress(done, _total, what, earlier) {
        if (earlier !== done) seen.push(`${what} ${done}`)
        if (`${what} ${done}` === at) stop.abort(new Error(at))
      },
    })
  }
  const one = (what: string, count: number) => Array.from({ length: count }, (_, i) => `${what} ${i + 1}`)
  for (const moment of ['file 2', 'file 5', 'chunk 1', 'chunk 4']) await expect(until(moment)).rejects.toThrow(moment)
  expect((await until()).contexts).toMatchObject({ chunks: 6, contexts: 1 })
  expect(seen).toEqual([...one('file', 6), ...one('chunk', 6), 'index 6', ...one('golden', 1), ...one('context', 1)])
})

test('questions of a table, by its own columns or by others; a row that cannot be read is named', async () => {
  const config = new JoraConfig({ modelPath, device: 'cpu', split: 0.6 })
  const until = async (name: string, table: string, columns?: LearnOptions['columns']) => {
    const questions = join(dir, `${name}.csv`)
    writeFileSync(questions, table)
    return learnUntil('contexts', {
      documents: join(dir, 'docs'),
      outputDir: join(dir, name),
      model,
      config,
      questions,
      columns,
      raft: { distractors: 1 },
      openDevice: async () => device,
    })
  }
  const asCalled = await until(
    'called',
    'question,answer,document\nHow many live in Arl?,1000,Arl\nAnd in Bex?,1037,Bex\n',
  )
  expect(asCalled.questions).toEqual({ accepted: 2, rejected: 0 })
  const others = await until('others', 'Frage;Antwort;document\nHow many live in Arl?;1000;Arl\nAnd in Bex?;;Bex\n', {
    question: 'Frage',
    answer: 'Antwort',
  })
  expect(others.questions).toEqual({ accepted: 1, rejected: 0 })
  expect(others.contexts!.refused).toEqual([
    { question: '', reason: 'row 2, "question": got nothing; expected a string' },
  ])
  expect(readFileSync(join(dir, 'others/questions.jsonl'), 'utf8')).toContain('"question":"How many live in Arl?"')
})
