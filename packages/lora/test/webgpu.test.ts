// Training on the WebGPU backend, held against the CPU backend: the same program on another device.
import { softwareVulkan } from '@jora-tooling/software-gpu'
import { collate, type Batch } from '@jora/data'
import { decode, logits, parseConfig, weightShapes } from '@jora/llama'
import {
  disposeTree,
  jit,
  setDefaultDevice,
  sizeOf,
  square,
  sum,
  tensor,
  treeLeaves,
  valueAndGrad,
  type Device,
  type Tensor,
} from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { findAdapter, openPlanningDevice, openWebGpuDevice, referenceGpu, type WebGpuDevice } from '@jora/tensor/webgpu'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { initState, loraLinear, startAdapter, TrainingStep, type Adapter, type LoraConfig } from '../src/index'
import { joinTrained, splitTrained } from '../src/adapter/adapter'

await softwareVulkan()
const hasGpu = (await findAdapter()) !== undefined

/** The sizes of stories260K, with so many layers. */
const sizesOf = (layers: number) =>
  parseConfig({
    model_type: 'llama',
    vocab_size: 512,
    hidden_size: 64,
    intermediate_size: 172,
    num_hidden_layers: layers,
    num_attention_heads: 8,
    num_key_value_heads: 4,
    max_position_embeddings: 512,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: true,
    bos_token_id: 1,
    eos_token_id: 2,
  })
const config = sizesOf(5)

/** Numbers in (−1, 1) that depend on seed and place only. */
const numbers = (seed: number, size: number, scale: number): Float32Array =>
  Float32Array.from({ length: size }, (_, i) => {
    const x = Math.sin((i + 1) * 12.9898 + seed * 78.233) * 43758.5453
    return (x - Math.floor(x) - 0.5) * 2 * scale
  })

