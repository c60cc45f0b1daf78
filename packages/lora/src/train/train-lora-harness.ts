// What the tests of train-lora share.
import { mkdtempSync, rmSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest'
import { setDefaultDevice, type Device } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { llamaLike } from '../../../data/test/tiny-tokenizers'
import { tinyConfig, writeTinyModel } from '../../../llama/test/tiny-model'
import {
  generateAlpacaDataset,
  JoraConfig,
  trainLora,
  type JoraSettings,
  type TrainEvent,
  type TrainOptions,
  type TrainSummary,
} from '../index'

export let device: Device
export let models: string
export let modelPath: string
export let datasetPath: string
/** What the tests of a file need, made before them and removed after; each file calls it, as hooks belong to a file. */
export function setUp(): void {
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
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'jora-train-'))
    out = join(root, 'run')
  })
  afterEach(() => rmSync(root, { recursive: true }))
}

export let root: string
export let out: string

export const configOf = (change: Partial<JoraSettings> = {}) =>
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
export const train = async (config = configOf(), dir = out, options: TrainOptions = {}): Promise<TrainSummary> =>
  trainLora(config, await generateAlpacaDataset(datasetPath, 'train', config), dir, options)
/** A run that has begun, in an array: an async function would await it. */
export const begin = async (config = configOf(), dir = out, options: TrainOptions = {}) =>
  [trainLora(config, await generateAlpacaDataset(datasetPath, 'train', config), dir, options)] as const
export const metrics = async (dir = out): Promise<TrainEvent[]> => {
  const text = await readFile(join(dir, 'metrics.jsonl'), 'utf8')
  expect(text.endsWith('\n')).toBe(true)
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as TrainEvent)
}
export const adapterBytes = (dir: string) => readFile(join(dir, 'adapter_model.safetensors'))
