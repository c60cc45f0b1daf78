// The paper's three calls, end to end on a tiny model: the files of a run, resumption, and what is refused.
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { appendFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { loadConfig } from '@jora/llama'
import { setDefaultDevice, treeLeaves, type Device } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { openSafetensors } from '@jora/tensor/safetensors'
import { llamaLike } from '../../../data/test/tiny-tokenizers'
import { tinyConfig, writeTinyModel } from '../../../llama/test/tiny-model'
import { RunDirectory } from '../runs/run-directory'
import {
  generateAlpacaDataset,
  JoraConfig,
  joraVersion,
  listCheckpoints,
  loadAdapter,
  ParagemmaConfig,
  ParallamaConfig,
  stepsOfRun,
  trainLora,
  type JoraSettings,
  type TrainEvent,
  type TrainOptions,
  type TrainSummary,
} from '../index'

let device: Device
let models: string
let modelPath: string
let datasetPath: string
beforeAll(async () => {
  device = await openCpuDevice({ threads: 1 })
  setDefaultDevice(device)
  models = mkdtempSync(join(tmpdir(), 'jora-train-model-'))
  const tokenizer = llamaLike()
  modelPath = await writeTinyModel(join(models, 'tiny'), {
    ...tinyConfig,
    num_hidden_layers: 2,
    vocab_size: Object.keys(tokenizer.model.vocab).length,
  })
  await writeFile(join(modelPath, 'tokenizer.json'), JSON.stringify(tokenizer))
  datasetPath = join(models, 'rows.json')
  const rows = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten'].map((word) => ({
    instruction: 'Say it.',
    input: word,
    output: `the ${word}`,
  }))
  await writeFile(datasetPath, JSON.stringify(rows))
})
afterAll(async () => {
  setDefaultDevice(undefined)
  await device.close()
  rmSync(models, { recursive: true })
})
let root: string
let out: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'jora-train-'))
  out = join(root, 'run')
})
afterEach(() => rmSync(root, { recursive: true }))

const configOf = (change: Partial<JoraSettings> = {}) =>
  new JoraConfig({
    modelPath,
    promptTemplate: 'none',
    epochs: 2,
    batchSize: 2,
    gradientAccumulationSteps: 2,
    learningRate: 0.01,
    loraR: 4,
    loraAlpha: 8,
    seed: 3,
    saveEvery: 2,
    ...change,
  })
const train = async (config = configOf(), dir = out, options: TrainOptions = {}): Promise<TrainSummary> =>
  trainLora(config, await generateAlpacaDataset(datasetPath, 'train', config), dir, options)
/** A run that has begun, in an array: an async function would await it. */
const begin = async (config = configOf(), dir = out, options: TrainOptions = {}) =>
  [trainLora(config, await generateAlpacaDataset(datasetPath, 'train', config), dir, options)] as const
const metrics = async (dir = out): Promise<TrainEvent[]> => {
  const text = await readFile(join(dir, 'metrics.jsonl'), 'utf8')
  expect(text.endsWith('\n')).toBe(true)
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as TrainEvent)
}
const adapterBytes = (dir: string) => readFile(join(dir, 'adapter_model.safetensors'))

