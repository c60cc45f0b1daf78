// Runs that cannot go on: numbers that break, a GPU that is lost, full or refuses a kernel. What was saved stays, and goes on elsewhere.
import { softwareVulkan } from '@jora-tooling/software-gpu'
import { mkdtempSync, rmSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { collate } from '@jora/data'
import { loadModel, openModel, type OpenModel } from '@jora/llama'
import { setDefaultDevice, treeLeaves, type Device } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { findAdapter, openWebGpuDevice } from '@jora/tensor/webgpu'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { llamaLike } from '../../data/test/tiny-tokenizers'
import { entry, tinyConfig, tinyWeights, writeTinyModel } from '../../llama/test/tiny-model'
import {
  generateAlpacaDataset,
  initAdapter,
  initState,
  JoraConfig,
  listCheckpoints,
  trainLora,
  TrainingStep,
  type JoraSettings,
  type TrainEvent,
  type TrainOptions,
  type TrainState,
  type TrainSummary,
} from '../src/index'

await softwareVulkan()
const hasAdapter = (await findAdapter()) !== undefined

const tokenizer = llamaLike()
/** One layer, so that a software GPU has few kernels to compile. */
const small = { ...tinyConfig, num_hidden_layers: 1, vocab_size: Object.keys(tokenizer.model.vocab).length }
let root: string
let out: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'jora-failures-'))
  out = join(root, 'run')
})
afterEach(() => rmSync(root, { recursive: true }))

/** The model, with one number of `weight` replaced. */
async function makeModel(weight?: string, value = 0, at = 7): Promise<string> {
  const weights = tinyWeights(small).map(({ name, shape, data }) => {
    if (name === weight) data[at] = value
    return entry(name, shape, data)
  })
  const folder = await writeTinyModel(join(root, `model-${String(value)}`), small, weights)
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer))
  return folder
}

const settings = {
  promptTemplate: 'none',
  epochs: 2,
  batchSize: 2,
  gradientAccumulationSteps: 1,
  learningRate: 0.01,
  scheduler: 'constant',
  loraR: 4,
  loraDropout: 0,
  split: 1,
  saveEvery: 1,
} as const

const writeRows = () =>
  writeFile(
    join(root, 'rows.json'),
    JSON.stringify(['one', 'two', 'six', 'ten'].map((word) => ({ instruction: 'Say', input: word, output: word }))),
  )

/** The model in `folder`, but for the check that its weights are finite. */
async function unchecked(folder: string): Promise<OpenModel> {
  const open = await openModel(folder)
  const { ref, config, weights, quantize, tokenizer, chatTemplate, stopIds, warnings } = open
  return {
    ref,
    config,
    weights,
    quantize,
    tokenizer,
    chatTemplate,
    stopIds,
    warnings,
    digest: () => Promise.resolve(folder),
    stretched: (stretch) => open.stretched(stretch),
    decoder: (device) => loadModel(folder, { device }),
    [Symbol.asyncDispose]: () => Promise.resolve(weights[Symbol.asyncDispose]()),
  }
}

