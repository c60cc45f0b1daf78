// Training on the WebGPU backend, held against the CPU backend: the same program on another device.
import { softwareVulkan } from '@jora-tooling/software-gpu'
import { collate, type Batch } from '@jora/data'
import { weightShapes, type LlamaConfig } from '@jora/llama'
import { setDefaultDevice, sizeOf, tensor, type Device, type Tensor } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { findAdapter, openWebGpuDevice, type WebGpuDevice } from '@jora/tensor/webgpu'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { initAdapter, initState, TrainingStep, type LoraConfig } from '../src/index'

await softwareVulkan()
const hasGpu = (await findAdapter()) !== undefined

/** The sizes of stories260K. */
const config: LlamaConfig = {
  modelType: 'llama',
  vocabSize: 512,
  hiddenSize: 64,
  intermediateSize: 172,
  layers: 5,
  heads: 8,
  kvHeads: 4,
  headDim: 8,
  rmsNormEpsilon: 1e-5,
  ropeTheta: 10000,
  ropeScaling: { type: 'default' },
  maxPositions: 512,
  tiedHead: true,
  bosTokenId: 1,
  eosTokenIds: [2],
}

/** Numbers in (−1, 1) that depend on seed and place only. */
const numbers = (seed: number, size: number, scale: number): Float32Array =>
  Float32Array.from({ length: size }, (_, i) => {
    const x = Math.sin((i + 1) * 12.9898 + seed * 78.233) * 43758.5453
    return (x - Math.floor(x) - 0.5) * 2 * scale
  })

const makeWeights = (): Record<string, Tensor> =>
  Object.fromEntries(
    [...weightShapes(config)].map(([name, shape], i) => [
      name,
      tensor(name.includes('norm') ? new Float32Array(sizeOf(shape)).fill(1) : numbers(i, sizeOf(shape), 0.2), {
        shape,
      }),
    ]),
  )

const lora: LoraConfig = { r: 8, alpha: 16, dropout: 0.1, targetModules: ['q_proj', 'v_proj'], useRslora: false }

function makeBatch(rows: number, seq: number): Batch {
  const samples = Array.from({ length: rows }, (_, row) => {
    const ids = Int32Array.from({ length: seq }, (_u, i) => (i * 31 + row * 17 + ((i * i) % 7)) % 512)
    return { ids, labels: ids, row }
  })
  return collate(
    samples,
    samples.map((_, i) => i),
    { padId: 0 },
  )
}

interface Run {
  readonly losses: number[]
  readonly adapter: Float32Array[]
}

async function train(device: Device, steps: number, batch: Batch): Promise<Run> {
  const previous = setDefaultDevice(device)
  const stepper = new TrainingStep(
    { config, weights: makeWeights() },
    { lora, adamw: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 }, maxGradNorm: 1 },
  )
  let state = initState(initAdapter(config, lora, 3))
  const losses: number[] = []
  for (let step = 1; step <= steps; step++) {
    const t0 = performance.now()
    const result = stepper.run(state, [batch], { step, learningRate: 1e-2, seed: 1 })
    state = result.state
    losses.push(await result.loss.item())
    console.log(device.kind, step, losses.at(-1), performance.now() - t0)
  }
  const adapter = await Promise.all(
    Object.values(state.adapter).flatMap(({ loraA, loraB }) =>
      [loraA, loraB].map((t) => t.data() as Promise<Float32Array>),
    ),
  )
  setDefaultDevice(previous)
  return { losses, adapter }
}

describe.skipIf(!hasGpu)(`training on WebGPU${hasGpu ? '' : ' (needs a WebGPU adapter)'}`, () => {
  let gpu: WebGpuDevice
  let cpu: Device
  beforeAll(async () => {
    gpu = await openWebGpuDevice()
    cpu = await openCpuDevice()
  })
  afterAll(async () => {
    await gpu.close()
    await cpu.close()
  })

  test('20 steps equal the CPU backend', async () => {
    const batch = makeBatch(2, 64)
    const expected = await train(cpu, 20, batch)
    const actual = await train(gpu, 20, batch)
    expected.losses.forEach((loss, i) => expect(Math.abs(actual.losses[i]! / loss - 1)).toBeLessThan(1e-3))
    const distance = (a: Float32Array[], b: Float32Array[]) =>
      Math.sqrt(a.reduce((n, x, t) => n + x.reduce((m, v, i) => m + (v - b[t]![i]!) ** 2, 0), 0))
    const zero = expected.adapter.map((x) => new Float32Array(x.length))
    expect(distance(actual.adapter, expected.adapter) / distance(expected.adapter, zero)).toBeLessThan(1e-3)
  })

  test('dispatches', async () => {
    await train(gpu, 2, makeBatch(4, 256))
    console.log(gpu.counters)
    const before = { ...gpu.counters }
    await train(gpu, 1, makeBatch(4, 256))
    console.log(gpu.counters, before)
  })
})
