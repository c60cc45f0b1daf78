// Rows of files of any size: the same samples, the same run, wherever the samples are.
import { appendFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  checkJudged,
  checkPair,
  loadChecked,
  loadRows,
  prepareJudged,
  preparePairs,
  samplesOf,
  type Sample,
} from '@jora/data'
import { openModel, type OpenModel } from '@jora/llama'
import {
  generateAlpacaDataset,
  JoraConfig,
  loadDatasets,
  mixDatasets,
  samplesFromRows,
  streamDataset,
  trainLora,
  type JoraSettings,
  type PrepareEvent,
  type SampleList,
  type StreamOptions,
} from '../index'
import { hashSamples } from '../runs/hashes'
import { modelPath, setUp } from '../train/train-lora-harness'

setUp()

const words = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten', 'eleven', 'twelve']
const instructions = words.map((word, i) => ({
  instruction: i % 3 === 0 ? 'Say it.' : `Say ${word} again`,
  ...(i % 2 === 0 && { input: words[i % 4]! }),
  output: `${word} `.repeat(1 + (i % 5)).trim(),
}))
const contexts = words.slice(0, 8).map((word, i) => ({
  context: [{ text: `${word} is here` }, { text: `${words[i + 1]!} is there` }],
  questions: [
    { question: 'Where?', answer: word, documents: 1 },
    { question: 'And?', answer: words[i + 1]! },
  ],
}))
const conversations = words.map((word) => ({ prompt: `${word} `, completion: word }))

