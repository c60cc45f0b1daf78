// The paper's three calls, end to end on a tiny model: the files of a run, resumption, and what is refused.
import { readdir, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { loadConfig } from '@jora/llama'
import { treeLeaves } from '@jora/tensor'
import { openSafetensors } from '@jora/tensor/safetensors'
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
  type TrainEvent,
} from '../index'
import {
  device,
  models,
  modelPath,
  datasetPath,
  root,
  out,
  configOf,
  train,
  begin,
  metrics,
  adapterBytes,
  setUp,
} from './train-lora-harness'

setUp()

test('writes for TensorBoard as it goes on, and into a further file where it is resumed', async () => {
  const config = configOf({ reportTo: ['tensorboard'], epochs: 1 })
  const folder = join(out, 'tensorboard')
  const names = async () => (await readdir(folder)).sort()
  /** How often a tag is in the whole records of a file. */
  const count = async (name: string, tag: string) => {
    const file = await readFile(join(folder, name))
    let [at, found] = [0, 0]
    while (at < file.length) {
      const end = at + 16 + Number(file.readBigUInt64LE(at))
      expect(end, 'a record is whole').toBeLessThanOrEqual(file.length)
      if (file.subarray(at, end).includes(tag)) found++
      at = end
    }
    return found
  }
  const stop = new AbortController()
  const onEvent = async (event: TrainEvent) => {
    if (event.type !== 'step') return
    expect(await count((await names()).at(-1)!, 'train/loss')).toBe(1)
    stop.abort()
  }
  await train(config, out, { signal: stop.signal, onEvent })
  await train(config, out, { resume: 'auto' })
  const files = await names()
  expect(files).toHaveLength(2)
  // The second begins with what the run keeps of the step it goes on from.
  expect(await count(files[1]!, 'train/loss')).toBe(2)
  expect(await count(files[1]!, 'eval/loss')).toBe(1)
  expect([await count(files[0]!, 'settings/text'), await count(files[1]!, 'settings/text')]).toEqual([1, 0])
})

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
      computes: { dtype: 'f32' },
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
    expect(Object.keys(events.at(-1)!)).toEqual(['type', 'steps', 'seconds', 'peakDeviceBytes', 'programs'])
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

  test('as in earlier versions they can be iterated: each event waits for the loop', async () => {
    const [run] = await begin()
    expect(run.totalSteps).toBe(4)
    const told: TrainEvent[] = []
    for await (const event of run) {
      told.push(event)
      expect(await metrics()).toEqual(told)
    }
    expect(told).toHaveLength(9)
    expect(await run).toMatchObject({ finished: true, steps: 4 })
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
