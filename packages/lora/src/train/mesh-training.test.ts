// Training does not depend on the mesh: losses, gradient norms and the adapter after AdamW steps equal those of one device.
import { softwareVulkan } from '@jora-tooling/software-gpu'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Sample } from '@jora/data'
import { loadModel, parseConfig, weightShapes } from '@jora/llama'
import { Mesh, MeshDevice } from '@jora/shard'
import { openMesh } from '@jora/shard/open'
import { setDefaultDevice, type Device } from '@jora/tensor'
import { findAdapter, openWebGpuDevice } from '@jora/tensor/webgpu'
import { entry, noise, tinyConfig, writeTinyModel } from '../../../llama/test/tiny-model'
import {
  defaultTrainConfig,
  generateAlpacaDataset,
  JoraConfig,
  listCheckpoints,
  runTraining,
  startAdapter,
  trainLora,
  type Adapter,
  type JoraSettings,
  type LoraConfig,
  type StepEvent,
  type TrainConfig,
  type TrainEvent,
} from '../index'
import { partsOf } from '../adapter/methods'

const shared = process.env.JORA_SHARED ?? join(import.meta.dirname, '../../../../../shared')
const stories = join(shared, 'models/stories260K')
const bundled = join(import.meta.dirname, '../../../../apps/cli/assets/tiny-llama')

await softwareVulkan()
const gpu = await findAdapter()

let root: string
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'jora-mesh-'))
})
afterAll(() => {
  setDefaultDevice(undefined)
  rmSync(root, { recursive: true })
})

/** Rows of 24 or 32 ids below `vocab`, the last third of them learned: two lengths, so that few programs are compiled. */
const samplesOf = (count: number, vocab: number): Sample[] =>
  Array.from({ length: count }, (_, row) => {
    const length = row % 3 === 1 ? 24 : 32
    const ids = Int32Array.from(noise(`row${row}`, length), (x) => 3 + Math.floor(((x + 1) / 2) * (vocab - 3)))
    return { ids, labels: ids.map((id, i) => (i < (2 * length) / 3 ? -100 : id)), row }
  })

/** 26M parameters, the model of the speed bench. */
const largeConfig = {
  ...tinyConfig,
  vocab_size: 8192,
  hidden_size: 512,
  intermediate_size: 1408,
  num_hidden_layers: 8,
  num_attention_heads: 8,
  num_key_value_heads: 4,
}

/** Its weights, small enough that eight layers neither grow nor vanish. */
const largeWeights = () =>
  [...weightShapes(parseConfig(largeConfig))].map(([name, shape]) => {
    const norm = name.endsWith('norm.weight')
    const size = shape.reduce((n, d) => n * d, 1)
    return entry(name, shape, norm ? new Float32Array(size).fill(1) : noise(name, size).map((x) => 0.04 * x))
  })

/** Twenty steps of four rows, with dropout, in two micro-steps. */
const twentySteps: TrainConfig = {
  ...defaultTrainConfig,
  lora: { r: 4, alpha: 8, dropout: 0.1, targetModules: ['q_proj', 'v_proj'], useRslora: false },
  learningRate: 5e-3,
  weightDecay: 0.01,
  epochs: 100,
  maxSteps: 20,
  evalEvery: 10,
  batchSize: 2,
  gradientAccumulationSteps: 2,
  seed: 7,
  dtype: 'f32',
  // At Adam's 1e-8, an element whose gradient is rounding alone moves by a whole step, in either direction.
  adamEpsilon: 1e-6,
}
/** Enough to go through AdamW's moments, both micro-steps and an evaluation: twenty steps are held on two meshes. */
const sixSteps: TrainConfig = { ...twentySteps, maxSteps: 6, evalEvery: 3 }
const allLinear: TrainConfig = { ...twentySteps, lora: { ...twentySteps.lora, targetModules: 'all-linear' } }

type Arrays = ReadonlyMap<string, Float32Array>

interface Trained {
  readonly steps: readonly StepEvent[]
  readonly evalLosses: readonly number[]
  readonly adapter: Arrays
}

async function arraysOf(adapter: Adapter): Promise<Arrays> {
  const arrays = new Map<string, Float32Array>()
  for (const [module, parts] of Object.entries(adapter))
    for (const [part, values] of partsOf(parts)) arrays.set(`${module}.${part}`, (await values.data()) as Float32Array)
  return arrays
}

async function trainOn(device: Device, folder: string, config: TrainConfig, samples: readonly Sample[]) {
  const model = await loadModel(folder, { device })
  const [train, heldOut] = [samples.slice(3), samples.slice(0, 3)]
  const training = runTraining({ model, config, train, heldOut, padId: 0, device })
  const events: TrainEvent[] = []
  let next = await training.next()
  for (; !next.done; next = await training.next()) events.push(next.value)
  return {
    steps: events.filter((e) => e.type === 'step'),
    evalLosses: events.flatMap((e) => (e.type === 'eval' ? [e.loss] : [])),
    adapter: await arraysOf(next.value.adapter),
  } satisfies Trained
}