describe('the three calls', () => {
  test('leave the files of a run', async () => {
    const config = new JoraConfig({ ...configOf().settings })
    const dataset = await generateAlpacaDataset(datasetPath, 'train', config)
    expect(dataset.samples).toHaveLength(8)
    expect(dataset.heldOut).toHaveLength(2)
    const summary = await trainLora(config, dataset, out)
    expect(summary).toMatchObject({ outputDir: out, steps: 4, totalSteps: 4, finished: true })
    expect((await readdir(out)).sort()).toEqual([
      'README.md',
      'adapter_config.json',
      'adapter_model.safetensors',
      'checkpoints',
      'metrics.jsonl',
      'prompt.json',
      'run.json',
    ])

    const run = JSON.parse(await readFile(join(out, 'run.json'), 'utf8')) as Record<string, unknown>
    expect(run).toMatchObject({
      node: process.version,
      device: device.name,
      settings: JSON.parse(JSON.stringify(config.settings)) as object,
      model: { folder: modelPath, id: null, revision: null, hash: expect.stringMatching(/^[0-9a-f]{64}$/) as string },
      dataset: {
        path: datasetPath,
        hash: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
        statistics: { samples: 10 },
      },
      totalSteps: 4,
    })

    const events = await metrics()
    expect(events.map(({ type }) => type)).toEqual([
      'step',
      'step',
      'eval',
      'checkpoint',
      'step',
      'step',
      'eval',
      'checkpoint',
      'done',
    ])
    expect(Object.keys(events[0]!)).toEqual([
      'type',
      'step',
      'epoch',
      'loss',
      'learningRate',
      'gradNorm',
      'tokens',
      'targetTokens',
      'samples',
      'stepMs',
      'deviceBytes',
    ])
    expect(events[3]).toEqual({ type: 'checkpoint', step: 2, path: 'checkpoints/step-00000002' })
    expect(Object.keys(events.at(-1)!)).toEqual(['type', 'steps', 'seconds', 'peakDeviceBytes'])
    expect(summary.finalLoss).toBe(events.flatMap((e) => (e.type === 'step' ? [e.loss] : [])).at(-1))

    // The adapter on disk is the one in hand, and the one of the last checkpoint.
    const { adapter, config: lora, baseModel } = await loadAdapter(out, await loadConfig(modelPath))
    expect(lora).toEqual({ r: 4, alpha: 8, dropout: 0.05, targetModules: ['q_proj', 'v_proj'], useRslora: false })
    expect(baseModel).toBe(modelPath)
    expect(await Promise.all(treeLeaves(adapter).map((t) => t.data()))).toEqual(
      await Promise.all(treeLeaves(summary.adapter).map((t) => t.data())),
    )
    expect(await adapterBytes(out)).toEqual(await adapterBytes((await listCheckpoints(out)).at(-1)!))
    await using file = await openSafetensors(join(out, 'adapter_model.safetensors'))
    expect(file.tensors.size).toBe(8)

    const card = await readFile(join(out, 'README.md'), 'utf8')
    expect(card).toMatch(
      /^---\nlibrary_name: peft\n# license: .*\npipeline_tag: text-generation\ntags:\n {2}- lora\n {2}- jora\n---\n\n# run\n/,
    )
    expect(card.slice(card.indexOf('## Training')).replaceAll(/\d\.\d{4}\n/g, 'LOSS\n')).toBe(`## Training

- LoRA: rank 4, alpha 8, dropout 0.05, on \`q_proj\`, \`v_proj\`
- Dataset: \`rows.json\`
- Samples: 10
- Tokens: ${events.reduce((n, event) => n + (event.type === 'step' ? event.tokens : 0), 0)} computed
- Epochs: 2
- Optimiser steps: 4
- Samples a step: 4
- Learning rate: 0.01, cosine
- Longest sample: 2,000 tokens
- Prompt: the none template
- Seed: 3
- Last training loss: LOSS
- Held-out loss: LOSS
- JORA: ${joraVersion}
`)
    expect(card).toContain(`- Last training loss: ${summary.finalLoss!.toFixed(4)}\n`)
    for (const path of [root, models, modelPath, tmpdir()]) expect(card).not.toContain(path)
  })

  test('onEvent hears every event once it is written, and the run waits for it', async () => {
    expect(stepsOfRun(configOf(), await generateAlpacaDataset(datasetPath, 'train', configOf()))).toBe(4)
    const told: TrainEvent[] = []
    const onEvent = async (event: TrainEvent) => {
      told.push(event)
      expect((await metrics()).at(-1)).toEqual(event)
      // When the run says it is done, the adapter is there.
      if (event.type === 'done') await adapterBytes(out)
      await new Promise((resolve) => setTimeout(resolve, 5))
      expect(told.at(-1)).toBe(event)
    }
    expect(await train(configOf(), out, { onEvent })).toMatchObject({ finished: true, steps: 4 })
    expect(told).toHaveLength(9)
    expect(await metrics()).toEqual(told)
  })

  test('what onEvent throws ends the run, and is in its metrics', async () => {
    const onEvent = () => {
      throw new Error('not today')
    }
    await expect(train(configOf(), out, { onEvent })).rejects.toThrow('not today')
    expect((await metrics()).map(({ type }) => type)).toEqual(['step', 'error'])
  })

  test('as in earlier versions they can be iterated: with a warning, each event waits for the loop', async () => {
    const warned = once(process, 'warning')
    const [run] = await begin()
    expect(run.totalSteps).toBe(4)
    const told: TrainEvent[] = []
    for await (const event of run) {
      told.push(event)
      expect(await metrics()).toEqual(told)
    }
    expect(told).toHaveLength(9)
    expect(await run).toMatchObject({ finished: true, steps: 4 })
    expect((await warned)[0]).toMatchObject({ name: 'DeprecationWarning', code: 'JORA_TRAIN_RUN' })
  })

  test('a metrics file that cannot be written fails the run with that error, and no later one masks it', async () => {
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
    const append = vi.spyOn(RunDirectory.prototype, 'append').mockImplementation(async (event) => {
      throw event.type === 'error' ? new Error('EBADF: a second error') : full
    })
    try {
      await expect(train()).rejects.toBe(full)
    } finally {
      append.mockRestore()
    }
  })

  test('the test split is the held-out rows', async () => {
    const held = await generateAlpacaDataset(datasetPath, 'test', configOf())
    expect(held.samples).toHaveLength(2)
    expect(held.heldOut).toEqual([])
    expect(held.samples).toEqual((await generateAlpacaDataset(datasetPath, 'train', configOf())).heldOut)
  })

  test("go on under the paper's names", () => {
    expect(ParallamaConfig).toBe(JoraConfig)
    expect(ParagemmaConfig).toBe(JoraConfig)
    expect(new ParallamaConfig({ modelPath: 'x' }).train.lora).toEqual({
      r: 16,
      alpha: 16,
      dropout: 0.05,
      targetModules: ['q_proj', 'v_proj'],
      useRslora: false,
    })
  })
})