const makeWeights = (of = config): Record<string, Tensor> =>
  Object.fromEntries(
    [...weightShapes(of)].map(([name, shape], i) => [
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
  /** Every adapter tensor, one after another. */
  readonly adapter: Float32Array
}

async function train(
  device: Device,
  {
    steps,
    batch,
    dtype = 'f32',
    settings = lora,
    of = config,
  }: { steps: number; batch: Batch; dtype?: 'f32' | 'f16'; settings?: LoraConfig; of?: typeof config },
  onStep: (step: number) => void | Promise<void> = () => {},
): Promise<Run> {
  const previous = setDefaultDevice(device)
  const decoder = { config: of, weights: makeWeights(of), dtype }
  const stepper = new TrainingStep(decoder, {
    lora: settings,
    adamw: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 },
    maxGradNorm: 1,
  })
  let state = initState(await startAdapter(decoder, settings, 3, device))
  const losses: number[] = []
  for (let step = 1; step <= steps; step++) {
    const result = stepper.run(state, [batch], { step, learningRate: 2e-3, seed: 1 })
    state = result.state
    losses.push(await result.loss.item())
    disposeTree([result.loss, result.gradNorm])
    await onStep(step)
  }
  const tensors = treeLeaves(state.adapter)
  const parts = await Promise.all(tensors.map((t) => t.data()))
  stepper.dispose()
  setDefaultDevice(previous)
  return { losses, adapter: Float32Array.from(parts.flatMap((part) => [...part])) }
}

const norm = (x: Float32Array): number => Math.sqrt(x.reduce((n, v) => n + v * v, 0))
const distance = (a: Float32Array, b: Float32Array): number => norm(a.map((v, i) => v - b[i]!))

describe.skipIf(!hasGpu)(`training on WebGPU${hasGpu ? '' : ' (needs a WebGPU adapter)'}`, () => {
  let gpu: WebGpuDevice
  let cpu: Device
  const batch = makeBatch(2, 64)
  let reference: Run
  beforeAll(async () => {
    gpu = await openWebGpuDevice()
    cpu = await openCpuDevice()
    reference = await train(cpu, { steps: 20, batch })
  }, 60_000)
  afterAll(async () => {
    await gpu.close()
    await cpu.close()
  })

  function expectClose(run: Run, tolerance: number): void {
    reference.losses.forEach((loss, i) =>
      expect(Math.abs(run.losses[i]! / loss - 1), `loss of step ${i + 1}`).toBeLessThan(tolerance),
    )
    expect(distance(run.adapter, reference.adapter) / norm(reference.adapter)).toBeLessThan(tolerance)
  }

  async function scores(device: Device, dtype: 'f32' | 'f16'): Promise<Float32Array> {
    const previous = setDefaultDevice(device)
    const decoder = { config, weights: makeWeights(), dtype }
    const forward = jit((tokens: Tensor) => logits(decoder, decode(decoder, { tokens }).hidden))
    const result = forward(tensor(batch.tokens, { shape: [batch.batchSize, batch.seqLen] }))
    setDefaultDevice(previous)
    return (await result.data()) as Float32Array
  }

  test('logits equal the CPU backend', async () => {
    const expected = await scores(cpu, 'f32')
    expect(distance(await scores(gpu, 'f32'), expected) / norm(expected)).toBeLessThan(1e-3)
    if (gpu.profile.f16) expect(distance(await scores(gpu, 'f16'), expected) / norm(expected)).toBeLessThan(2e-2)
  }, 120_000)

  test('20 steps equal the CPU backend in f32', async () => {
    expectClose(await train(gpu, { steps: 20, batch }), 1e-3)
  }, 120_000)

  test.each<[string, Partial<LoraConfig>]>([
    ['DoRA', { useDora: true }],
    ['PiSSA', { initLoraWeights: 'pissa' }],
  ])('a layer adapted by %s, and its gradients, equal the CPU backend', async (_name, method) => {
    const settings = { ...lora, ...method }
    const name = 'model.layers.0.self_attn.q_proj'
    const computed = async (device: Device): Promise<Float32Array[]> => {
      const previous = setDefaultDevice(device)
      const weights = makeWeights()
      const weight = weights[`${name}.weight`]!
      const started = (await startAdapter({ config, weights }, settings, 3, device))[name]!
      const { trained, frozen } = splitTrained({
        [name]: { ...started, loraB: tensor(numbers(9, 64 * 8, 0.1), { shape: [64, 8] }) },
      })
      const layer = jit((adapter: Adapter, x: Tensor, key: Tensor) =>
        valueAndGrad((a: Adapter) => sum(square(loraLinear(joinTrained(a, frozen), settings, key)(name, x, weight))))(
          adapter,
        ),
      )
      const x = tensor(numbers(8, 6 * 64, 1), { shape: [2, 3, 64] })
      const result = layer(trained, x, tensor(Uint32Array.of(1, 2, 3, 4), { shape: [2, 2], dtype: 'u32' }))
      setDefaultDevice(previous)
      return (await Promise.all(treeLeaves(result).map((t) => t.data()))) as Float32Array[]
    }
    const [one, other] = [await computed(cpu), await computed(gpu)]
    expect(other).toHaveLength(one.length)
    for (const [i, values] of one.entries()) expect(distance(other[i]!, values) / norm(values)).toBeLessThan(1e-4)
  })

  test.each<[string, Partial<LoraConfig>]>([
    ['embedding and head', { modulesToSave: ['embed_tokens', 'lm_head'] }],
    ['rows of tokens', { trainableTokenIndices: [17, 3, 31, 500] }],
  ])('steps of %s equal the CPU backend', async (_name, replaced) => {
    const settings = { ...lora, ...replaced }
    const [one, other] = [
      await train(cpu, { steps: 3, batch, settings }),
      await train(gpu, { steps: 3, batch, settings }),
    ]
    one.losses.forEach((loss, i) => expect(Math.abs(other.losses[i]! / loss - 1)).toBeLessThan(1e-3))
    expect(distance(other.adapter, one.adapter) / norm(one.adapter)).toBeLessThan(1e-3)
  })

  test('20 steps are close to the CPU backend in f16', async (context) => {
    context.skip(!gpu.profile.f16, 'needs a WebGPU adapter with shader-f16')
    expectClose(await train(gpu, { steps: 20, batch, dtype: 'f16' }), 2e-2)
  }, 120_000)

  // A software adapter runs every kernel by itself.
  test('steps whose kernels share dispatches, as on a GPU, equal the CPU backend', async () => {
    const sharing = await openWebGpuDevice({ profile: { software: false }, tune: false })
    const few = { steps: 2, batch, of: sizesOf(2) }
    const [one, other] = [await train(cpu, few), await train(sharing, few)]
    one.losses.forEach((loss, i) => expect(Math.abs(other.losses[i]! / loss - 1)).toBeLessThan(1e-3))
    expect(distance(other.adapter, one.adapter) / norm(one.adapter)).toBeLessThan(1e-3)
    await sharing.close()
  }, 120_000)

  test('30 steps allocate nothing and leak nothing', async () => {
    const marks: { buffers: number; device: number; process: number }[] = []
    const collect = (globalThis as { gc?: () => void }).gc
    await train(gpu, { steps: 30, batch }, async (step) => {
      if (step % 10 !== 0) return
      collect?.()
      const { bytes } = await gpu.memory()
      marks.push({ buffers: gpu.counters.buffers, device: bytes, process: process.memoryUsage.rss() })
    })
    const [first, last] = [marks[0]!, marks.at(-1)!]
    expect(last.buffers).toBe(first.buffers)
    expect(last.device).toBe(first.device)
    expect(last.process - first.process).toBeLessThan(30e6)
  })
})

test('a step of 4×256 tokens takes at most 250 dispatches on a GPU', async () => {
  const planned = openPlanningDevice(referenceGpu)
  let before = 0
  let dispatches = 0
  await train(planned, { steps: 2, batch: makeBatch(4, 256) }, (step) => {
    if (step === 2) dispatches = planned.counters.dispatches - before
    before = planned.counters.dispatches
  })
  expect(dispatches).toBeGreaterThan(50)
  expect(dispatches).toBeLessThanOrEqual(250)
  // What lives at different times shares memory.
  expect(planned.counters.arenaBytes).toBeLessThan(planned.counters.unsharedBytes / 2)
})