/** Opens a device, uses it, closes it. */
async function using<R>(opening: Promise<Device>, use: (device: Device) => Promise<R>): Promise<R> {
  const device = await opening
  try {
    return await use(device)
  } finally {
    setDefaultDevice(undefined)
    await device.close()
  }
}

const distance = (a: Arrays, b: Arrays): number =>
  Math.sqrt([...a].reduce((n, [name, x]) => n + x.reduce((m, v, i) => m + (v - b.get(name)![i]!) ** 2, 0), 0))

/** The run on one device, and how far it moved the adapter. */
interface Reference extends Trained {
  readonly moved: number
}

const reference = (folder: string, config: TrainConfig, samples: readonly Sample[]): Promise<Reference> =>
  using(openMesh('cpu', { mesh: 'model=1' }), async (device) => {
    const trained = await trainOn(device, folder, config, samples)
    const fresh = await arraysOf(
      await startAdapter(await loadModel(folder, { device }), config.lora, config.seed, device),
    )
    return { ...trained, moved: distance(trained.adapter, fresh) }
  })

function expectSame(trained: Trained, one: Reference, tolerance = 1e-4): void {
  const off = (x: number, y: number) => Math.abs(x / y - 1)
  expect(trained.steps).toHaveLength(one.steps.length)
  trained.steps.forEach(({ step, loss, gradNorm, targetTokens }, i) => {
    expect(off(loss, one.steps[i]!.loss), `loss of step ${step}`).toBeLessThan(tolerance)
    expect(off(gradNorm, one.steps[i]!.gradNorm), `gradient norm of step ${step}`).toBeLessThan(tolerance)
    expect(targetTokens).toBe(one.steps[i]!.targetTokens)
  })
  expect(trained.evalLosses).toHaveLength(one.evalLosses.length)
  trained.evalLosses.forEach((loss, i) => expect(off(loss, one.evalLosses[i]!)).toBeLessThan(tolerance))
  expect(distance(trained.adapter, one.adapter) / one.moved, 'adapter').toBeLessThan(tolerance)
}

/** Holds runs on these meshes to a run on one device. */
function onMeshes(
  meshes: readonly string[],
  run: () => { folder: string; config: TrainConfig; samples: readonly Sample[] },
  tolerance?: number,
): void {
  let one: Reference
  beforeAll(async () => {
    const { folder, config, samples } = run()
    one = await reference(folder, config, samples)
    expect(one.moved).toBeGreaterThan(0)
  })
  test.each(meshes)('%s', async (mesh) => {
    const { folder, config, samples } = run()
    const trained = await using(openMesh('cpu', { mesh }), (device) => trainOn(device, folder, config, samples))
    expectSame(trained, one, tolerance)
  })
}

describe('the bundled model', () => {
  const samples = samplesOf(13, 1536)
  describe('q and v, micro-steps of two', () => {
    onMeshes(['data=1,model=2', 'data=2,model=2'], () => ({ folder: bundled, config: twentySteps, samples }))
  })
  describe('all linear layers, checkpointed, in one micro-step', () => {
    onMeshes(['data=2,model=2'], () => ({
      folder: bundled,
      config: {
        ...sixSteps,
        lora: allLinear.lora,
        batchSize: 4,
        gradientAccumulationSteps: 1,
        gradientCheckpointing: true,
      },
      samples,
    }))
  })
  const targetModules = ['layers.0.self_attn.q_proj', 'layers.1.mlp.down_proj']
  describe.each<[string, Partial<LoraConfig>]>([
    ['DoRA', { useDora: true }],
    ['PiSSA', { initLoraWeights: 'pissa' }],
    ['embedding and head', { modulesToSave: ['embed_tokens', 'lm_head'] }],
    ['rows of tokens', { trainableTokenIndices: [9, 700, 1535] }],
  ])('%s', (_name, method) => {
    const few = () => ({
      folder: bundled,
      // Of one layer split by column, and one split by row.
      config: { ...twentySteps, lora: { ...twentySteps.lora, targetModules, ...method }, maxSteps: 3, evalEvery: 3 },
      samples,
    })
    onMeshes(['data=2,model=2'], few, 1e-3) // three steps do not move far
  })
  // Moments of parameters that are split are packed together.
  describe('AdamW in 8 bits', () => {
    const packed = () => ({
      folder: bundled,
      config: {
        ...twentySteps,
        optimizer: 'adamw_8bit' as const,
        lora: { ...twentySteps.lora, targetModules, r: 32 },
        maxSteps: 3,
        evalEvery: 3,
      },
      samples,
    })
    onMeshes(['data=2,model=2'], packed, 1e-3)
  })
  // Three rows over two parts, and a last step of one row.
  describe('batches that do not divide', () => {
    onMeshes(['data=2,model=1', 'data=4,model=1'], () => ({
      folder: bundled,
      config: { ...twentySteps, batchSize: 3, maxSteps: 6 },
      samples,
    }))
  })

  test.skipIf(!gpu)(`WebGPU, data=1,model=2${gpu ? '' : ' (needs a WebGPU adapter)'}`, async () => {
    const config = { ...sixSteps, shuffle: false, batchSize: 4, gradientAccumulationSteps: 1 }
    const rows = samples.slice(0, 7)
    const one = await reference(bundled, config, rows)
    const opening = Promise.all([openWebGpuDevice(), openWebGpuDevice()]).then(
      (devices) => new MeshDevice(new Mesh(['data', 'model'], [1, 2]), { devices }),
    )
    expectSame(await using(opening, (device) => trainOn(device, bundled, config, rows)), one)
  })
})