describe('a directory that holds a run', () => {
  test('is not written over', async () => {
    await train()
    const before = await adapterBytes(out)
    await expect(train(configOf({ seed: 4 }))).rejects.toThrow(
      /already holds a run; continue it with --resume or choose another output directory/,
    )
    expect(await adapterBytes(out)).toEqual(before)
    expect((await metrics()).at(-1)!.type).toBe('done')
  })

  test('is resumed after a kill: lines past the checkpoint go, and the adapter is that of an uninterrupted run', async () => {
    await train(configOf(), join(root, 'whole'))
    const [killed] = await begin()
    for await (const event of killed) if (event.type === 'step' && event.step === 3) break
    await expect(Promise.resolve(killed)).rejects.toThrow('the run was left before its end')
    await appendFile(join(out, 'metrics.jsonl'), '{"type":"step","st')
    const unfinished = ['.step-00000004.tmp-1', '.step-00000002.tmp-31337']
    const others = ['.step-4.tmp-1', '.step-00000004.tmp-x', 'step-00000004.tmp-1', '.step-00000004.tmp-1.bak']
    for (const name of [...unfinished, ...others]) await mkdir(join(out, 'checkpoints', name))
    const summary = await train(configOf(), out, { resume: 'auto' })
    expect(summary).toMatchObject({ finished: true, steps: 4 })
    const [events, whole] = [await metrics(), await metrics(join(root, 'whole'))]
    expect(events.map(({ type }) => type)).toEqual(whole.map(({ type }) => type))
    const losses = (list: TrainEvent[]) =>
      list.flatMap((e) => (e.type === 'step' || e.type === 'eval' ? [[e.step, e.loss]] : []))
    expect(losses(events)).toEqual(losses(whole))
    expect(await adapterBytes(out)).toEqual(await adapterBytes(join(root, 'whole')))
    expect((await readdir(join(out, 'checkpoints'))).sort()).toEqual(
      [...others, 'step-00000002', 'step-00000004'].sort(),
    )
  })

  test('is resumed after a signal, and again once it is done', async () => {
    const controller = new AbortController()
    const onEvent = (event: TrainEvent) => {
      if (event.type === 'step' && event.step === 1) controller.abort()
    }
    const stopped = train(configOf({ saveEvery: 100 }), out, { signal: controller.signal, onEvent })
    expect(await stopped).toMatchObject({ finished: false, steps: 1 })
    expect(await readdir(out)).not.toContain('adapter_model.safetensors')
    expect((await listCheckpoints(out)).map((path) => path.slice(-13))).toEqual(['step-00000001'])
    await train(configOf({ saveEvery: 100 }), out, { resume: 'auto' })
    await train(configOf({ saveEvery: 100 }), join(root, 'whole'))
    const expected = await adapterBytes(join(root, 'whole'))
    expect(await adapterBytes(out)).toEqual(expected)
    const again = await train(configOf({ saveEvery: 100 }), out, { resume: 'auto' })
    const { finalLoss } = await train(configOf({ saveEvery: 100 }), join(root, 'other'))
    expect(again).toMatchObject({ finished: true, steps: 4, finalLoss })
    expect(await adapterBytes(out)).toEqual(expected)
    expect(await readFile(join(out, 'README.md'), 'utf8')).toMatch(/\n- Last training loss: \d.*\n- Held-out loss: \d/)
    expect((await metrics()).filter(({ type }) => type === 'done')).toHaveLength(1)
  })

  test.each(['', '/', '//'])('is resumed from a checkpoint folder named with %j at its end', async (end) => {
    const onEvent = (event: TrainEvent) => {
      if (event.type === 'step' && event.step === 3) throw new Error('enough')
    }
    await expect(train(configOf(), out, { onEvent })).rejects.toThrow('enough')
    await train(configOf(), out, { resume: `${join(out, 'checkpoints/step-00000002')}${end}` })
    expect((await metrics()).flatMap((event) => (event.type === 'step' ? [event.step] : []))).toEqual([1, 2, 3, 4])
  })

  test('of other settings is not resumed, and stays as it is', async () => {
    await train()
    const files = () => Promise.all(['run.json', 'metrics.jsonl'].map((name) => readFile(join(out, name), 'utf8')))
    const before = await files()
    await expect(train(configOf({ learningRate: 0.02 }), out, { resume: 'auto' })).rejects.toThrow(
      /was made with other settings \(learningRate was [\d.]+, is 0\.02\)/,
    )
    for (const change of [{ promptTemplate: 'alpaca' }, { split: 0.7 }] as const)
      await expect(train(configOf(change), out, { resume: 'auto' })).rejects.toThrow(/was made with other settings/)
    await expect(train(configOf(), out, { resume: join(root, 'none') })).rejects.toThrow(/none is not a checkpoint/)
    expect(await files()).toEqual(before)
  })

  test('resume in an empty directory starts anew', async () => {
    expect(await train(configOf(), out, { resume: 'auto' })).toMatchObject({ finished: true, steps: 4 })
  })
})