/** Four steps. */
async function train(
  modelPath: string,
  options: TrainOptions,
  change: Partial<JoraSettings> = {},
  onEvent: (event: TrainEvent) => void = () => {},
): Promise<TrainSummary> {
  await writeRows()
  const config = new JoraConfig({ modelPath, ...settings, ...change })
  const dataset = await generateAlpacaDataset(join(root, 'rows.json'), 'train', config)
  return trainLora(config, dataset, out, { ...options, onEvent })
}
const metrics = async (): Promise<TrainEvent[]> =>
  (await readFile(join(out, 'metrics.jsonl'), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as TrainEvent)
const checkpoints = async () => (await listCheckpoints(out)).map((path) => Number(path.slice(-8)))

const devices = [
  { kind: 'CPU', open: () => openCpuDevice({ threads: 1 }), there: true },
  { kind: 'WebGPU', open: () => openWebGpuDevice(), there: hasAdapter },
]
for (const { kind, open, there } of devices) {
  describe.skipIf(!there)(`numbers that break, on ${kind}${there ? '' : ' (needs a WebGPU adapter)'}`, () => {
    let device: Device
    beforeAll(async () => {
      setDefaultDevice((device = await open()))
    })
    afterAll(async () => {
      setDefaultDevice(undefined)
      await device.close()
    })

    test.each([
      [
        'model.layers.0.mlp.up_proj.weight',
        NaN,
        'step 1: the loss is NaN; first in layer 0/mlp: model.layers.0.mlp.up_proj.weight(f32[40,32]) (1 of 1280 elements); check the model and the adapter',
      ],
      [
        'lm_head.weight',
        1e30,
        /^step 1: the gradient norm is Infinity; first in (\S+: )?mul\(f32\[[\d,]+\]\) \(\d+ of \d+ elements\); lower the learning rate or check the data$/,
      ],
    ])('%s of %f: the error says where', async (weight, value, message) => {
      const path = await makeModel(weight, value)
      await using model = await unchecked(path)
      await expect(train(path, { device, model })).rejects.toThrow(message)
      expect((await metrics()).map(({ type }) => type)).toEqual(['error'])
      expect(await checkpoints()).toEqual([])
    })

    test.each([NaN, Infinity])('a weight of %f is refused before the run, by name', async (value) => {
      const path = await makeModel('model.layers.0.mlp.up_proj.weight', value)
      await expect(train(path, { device })).rejects.toThrow(
        /model\.safetensors: model\.layers\.0\.mlp\.up_proj\.weight has values that are not finite/,
      )
      await expect(metrics()).rejects.toThrow(/ENOENT/)
    })

    test('in a later step: what was learned before it is saved', async () => {
      const path = await makeModel()
      const config = new JoraConfig({ modelPath: path, ...settings })
      await writeRows()
      const { samples } = await generateAlpacaDataset(join(root, 'rows.json'), 'train', config)
      const [one, two, six, ten] = samples.map(({ ids }) => [...ids])
      const id = [...six!, ...ten!].find((token) => !one!.includes(token) && !two!.includes(token))!
      const broken = await makeModel('model.embed_tokens.weight', NaN, id * small.hidden_size)
      await using model = await unchecked(broken)
      await expect(train(broken, { device, model }, { saveEvery: 100, shuffle: false })).rejects.toThrow(
        /^step 2: the loss is NaN; first in model\.embed_tokens\.weight\(f32\[\d+,32\]\) \(1 of \d+ elements\)/,
      )
      expect((await metrics()).map(({ type }) => type)).toEqual(['step', 'checkpoint', 'error'])
      expect(await checkpoints()).toEqual([1])
    })

    test.each([0, 1])('adapter and moments stay as they were, maxGradNorm %i', async (maxGradNorm) => {
      const { config: sizes, weights } = await loadModel(await makeModel('lm_head.weight', NaN), { device })
      const lora = { r: 4, alpha: 8, dropout: 0, targetModules: ['q_proj'], useRslora: false }
      const adamw = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1 }
      const stepper = new TrainingStep({ config: sizes, weights }, { lora, adamw, maxGradNorm })
      const ids = Int32Array.of(1, 5, 6, 7)
      const batch = collate([{ ids, labels: ids, row: 1 }], [0], { padId: 0 })
      const read = (state: TrainState) => Promise.all(treeLeaves(state).map((t) => t.data()))
      let state = initState(initAdapter(sizes, lora, 3))
      const before = await read(state)
      for (const batches of [[batch], [batch, batch]]) {
        const result = stepper.run(state, batches, { step: 1, learningRate: 0.1, seed: 1 })
        // Whether max(x, NaN) is NaN is up to a GPU, so the loss may pass as a number; the gradient's norm may not.
        expect(await result.gradNorm.item()).toBeNaN()
        state = result.state
        expect(await read(state)).toEqual(before)
      }
      stepper.dispose()
    })
  })
}

describe.skipIf(!hasAdapter)(`a GPU that fails${hasAdapter ? '' : ' (needs a WebGPU adapter)'}`, () => {
  test('is lost: the error names it, and the CPU goes on from the checkpoint', async () => {
    const path = await makeModel()
    const gpu = await openWebGpuDevice()
    const cpu = await openCpuDevice({ threads: 1 })
    const lost = train(path, { device: gpu }, {}, (event) => {
      if (event.type === 'checkpoint' && event.step === 2) gpu.gpu.destroy()
    })
    await expect(lost).rejects.toThrow(gpu.name)
    const events = await metrics()
    expect(events.at(-1)).toEqual({ type: 'error', message: expect.stringContaining(gpu.name) as string })
    expect(await checkpoints()).toEqual([1, 2])
    const resumed = await train(path, { device: cpu, resume: 'auto' })
    expect(resumed).toMatchObject({ finished: true, steps: 4 })
    expect((await metrics()).map(({ type }) => type)).not.toContain('error')
    out = join(root, 'whole')
    const whole = await train(path, { device: cpu })
    expect(Math.abs(resumed.finalLoss! / whole.finalLoss! - 1)).toBeLessThan(1e-3)
    await cpu.close()
  })

  test('has too little memory: tensor and sizes are named', async () => {
    const device = await openWebGpuDevice({ memoryBytes: 5000 })
    await expect(train(await makeModel(), { device })).rejects.toThrow(
      /takes \d\.\d\d MB, but \d\.\d\d MB of the 0\.01 MB allowed on .* are in use/,
    )
    expect((await metrics()).map(({ type }) => type)).toEqual(['error'])
    await device.close()
  })

  test('refuses a kernel: the error names kernel and GPU', async () => {
    const device = await openWebGpuDevice()
    const create = device.gpu.createShaderModule.bind(device.gpu)
    device.gpu.createShaderModule = (descriptor) => create({ ...descriptor, code: `${descriptor.code}\nnonsense` })
    const failed = await train(await makeModel(), { device }).catch((error: Error) => error.message)
    expect(failed).toMatch(/(kernel|CreateShaderModule)/)
    expect(failed).toContain(device.name)
    await device.close()
  })
})
