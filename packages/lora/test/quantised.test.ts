// Training on quantised weights is training on the floats that they stand for: on the CPU, a mesh and a GPU.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { softwareVulkan } from '@jora-tooling/software-gpu'
import { collate } from '@jora/data'
import { openModel, parseConfig, weightShapes, type Decoder, type Weights } from '@jora/llama'
import { openMesh } from '@jora/shard/open'
import { disposeTree, jit, setDefaultDevice, tensor, Tensor, valuesOf, type Device, type Weight } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { findAdapter, openWebGpuDevice, referenceGpu } from '@jora/tensor/webgpu'
import { codesOfRows, encodeRows, layoutOf } from '@jora/tensor/weights'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { entry, noise, toBf16, tinyConfig, writeTinyModel } from '../../llama/test/tiny-model'
import {
  estimateStep,
  initAdapter,
  initState,
  placeAdapter,
  plannedModel,
  TrainingStep,
  type LoraConfig,
  lowRankOf,
} from '../src/index'

await softwareVulkan()
const adapterOfGpu = await findAdapter()

const json = {
  ...tinyConfig,
  hidden_size: 128,
  intermediate_size: 256,
  num_hidden_layers: 2,
  tie_word_embeddings: true,
}
const config = parseConfig(json)
const floats = new Map(
  [...weightShapes(config)].map(([name, shape]) => {
    const size = shape.reduce((n, d) => n * d, 1)
    return [name, { shape, data: noise(name, size).map((x) => (name.includes('norm') ? 1 : 0) + 0.15 * x) }]
  }),
)
const lora: LoraConfig = { r: 4, alpha: 8, dropout: 0, targetModules: 'all-linear', useRslora: false }
const samples = [0, 1].map((row) => {
  const ids = Int32Array.from({ length: 24 }, (_, i) => (i * 31 + row * 17 + ((i * i) % 7)) % 48)
  return { ids, labels: ids, row }
})
const batch = collate(samples, [0, 1], { padId: 0 })
const steps = 10

let root: string
let cpu: Device
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'jora-quantised-'))
  const stored = [...floats].map(([name, { shape, data }]) => entry(name, shape, toBf16(data), 'BF16'))
  await writeTinyModel(root, json, stored)
  cpu = await openCpuDevice({ threads: 1 })
})
afterAll(async () => {
  rmSync(root, { recursive: true })
  await cpu.close()
})

/** The model, its linear layers quantised as it is loaded. */
async function quantised(quantize: 'int8' | 'nf4', device: Device, dtype: 'f32' | 'f16' = 'f32'): Promise<Decoder> {
  await using model = await openModel(root, { quantize })
  return await model.decoder(device, dtype)
}

/** The model as a GGUF has it: every matrix in blocks. */
function inBlocks(type: 'q4_0' | 'q8_0', device: Device): Decoder {
  const weights: Record<string, Weight> = {}
  for (const [name, { shape, data }] of floats) {
    if (shape.length !== 2) {
      weights[name] = tensor(data, { shape, device })
      continue
    }
    const layout = layoutOf(type)
    const { codes, scales } = codesOfRows(encodeRows(data, type), type)
    const [rows, columns] = shape as [number, number]
    weights[name] = {
      codes: tensor(codes, { dtype: 'u8', shape: [rows, (columns * layout.bits) / 8], device }),
      scales: tensor(scales, { shape: [rows, columns / layout.group], device }),
      layout,
      shape,
    }
  }
  return { config, weights }
}

/** The same model, its weights unpacked to floats. */
async function unpacked({ weights }: Decoder, device: Device): Promise<Decoder> {
  const plain: Record<string, Weight> = {}
  for (const [name, weight] of Object.entries(weights as Weights)) {
    const values = jit(() => valuesOf(weight, 'f32'))()
    plain[name] = tensor(await (values as Tensor).data(), { shape: weight.shape, device })
  }
  return { config, weights: plain }
}

interface Run {
  readonly losses: number[]
  readonly adapter: Float32Array
}

async function train(decoder: Decoder, device: Device): Promise<Run> {
  const previous = setDefaultDevice(device)
  const adamw = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 }
  const stepper = new TrainingStep(decoder, { lora, adamw, maxGradNorm: 1 }, device)
  let state = initState(placeAdapter(initAdapter(config, lora, 3, device), config, device))
  const losses: number[] = []
  for (let step = 1; step <= steps; step++) {
    const result = stepper.run(state, [batch], { step, learningRate: 2e-3, seed: 1 })
    state = result.state
    losses.push(await result.loss.item())
    disposeTree([result.loss, result.gradNorm])
  }
  const tensors = Object.values(lowRankOf(state.adapter)).flatMap(({ loraA, loraB }) => [loraA, loraB])
  const parts = await Promise.all(tensors.map((each) => each.data()))
  stepper.dispose()
  setDefaultDevice(previous)
  return { losses, adapter: Float32Array.from(parts.flatMap((part) => [...part])) }
}

