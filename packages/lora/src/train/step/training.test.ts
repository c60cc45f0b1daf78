// Training against plain torch: losses and gradient norms of AdamW steps on real rows, and the adapter after 20 of them.
import { softwareVulkan } from '@jora-tooling/software-gpu'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { collate, type Sample } from '@jora/data'
import { loadModel, type Decoder, type Model } from '@jora/llama'
import { setDefaultDevice, tensor, type Device } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { findAdapter, openWebGpuDevice } from '@jora/tensor/webgpu'
import { formula } from '../../../test/formula'
import {
  adaptedModules,
  initState,
  peftName,
  TrainingStep,
  type Adapter,
  type LoraConfig,
  lowRankOf,
} from '../../index'

const shared = process.env.JORA_SHARED ?? join(import.meta.dirname, '../../../../../../shared')
const modelDir = join(shared, 'models/stories260K')
const goldens = join(import.meta.dirname, '../../../test/goldens')
const readJson = <T>(name: string): T => JSON.parse(readFileSync(join(goldens, name), 'utf8')) as T

interface Golden {
  lora: { r: number; alpha: number; dropout: number; targetModules: string[] }
  initial: { A: { scale: number } }
  optimizer: { learningRate: number; betas: [number, number]; eps: number; weightDecay: number; maxGradNorm: number }
  steps: { loss: number; gradNorm: number; targetTokens: number }[]
  distanceMoved: number
  tensors: Record<string, { shape: number[]; final: string }>
}

/** An adapter, and how far it is from where it began. */
interface Learned {
  readonly arrays: ReadonlyMap<string, Float32Array>
  readonly moved: number
}

const fromBase64 = (text: string): Float32Array => new Float32Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer)

const finalOf = ({ tensors }: Golden): Learned['arrays'] =>
  new Map(Object.entries(tensors).map(([name, { final }]) => [name, fromBase64(final)]))

async function arraysOf(adapter: Adapter): Promise<Learned['arrays']> {
  const arrays = new Map<string, Float32Array>()
  for (const [module, pair] of Object.entries(lowRankOf(adapter)))
    for (const part of ['loraA', 'loraB'] as const)
      arrays.set(peftName(module, part), (await pair[part].data()) as Float32Array)
  return arrays
}

await softwareVulkan()
const adapter = await findAdapter()

const exact = { tolerance: 1e-3, lossTolerance: 1e-4 }
const close = { tolerance: 2e-2, lossTolerance: 2e-2 }
const micro: [string, number, boolean][] = [
  ['two of 4', 4, false],
  ['eight of 1', 1, false],
  ['layer checkpointing', 8, true],
]

/**
 * Devices and types the same goldens hold for, and how closely. A software adapter takes long over a step, and longer over each
 * batch shape: it runs the first steps of one golden, which have one, and its adapter is to be the CPU's after as many.
 */
const runs = [
  {
    name: 'CPU',
    open: () => openCpuDevice(),
    dtype: 'f32',
    kinds: ['qv', 'all'],
    variants: micro,
    steps: 20,
    ...exact,
  },
  { name: 'WebGPU', open: () => openWebGpuDevice(), dtype: 'f32', kinds: ['qv'], variants: [], steps: 5, ...exact },
  {
    name: 'WebGPU in f16',
    open: () => openWebGpuDevice(),
    dtype: 'f16',
    kinds: ['qv'],
    variants: [],
    steps: 6,
    ...close,
  },
] as const

