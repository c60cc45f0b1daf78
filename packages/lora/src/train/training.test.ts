// Training against plain torch: losses, gradient norms and the adapter after 20 AdamW steps on real rows.
import { softwareVulkan } from '@jora-tooling/software-gpu'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { collate, type Sample } from '@jora/data'
import { loadModel, type Model } from '@jora/llama'
import { setDefaultDevice, tensor, type Device } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { findAdapter, openWebGpuDevice } from '@jora/tensor/webgpu'
import { formula } from '../../test/formula'
import { adaptedModules, initState, peftName, TrainingStep, type Adapter, type LoraConfig, lowRankOf } from '../index'

const shared = process.env.JORA_SHARED ?? join(import.meta.dirname, '../../../../../shared')
const modelDir = join(shared, 'models/stories260K')
const goldens = join(import.meta.dirname, '../../test/goldens')
const readJson = <T>(name: string): T => JSON.parse(readFileSync(join(goldens, name), 'utf8')) as T

interface Golden {
  lora: { r: number; alpha: number; dropout: number; targetModules: string[] }
  initial: { A: { scale: number } }
  optimizer: { learningRate: number; betas: [number, number]; eps: number; weightDecay: number; maxGradNorm: number }
  steps: { loss: number; gradNorm: number; targetTokens: number }[]
  distanceMoved: number
  tensors: Record<string, { shape: number[]; final: string }>
}

const fromBase64 = (text: string): Float32Array => new Float32Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer)

await softwareVulkan()
const adapter = await findAdapter()

const exact = { tolerance: 1e-3, lossTolerance: 1e-4 }
const close = { tolerance: 2e-2, lossTolerance: 2e-2 }
const micro: [string, number, boolean][] = [
  ['two of 4', 4, false],
  ['eight of 1', 1, false],
  ['layer checkpointing', 8, true],
]

/** Devices and types the same goldens hold for, and how closely. A software adapter takes long over each batch shape: it runs one golden. */
const runs = [
  { name: 'CPU', open: () => openCpuDevice(), dtype: 'f32', kinds: ['qv', 'all'], variants: micro, ...exact },
  { name: 'WebGPU', open: () => openWebGpuDevice(), dtype: 'f32', kinds: ['qv'], variants: [], ...exact },
  { name: 'WebGPU in f16', open: () => openWebGpuDevice(), dtype: 'f16', kinds: ['qv'], variants: [], ...close },
] as const

for (const { name, open, dtype, kinds, variants, tolerance, lossTolerance } of runs) {
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
      async function train(golden: Golden, steps: number, microSize: number, checkpointLayers = false) {
        const lora: LoraConfig = { ...golden.lora, useRslora: false }
        const { betas, eps, weightDecay, maxGradNorm, learningRate } = golden.optimizer
        const stepper = new TrainingStep(
          { ...model, checkpointLayers, dtype },
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

      async function distance(
        adapter: Adapter,
        reference: (name: string) => Float32Array | Promise<Float32Array>,
      ): Promise<number> {
        let total = 0
        for (const [module, pair] of Object.entries(lowRankOf(adapter))) {
          for (const part of ['loraA', 'loraB'] as const) {
            const [mine, theirs] = [(await pair[part].data()) as Float32Array, await reference(peftName(module, part))]
            mine.forEach((v, i) => (total += (v - theirs[i]!) ** 2))
          }
        }
        return Math.sqrt(total)
      }

      for (const kind of kinds) {
        test(`${kind}: 20 steps equal torch`, async () => {
          const golden = readJson<Golden>(`stories260K-lora-20steps-${kind}.json`)
          const { adapter, metrics } = await train(golden, golden.steps.length, 8)
          golden.steps.forEach(({ loss, gradNorm }, i) => {
            expect(Math.abs(metrics[i]!.loss - loss), `loss of step ${i + 1}`).toBeLessThan(lossTolerance)
            expect(Math.abs(metrics[i]!.gradNorm / gradNorm - 1), `gradient norm of step ${i + 1}`).toBeLessThan(
              tolerance,
            )
          })
          const off = await distance(adapter, (name) => fromBase64(golden.tensors[name]!.final))
          expect(off / golden.distanceMoved).toBeLessThan(tolerance)
        })
      }

      describe.skipIf(variants.length === 0)('cut otherwise', () => {
        const steps = 3
        const golden = readJson<Golden>('stories260K-lora-20steps-qv.json')
        let whole: Map<string, Float32Array>
        let moved: number
        const arrayOf = async (adapter: Adapter, name: string) => {
          const [, module, part] = /^base_model\.model\.(.*)\.lora_([AB])\.weight$/.exec(name)!
          return (await lowRankOf(adapter)[module!]![part === 'A' ? 'loraA' : 'loraB'].data()) as Float32Array
        }
        beforeAll(async () => {
          const { adapter } = await train(golden, steps, 8)
          whole = new Map()
          for (const name of Object.keys(golden.tensors)) whole.set(name, await arrayOf(adapter, name))
          const start = adapterOf({ ...golden.lora, useRslora: false }, golden.initial.A.scale)
          moved = await distance(adapter, (name) => arrayOf(start, name))
        })
        test.each(variants)('%s equals one micro-step of 8', async (_what, microSize, checkpointLayers) => {
          const other = await train(golden, steps, microSize, checkpointLayers)
          expect((await distance(other.adapter, (name) => whole.get(name)!)) / moved).toBeLessThan(1e-4)
        })
      })
    },
  )
}