describe('an adapter to start from', () => {
  test('is continued when it fits, and refused when it does not', async () => {
    await train()
    const longer = join(root, 'longer')
    let first: TrainEvent | undefined
    await train(configOf({ initAdapter: out }), longer, { onEvent: (event) => void (first ??= event) })
    const [fresh] = await metrics()
    expect(first!.type === 'step' && fresh!.type === 'step' && first!.loss < fresh!.loss).toBe(true)
    await expect(train(configOf({ initAdapter: out, loraR: 8 }), join(root, 'other'))).rejects.toThrow(
      /has r 4, alpha 8, rsLoRA false; the run has r 8, alpha 8, rsLoRA false/,
    )
    await expect(train(configOf({ initAdapter: root }), join(root, 'other'))).rejects.toThrow(
      /adapter_config\.json does not exist/,
    )
  })
})

describe('settings and places that cannot be used', () => {
  test('settings, by name', () => {
    const bad: [Record<string, unknown>, RegExp][] = [
      [{ learnigRate: 1 }, /JoraConfig has no setting "learnigRate"/],
      [{ loraR: 0 }, /loraR is 0, expected an integer ≥ 1/],
      [{ maxSeqLength: 1 }, /maxSeqLength is 1, expected an integer ≥ 2/],
      [{ split: 0 }, /split is 0, expected a number over 0 and up to 1/],
      [{ alpacaMix: 1 }, /alpacaMix is 1, expected a number from 0 to below 1/],
      [{ onOverflow: 'cut' }, /onOverflow is cut, expected error, drop or truncate/],
      [{ device: 'tpu' }, /device is tpu, expected auto, cpu or webgpu/],
    ]
    for (const [change, message] of bad) expect(() => new JoraConfig({ modelPath: 'x', ...change })).toThrow(message)
    expect(new JoraConfig({ modelPath: 'x', epochs: undefined as unknown as number }).settings.epochs).toBe(7)
  })

  test('an output directory that is a file', async () => {
    await writeFile(out, 'x')
    await expect(train()).rejects.toThrow(/output directory .*run cannot be written: /)
  })

  test('a target the model does not have leaves no adapter', async () => {
    await expect(train(configOf({ targetModules: ['c_attn'] }))).rejects.toThrow(
      /target module "c_attn" is not in the model/,
    )
  })

  test('a run starts once', async () => {
    const [run] = await begin()
    expect(await run).toMatchObject({ finished: true })
    expect(await run).toMatchObject({ finished: true }) // the same summary, not another run
    const events = run[Symbol.asyncIterator]()
    await expect(events.next()).rejects.toThrow('this run was already started')
    expect(await run).toMatchObject({ finished: true })
  })
})