const norm = (x: Float32Array): number => Math.sqrt(x.reduce((n, v) => n + v * v, 0))

function expectClose(run: Run, reference: Run, tolerance: number): void {
  reference.losses.forEach((loss, i) =>
    expect(Math.abs(run.losses[i]! / loss - 1), `loss of step ${i + 1}`).toBeLessThan(tolerance),
  )
  const apart = norm(run.adapter.map((v, i) => v - reference.adapter[i]!))
  expect(apart / norm(reference.adapter), 'the adapter').toBeLessThan(tolerance)
}

describe.each(['q4_0', 'q8_0', 'int8', 'nf4'] as const)('%s', (type) => {
  const open = async (device: Device) =>
    type === 'int8' || type === 'nf4' ? await quantised(type, device) : inBlocks(type, device)

  test('ten steps on the CPU are those on the unpacked floats', async () => {
    const decoder = await open(cpu)
    expect(Object.values(decoder.weights).filter((weight) => !(weight instanceof Tensor)).length).toBeGreaterThan(13)
    expectClose(await train(decoder, cpu), await train(await unpacked(decoder, cpu), cpu), 1e-4)
  })
})

test('ten steps in 8 bits lose what those in 32 bits lose, within 1 %', async () => {
  await using model = await openModel(root)
  const decoder = await model.decoder(cpu, 'int8')
  const inBytes = Object.entries(decoder.weights).filter(
    ([, weight]) => !(weight instanceof Tensor) && weight.layout.int8,
  )
  expect(inBytes.map(([name]) => name)).toEqual([...floats.keys()].filter((name) => name.endsWith('_proj.weight')))
  const [rounded, exact] = [await train(decoder, cpu), await train(await model.decoder(cpu, 'f32'), cpu)]
  for (const [i, loss] of exact.losses.entries())
    expect(Math.abs(rounded.losses[i]! / loss - 1), `loss of step ${i + 1}`).toBeLessThan(0.01)
  expect(rounded.losses).not.toEqual(exact.losses)
})

test.each(['int8', 'nf4'] as const)('%s on two devices that share the weights is as on one', async (type) => {
  const mesh = await openMesh('cpu', { mesh: 'model=2', launcher: 'none' })
  const [one, two] = [await train(await quantised(type, cpu), cpu), await train(await quantised(type, mesh), mesh)]
  expectClose(two, one, 1e-4)
  await mesh.close()
})

describe.skipIf(!adapterOfGpu)(`on a GPU${adapterOfGpu ? '' : ' (needs a WebGPU adapter)'}`, () => {
  test.each(['int8', 'nf4'] as const)('%s is close to the CPU', { timeout: 240_000 }, async (type) => {
    const gpu = await openWebGpuDevice()
    const reference = await train(await quantised(type, cpu), cpu)
    expectClose(await train(await quantised(type, gpu), gpu), reference, 1e-3)
    if (gpu.profile.f16) expectClose(await train(await quantised(type, gpu, 'f16'), gpu), reference, 2e-2)
    await gpu.close()
  })
})

test('estimates know what quantised weights take', async () => {
  const work = { batch: 1, seq: 32, accumulation: 1, lora }
  const options = { profile: referenceGpu, dtype: 'f32', gradientCheckpointing: 'off', memoryBytes: undefined } as const
  const bytesOf = async (quantize?: 'int8' | 'nf4') => {
    await using model = await openModel(root, { quantize })
    const [step] = await estimateStep(plannedModel(model), work, options)
    return step!.weightBytes
  }
  let [linear, others] = [0, 0]
  for (const [name, { data }] of floats)
    if (name.endsWith('_proj.weight')) linear += data.length
    else others += 2 * data.length
  expect(await bytesOf()).toBe(2 * linear + others)
  expect(await bytesOf('nf4')).toBe(linear / 2 + (4 * linear) / 64 + others)
  const rows = [...floats].reduce((n, [name, { shape }]) => n + (name.endsWith('_proj.weight') ? shape[0]! : 0), 0)
  expect(await bytesOf('int8')).toBe(linear + 4 * rows + others)
})

test('quantize says what it cannot do', async () => {
  const folder = join(root, 'narrow')
  const narrow = { ...json, hidden_size: 32, intermediate_size: 40 }
  const stored = [...weightShapes(parseConfig(narrow))].map(([name, shape]) =>
    entry(name, shape, new Float32Array(shape.reduce((n, d) => n * d, 1))),
  )
  await writeTinyModel(folder, narrow, stored)
  await expect(openModel(folder, { quantize: 'nf4' })).rejects.toThrow(
    /quantize nf4: no linear layer of .*narrow has rows of whole blocks of 64 .*; use int8/,
  )
})