describe.skipIf(!existsSync(stories))('stories260K (needs ../shared)', () => {
  const samples = samplesOf(13, 512)
  describe('q and v', () => {
    onMeshes(['data=1,model=4', 'data=2,model=1'], () => ({ folder: stories, config: sixSteps, samples }))
  })
  describe('all linear layers', () => {
    onMeshes(['data=2,model=2'], () => ({
      folder: stories,
      config: { ...sixSteps, lora: allLinear.lora },
      samples,
    }))
  })
})

describe('random models', () => {
  let few: string
  let large: string
  beforeAll(async () => {
    few = await writeTinyModel(join(root, 'few'), {
      ...tinyConfig,
      hidden_size: 64,
      vocab_size: 51,
      num_hidden_layers: 2,
      num_attention_heads: 8,
      num_key_value_heads: 2,
    })
    large = await writeTinyModel(join(root, 'large'), largeConfig, largeWeights())
  })
  describe('fewer kv heads than devices, a vocabulary that does not divide', () => {
    onMeshes(['data=1,model=4', 'data=2,model=2'], () => ({
      folder: few,
      config: { ...sixSteps, lora: allLinear.lora },
      samples: samplesOf(13, 51),
    }))
  })
  describe('26M parameters, four rows of 32 tokens', () => {
    onMeshes(['data=2,model=2'], () => ({
      folder: large,
      config: { ...sixSteps, learningRate: 1e-3, batchSize: 4, gradientAccumulationSteps: 1, shuffle: false },
      samples: samplesOf(7, 8192),
    }))
  })
})

describe('a checkpoint goes on where it is taken', () => {
  let dataset: string
  beforeAll(() => {
    dataset = join(root, 'rows.json')
    const rows = Array.from({ length: 12 }, (_, i) => ({ instruction: `Say ${i}.`, output: `It is ${i * i}.` }))
    writeFileSync(dataset, JSON.stringify(rows))
  })
  const configOf = (change: Partial<JoraSettings>) =>
    new JoraConfig({
      modelPath: bundled,
      device: 'cpu',
      epochs: 2,
      batchSize: 2,
      gradientAccumulationSteps: 2,
      learningRate: 0.01,
      loraR: 4,
      saveEvery: 2,
      ...change,
    })
  /** Trains in `out` on `mesh`; `stopAfter` leaves after that step. */
  async function train(out: string, mesh: string, stopAfter?: number) {
    const config = configOf({ mesh })
    const stop = new AbortController()
    return using(openMesh('cpu', { mesh }), async (device) => {
      const rows = await generateAlpacaDataset(dataset, 'train', config)
      const onEvent = (event: TrainEvent) => {
        if (event.type === 'step' && event.step === stopAfter) stop.abort()
      }
      const options = { resume: 'auto', signal: stop.signal, device, onEvent } as const
      const { finalLoss, steps } = await trainLora(config, rows, out, options)
      return { finalLoss: finalLoss!, steps }
    })
  }

  // From four to one is held under MPI.
  test.each([
    ['data=1,model=1', 'data=2,model=2'],
    ['data=1,model=4', 'data=2,model=1'],
  ])('%s, then %s', async (before, after) => {
    const name = `${before} ${after}`
    const whole = await train(join(root, `whole ${name}`), after)
    const out = join(root, name)
    expect(await train(out, before, 3)).toMatchObject({ steps: 3 })
    expect((await listCheckpoints(out)).at(-1)).toMatch(/step-00000003$/)
    const { finalLoss, steps } = await train(out, after)
    expect(steps).toBe(whole.steps)
    expect(Math.abs(finalLoss / whole.finalLoss - 1)).toBeLessThan(1e-4)
    const run = JSON.parse(readFileSync(join(out, 'run.json'), 'utf8')) as { mesh: string | null }
    expect(run.mesh).toBe(after === 'data=1,model=1' ? null : after)
  })
})