test('ranks and alphas by pattern are trained, kept in checkpoints, and must be the same to go on or to start from', async () => {
  const patterns = {
    rankPattern: { 'layers.0.self_attn.q_proj': 2 },
    alphaPattern: { v_proj: 3 },
    layersToTransform: [0],
  }
  const whole = await train(configOf(patterns))
  const shapes = Object.values(whole.adapter).map(({ loraA, loraB }) => [loraA.shape[0], loraB.shape[1]])
  expect(shapes).toEqual([
    [2, 2],
    [4, 4],
  ])
  const { config } = await loadAdapter(out, await loadConfig(modelPath))
  expect(config).toMatchObject(patterns)

  const parted = join(root, 'parted')
  const stop = new AbortController()
  const onEvent = (event: TrainEvent) => {
    if (event.type === 'checkpoint') stop.abort()
  }
  await train(configOf(patterns), parted, { signal: stop.signal, onEvent })
  await train(configOf(patterns), parted, { resume: 'auto' })
  expect(await adapterBytes(parted)).toEqual(await adapterBytes(out))

  const [checkpoint] = await listCheckpoints(parted)
  await expect(
    train(configOf({ layersToTransform: [0] }), join(root, 'other'), { resume: checkpoint }),
  ).rejects.toThrow(/was made with other settings/)
  await expect(train(configOf({ layersToTransform: [0], initAdapter: out }), join(root, 'third'))).rejects.toThrow(
    /ranks \{"layers\.0\.self_attn\.q_proj":2\}, alphas \{"v_proj":3\}; the run has r 4, alpha 8, rsLoRA false$/,
  )
  await train(configOf({ ...patterns, initAdapter: out }), join(root, 'fourth'))
})