for (const { name, open, dtype, kinds, variants, steps: count, tolerance, lossTolerance } of runs) {
  const missing = name !== 'CPU' && !(dtype === 'f16' ? adapter?.profile.f16 : adapter)

  describe.skipIf(!existsSync(modelDir) || missing)(
    `LoRA on stories260K, ${name} (needs ../shared${name === 'CPU' ? '' : ' and a WebGPU adapter'})`,
    () => {
      let device: Device
      let model: Model
      const { rows } = readJson<{ rows: { ids: number[]; promptLength: number }[] }>('gsm8k-rows-stories260K.json')
      const samples: Sample[] = rows.map(({ ids, promptLength }, row) => ({
        ids: Int32Array.from(ids),
        labels: Int32Array.from(ids, (id, i) => (i < promptLength ? -100 : id)),
        row,
      }))
      beforeAll(async () => {
        device = await open()
        setDefaultDevice(device)
        model = await loadModel(modelDir)
      })
      afterAll(() => device.close())

      function adapterOf(config: LoraConfig, scale: number): Adapter {
        return Object.fromEntries(
          adaptedModules(model.config, config).map(({ name, inFeatures, outFeatures }) => [
            name,
            {
              loraA: tensor(formula(peftName(name, 'loraA'), config.r * inFeatures, scale), {
                shape: [config.r, inFeatures],
              }),
              loraB: tensor(new Float32Array(outFeatures * config.r), { shape: [outFeatures, config.r] }),
            },
          ]),
        )
      }

      /** Trains the golden's first steps, each cut into micro-steps of `microSize`. */
      async function train(
        golden: Golden,
        steps: number,
        microSize: number,
        { checkpointLayers = false, of = { ...model, dtype } as Decoder } = {},
      ) {
        const lora: LoraConfig = { ...golden.lora, useRslora: false }
        const { betas, eps, weightDecay, maxGradNorm, learningRate } = golden.optimizer
        const stepper = new TrainingStep(
          { ...of, checkpointLayers },
          { lora, adamw: { beta1: betas[0], beta2: betas[1], epsilon: eps, weightDecay }, maxGradNorm },
        )
        let state = initState(adapterOf(lora, golden.initial.A.scale))
        const metrics: { loss: number; gradNorm: number }[] = []
        for (let step = 1; step <= steps; step++) {
          const indices = Array.from({ length: 8 }, (_, i) => 8 * (step - 1) + i)
          const micro = Array.from({ length: 8 / microSize }, (_, i) =>
            indices.slice(i * microSize, (i + 1) * microSize),
          )
          const result = stepper.run(
            state,
            micro.map((m) => collate(samples, m, { padId: 0 })),
            { step, learningRate, seed: 1 },
          )
          state = result.state
          metrics.push({ loss: await result.loss.item(), gradNorm: await result.gradNorm.item() })
        }
        stepper.dispose()
        return { adapter: state.adapter, metrics }
      }

      async function distance(adapter: Adapter, reference: (name: string) => Float32Array): Promise<number> {
        let total = 0
        for (const [name, mine] of await arraysOf(adapter)) {
          const theirs = reference(name)
          mine.forEach((v, i) => (total += (v - theirs[i]!) ** 2))
        }
        return Math.sqrt(total)
      }

      /** What steps of 8 make of a golden's adapter. */
      async function learned(golden: Golden, steps: number, of?: Decoder): Promise<Learned> {
        const { adapter } = await train(golden, steps, 8, { of })
        const start = await arraysOf(adapterOf({ ...golden.lora, useRslora: false }, golden.initial.A.scale))
        return { arrays: await arraysOf(adapter), moved: await distance(adapter, (name) => start.get(name)!) }
      }

      async function onCpu(golden: Golden, steps: number): Promise<Learned> {
        const cpu = await openCpuDevice()
        setDefaultDevice(cpu)
        const result = await learned(golden, steps, await loadModel(modelDir))
        setDefaultDevice(device)
        await cpu.close()
        return result
      }

      for (const kind of kinds) {
        test(`${kind}: ${count} steps equal torch`, async () => {
          const golden = readJson<Golden>(`stories260K-lora-20steps-${kind}.json`)
          const { adapter, metrics } = await train(golden, count, 8)
          expect(metrics).toHaveLength(count)
          golden.steps.slice(0, count).forEach(({ loss, gradNorm }, i) => {
            expect(Math.abs(metrics[i]!.loss - loss), `loss of step ${i + 1}`).toBeLessThan(lossTolerance)
            expect(Math.abs(metrics[i]!.gradNorm / gradNorm - 1), `gradient norm of step ${i + 1}`).toBeLessThan(
              tolerance,
            )
          })
          const whole = count === golden.steps.length
          const { arrays, moved } = whole
            ? { arrays: finalOf(golden), moved: golden.distanceMoved }
            : await onCpu(golden, count)
          expect((await distance(adapter, (name) => arrays.get(name)!)) / moved).toBeLessThan(tolerance)
        })
      }

      describe.skipIf(variants.length === 0)('cut otherwise', () => {
        const steps = 3
        const golden = readJson<Golden>('stories260K-lora-20steps-qv.json')
        let whole: Learned
        beforeAll(async () => {
          whole = await learned(golden, steps)
        })
        test.each(variants)('%s equals one micro-step of 8', async (_what, microSize, checkpointLayers) => {
          const other = await train(golden, steps, microSize, { checkpointLayers })
          expect((await distance(other.adapter, (name) => whole.arrays.get(name)!)) / whole.moved).toBeLessThan(1e-4)
        })
      })
    },
  )
}