let folder: string
let model: OpenModel
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'jora-streamed-'))
  model = await openModel(modelPath, { local: true })
  const write = (name: string, rows: readonly unknown[]) =>
    writeFile(join(folder, name), rows.map((row) => JSON.stringify(row)).join('\n'))
  await write('instructions.jsonl', instructions)
  await write('contexts.jsonl', contexts)
  await write('completions.jsonl', conversations)
  await write(
    'pairs.jsonl',
    words.map((word, i) => ({ prompt: `Say ${words[i % 9]!}.`, chosen: word, rejected: `not ${word}` })),
  )
  await write(
    'judged.jsonl',
    words.map((word, i) => ({ prompt: `Say ${words[i % 9]!}.`, completion: word, label: i % 3 > 0 })),
  )
  await writeFile(join(folder, 'instructions.json'), JSON.stringify(instructions))
  const cells = instructions.map(({ instruction, input = '', output }) => `${instruction},${input},${output}`)
  await writeFile(join(folder, 'instructions.csv'), ['instruction,input,output', ...cells].join('\n'))
})
afterAll(async () => {
  await model[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

const configOf = (settings: Partial<JoraSettings> = {}) =>
  new JoraConfig({
    modelPath,
    promptTemplate: 'raft',
    maxSeqLength: 128,
    batchSize: 2,
    gradientAccumulationSteps: 1,
    epochs: 2,
    loraR: 4,
    loraAlpha: 8,
    learningRate: 0.01,
    split: 0.75,
    ...settings,
  })

const cacheDir = () => join(folder, 'cache')
/** All in a file, whatever their size. */
const fromFile = (files: string, config: JoraConfig, part: 'train' | 'test' = 'train', options: StreamOptions = {}) =>
  streamDataset(named(files), part, config, model, { memoryBytes: 0, cacheDir: cacheDir(), ...options })
const named = (files: string) =>
  files
    .split(',')
    .map((file) => join(folder, file))
    .join(',')

/** The samples of rows that are all in memory. */
async function inMemory(files: string, part: 'train' | 'test', config: JoraConfig) {
  const { evalDataset, datasetWeights, alpacaMixFile, split, seed } = config.settings
  const rows = mixDatasets(await loadDatasets(named(files)), {
    weights: datasetWeights?.split(',').map(Number),
    heldOut: evalDataset === undefined ? undefined : (await loadDatasets(evalDataset)).flat(),
    split,
    seed,
  })
  const mixRows = alpacaMixFile === undefined ? undefined : await loadRows(alpacaMixFile)
  return samplesFromRows({ rows, mixRows }, part, config, {
    tokenizer: model.tokenizer,
    vocabSize: model.config.vocabSize,
  })
}

const allOf = (of: SampleList): Promise<Sample[]> => {
  const samples = samplesOf(of)
  return samples.read(Array.from({ length: samples.length }, (_, i) => i))
}

const cases: readonly [string, string, Partial<JoraSettings>][] = [
  ['instructions', 'instructions.jsonl', {}],
  ['a JSON array', 'instructions.json', { split: 1 }],
  ['a table of cells', 'instructions.csv', {}],
  ['what is too long left out', 'instructions.jsonl', { maxSeqLength: 80, onOverflow: 'drop' }],
  ['what is too long cut', 'instructions.jsonl', { maxSeqLength: 80, onOverflow: 'truncate' }],
  ['context trees', 'contexts.jsonl', { packing: 'tree' }],
  ['contexts apart', 'contexts.jsonl', { packing: 'none' }],
  ['contexts as they are packed best', 'contexts.jsonl', { packing: 'auto' }],
  ['several files by weight', 'instructions.jsonl,completions.jsonl', { datasetWeights: '1.5,0.5' }],
]

describe.each(cases)('%s', (_name, files, settings) => {
  test.each(['train', 'test'] as const)(
    '%s: samples, counts, notes and hash are those of rows in memory',
    async (part) => {
      const config = configOf(settings)
      const held = await inMemory(files, part, config)
      using streamed = await fromFile(files, config, part)
      expect('tokensOf' in streamed.samples).toBe(true)
      const { samples, heldOut, hash: _hash, path: _path, [Symbol.dispose]: _close, ...rest } = streamed
      const { samples: heldSamples, heldOut: heldHeldOut, ...heldRest } = held
      expect(await allOf(samples)).toEqual(heldSamples)
      expect(await allOf(heldOut)).toEqual(heldHeldOut)
      expect(rest).toEqual(heldRest)
      const [a, b] = [samplesOf(samples), samplesOf(heldSamples)]
      for (let i = 0; i < a.length; i++)
        for (const figure of ['tokensOf', 'targetsOf', 'reachOf', 'branchesOf', 'contextOf'] as const)
          expect([figure, i, a[figure](i)]).toEqual([figure, i, b[figure](i)])
    },
  )
})

test.each(['dpo', 'orpo', 'kto'] as const)('%s: preferences are those of rows in memory', async (objective) => {
  for (const change of [
    {},
    { maxSeqLength: 16, onOverflow: 'drop' },
    { maxSeqLength: 16, onOverflow: 'truncate' },
  ] as const) {
    const config = configOf({ objective, promptTemplate: 'none', ...change })
    const { maxSeqLength, onOverflow, split, seed, contextTemplate } = config.settings
    const rules = {
      tokenizer: model.tokenizer,
      vocabSize: model.config.vocabSize,
      template: 'none',
      contextTemplate,
    } as const
    const options = { ...rules, maxSeqLength, onOverflow, split, seed }
    const file = objective === 'kto' ? 'judged.jsonl' : 'pairs.jsonl'
    const held =
      objective === 'kto'
        ? prepareJudged(await loadChecked(named(file), checkJudged), options)
        : preparePairs(await loadChecked(named(file), checkPair), options)
    using streamed = await fromFile(file, config)
    expect(await allOf(streamed.samples)).toEqual(held.train)
    expect(await allOf(streamed.heldOut)).toEqual(held.heldOut)
    expect(streamed.statistics).toEqual(held.statistics)
    expect(streamed.prompt).toEqual(held.prompt)
  }
})

test('general rows, rows to hold out and questions to be answered are those of rows in memory', async () => {
  const config = configOf({
    alpacaMixFile: named('completions.jsonl'),
    alpacaMix: 0.9,
    evalDataset: named('contexts.jsonl'),
    evalMetrics: ['exact_match'],
    evalSamples: 5,
    packing: 'auto',
  })
  const held = await inMemory('instructions.jsonl', 'train', config)
  using streamed = await fromFile('instructions.jsonl', config)
  const { samples, heldOut, hash: _hash, path: _path, [Symbol.dispose]: _close, ...rest } = streamed
  const { samples: heldSamples, heldOut: heldHeldOut, ...heldRest } = held
  expect(heldRest.questions).toHaveLength(5)
  expect(await allOf(samples)).toEqual(heldSamples)
  expect(await allOf(heldOut)).toEqual(heldHeldOut)
  expect(rest).toEqual(heldRest)
})

describe.each([
  ['instructions', 'instructions.jsonl', { lengthCurriculum: 'first' }],
  ['context trees', 'contexts.jsonl', { packing: 'tree', gradientAccumulationSteps: 2 }],
  ['contexts apart', 'contexts.jsonl', { packing: 'none', epochs: 1, maxSteps: 4 }],
  ['pairs', 'pairs.jsonl', { objective: 'orpo', epochs: 1 }],
  ['judged answers', 'judged.jsonl', { objective: 'kto', epochs: 1 }],
] as const)('a run on %s', (name, files, settings) => {
  test('leaves the same adapter from a file as from memory, stopped and gone on with too', async () => {
    const config = configOf({ ...settings, saveEvery: 1 })
    const bytesOf = (out: string) => readFile(join(out, 'adapter_model.safetensors'))
    const events: string[][] = [[], []]
    const out = [0, 1, 2].map((i) => join(folder, `${name}-${i}`)) as [string, string, string]
    await trainLora(config, await generateAlpacaDataset(named(files), 'train', config, model), out[0], {
      model,
      onEvent: (event) => void (event.type === 'step' && events[0]!.push(`${event.loss}`)),
    })
    using streamed = await fromFile(files, config)
    await trainLora(config, streamed, out[1], {
      model,
      onEvent: (event) => void (event.type === 'step' && events[1]!.push(`${event.loss}`)),
    })
    expect(events[1]).toEqual(events[0])
    expect(await bytesOf(out[1])).toEqual(await bytesOf(out[0]))
    const stop = new AbortController()
    const { finished } = await trainLora(config, streamed, out[2], {
      model,
      signal: stop.signal,
      onEvent: (event) => void (event.type === 'step' && event.step === 2 && stop.abort()),
    })
    expect(finished).toBe(false)
    // What was prepared is there for whoever goes on.
    const told: string[] = []
    using again = await fromFile(files, config, 'train', { onPrepare: ({ stage }) => told.push(stage) })
    await trainLora(config, again, out[2], { model, resume: 'auto' })
    expect(await bytesOf(out[2])).toEqual(await bytesOf(out[0]))
  })
})

test('prepared samples are used again until a row, a setting or the tokenizer changes', async () => {
  const root = join(folder, 'again')
  const stages = async (config: JoraConfig) => {
    const told = new Set<string>()
    using _dataset = await fromFile('instructions.jsonl', config, 'train', {
      cacheDir: root,
      onPrepare: ({ stage }) => void told.add(stage),
    })
    return [...told]
  }
  expect(await stages(configOf())).toEqual(['checking', 'reading', 'tokenising'])
  expect(await stages(configOf())).toEqual(['checking'])
  expect(await stages(configOf({ learningRate: 0.5 }))).toEqual(['checking'])
  expect(await stages(configOf({ seed: 7 }))).toEqual(['checking', 'reading', 'tokenising'])
  expect(await readdir(root)).toHaveLength(2)
  // A run that goes on names the template that `auto` came to.
  expect(await stages(configOf({ maxSeqLength: 256, promptTemplate: 'auto' }))).toEqual([
    'checking',
    'reading',
    'tokenising',
  ])
  expect(await stages(configOf({ maxSeqLength: 256, promptTemplate: 'alpaca' }))).toEqual(['checking'])
  expect(await stages(configOf({ maxSeqLength: 256, promptTemplate: 'raft' }))).toEqual([
    'checking',
    'reading',
    'tokenising',
  ])
  const text = await readFile(named('instructions.jsonl'), 'utf8')
  await writeFile(named('instructions.jsonl'), text.replace('again', 'twice'))
  try {
    expect(await stages(configOf())).toEqual(['checking', 'reading', 'tokenising'])
  } finally {
    await writeFile(named('instructions.jsonl'), text)
  }
})

test('small files, and tables of cells, are read once', async () => {
  const config = configOf({ evalMetrics: ['exact_match'], evalSamples: 3 })
  const bytesRead = async (file: string, options: StreamOptions = {}) => {
    const read: Record<string, number> = {}
    const onPrepare = ({ stage, doneBytes }: PrepareEvent) => void (read[stage] = doneBytes)
    using _dataset = await streamDataset(named(file), 'train', config, model, { ...options, onPrepare })
    return read
  }
  const { size } = await stat(named('instructions.jsonl'))
  expect(await bytesRead('instructions.jsonl')).toEqual({ reading: size })
  const large = { memoryBytes: 0, cacheDir: join(folder, 'read-once') }
  expect(await bytesRead('instructions.jsonl', large)).toEqual({ checking: size, reading: size, tokenising: size })
  const table = await stat(named('instructions.csv'))
  expect(await bytesRead('instructions.csv', large)).toEqual({ checking: table.size, reading: table.size })
})

describe('rows of ids', () => {
  const rows = 8000
  const tokens = 120
  const file = () => join(folder, 'ids.jsonl')
  const config = () => configOf({ promptTemplate: 'none', split: 0.9, maxSeqLength: tokens })
  beforeAll(async () => {
    const line = (row: number) => {
      const ids = Array.from({ length: tokens }, (_, t) => 3 + ((row * 31 + t * 7) % 40))
      return JSON.stringify({ input_ids: ids, labels: ids })
    }
    await writeFile(file(), Array.from({ length: rows }, (_, row) => line(row)).join('\n'))
  })

  test('of samples larger than the allowance only figures stay in memory, and a step reads its own', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const used = () => {
      // The second one waits until what the first one found is swept.
      collect()
      collect()
      const { heapUsed, arrayBuffers } = process.memoryUsage()
      return heapUsed + arrayBuffers
    }
    // What is made once, as compiled code, does not count.
    ;(await fromFile('completions.jsonl', config()))[Symbol.dispose]()
    const before = used()
    let [most, events] = [0, 0]
    const onPrepare = () => {
      if (++events % 8 === 0) most = Math.max(most, used() - before)
    }
    const allowance = 2 ** 18
    using streamed = await streamDataset(file(), 'train', config(), model, {
      memoryBytes: allowance,
      cacheDir: join(folder, 'ids-cache'),
      onPrepare,
    })
    most = Math.max(most, used() - before)
    expect(events).toBeGreaterThan(24)
    const sampleBytes = streamed.statistics.tokens * 8
    expect(sampleBytes).toBeGreaterThan(12 * allowance)
    // Of samples in memory it is more. The rows' keys and figures, pieces of the file, and what waits to be written.
    expect(most).toBeLessThan(sampleBytes / 2)

    const reads: number[] = []
    const { samples } = streamed
    if (!('tokensOf' in samples)) throw new Error('the samples are in memory')
    const read = samples.read.bind(samples)
    samples.read = (indices) => {
      reads.push(indices.length)
      return read(indices)
    }
    const out = join(folder, 'ids-run')
    await trainLora(configOf({ ...config().settings, maxSteps: 3, batchSize: 2 }), { ...streamed, heldOut: [] }, out, {
      model,
    })
    const inSteps = reads.filter((count) => count <= 2)
    // One step is read ahead, and the rest of the reads hash what is trained on.
    expect(inSteps).toEqual([2, 2, 2, 2])
    expect(Math.max(...reads)).toBe(256)
  }, 60_000)

  test('a stop while rows are prepared leaves nothing, and what a killed process left is no hindrance', async () => {
    const cache = join(folder, 'stopped')
    const options = { memoryBytes: 2 ** 16, cacheDir: cache }
    const stop = new AbortController()
    const onPrepare = ({ stage, doneBytes }: PrepareEvent) => {
      if (stage === 'tokenising' && doneBytes > 2 ** 20) stop.abort(new Error('stopped'))
    }
    await expect(
      streamDataset(file(), 'train', config(), model, { ...options, onPrepare, signal: stop.signal }),
    ).rejects.toThrow('stopped')
    expect(await readdir(cache)).toEqual([])
    const killed = join(cache, `.${'0'.repeat(32)}.tmp-1-00000000`)
    await mkdir(killed)
    await writeFile(join(killed, 'samples.bin'), 'a part')
    using streamed = await streamDataset(file(), 'train', config(), model, options)
    const held = await generateAlpacaDataset(file(), 'train', config(), model)
    expect(await hashSamples(streamed.samples)).toBe(await hashSamples(held.samples))
    expect(await readdir(cache)).toHaveLength(2)
  }, 60_000)

  test('rows that change while they are read, and samples that are not whole, are refused', async () => {
    const text = await readFile(file(), 'utf8')
    const changing = join(folder, 'changing.jsonl')
    await writeFile(changing, text)
    let isChanged = false
    const onPrepare = ({ stage }: PrepareEvent) => {
      if (stage !== 'tokenising' || isChanged) return
      isChanged = true
      appendFileSync(changing, '\n')
    }
    const cache = join(folder, 'cut')
    const options = { memoryBytes: 2 ** 16, cacheDir: cache }
    await expect(streamDataset(changing, 'train', config(), model, { ...options, onPrepare })).rejects.toThrow(
      'changing.jsonl: was changed while its rows were read',
    )
    ;(await streamDataset(file(), 'train', config(), model, options))[Symbol.dispose]()
    const [key] = await readdir(cache)
    await truncate(join(cache, key!, 'samples.bin'), 1000)
    await expect(streamDataset(file(), 'train', config(), model, options)).rejects.toThrow(
      'the prepared samples are not whole; remove the folder',
    )
  }, 60_000)
})
