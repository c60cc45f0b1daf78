// DoRA, PiSSA and OLoRA against PEFT: where they begin, 20 AdamW steps on real rows, and the files and weights they become.
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { tensor, type Tensor } from '@jora/tensor'
import { openSafetensors } from '@jora/tensor/safetensors'
import { describe, expect, test } from 'vitest'
import {
  apart,
  base,
  batchOf,
  device,
  fromBase64,
  hasModel,
  out,
  peftSamples,
  product,
  readGolden,
  scoresOf,
  setUp,
  stepOf,
} from '../../../test/beside-peft'
import { formula } from '../../../test/formula'
import {
  initState,
  loadAdapter,
  loadCheckpoint,
  loraLinear,
  loraScaling,
  methodOf,
  peftName,
  readAdapter,
  saveCheckpoint,
  savePeftAdapter,
  startAdapter,
  type Adapter,
  type LoraConfig,
  lowRankOf,
} from '../../index'
import { settleAdapter } from '../apply'
import { downloadAdapter, uploadParts } from '../host'
import { isLoraPart } from '../peft/peft-names'
import { mapParts, partsOf, type methods } from './index'
import type { Parts } from './method'

interface Golden {
  config: Record<string, unknown> & { r: number; lora_alpha: number; target_modules: string[] }
  converted?: Record<string, unknown>
  optimizer: { learningRate: number }
  steps: { loss: number; gradNorm: number }[]
  distanceMoved: number
  merged: { tokens: number[]; rows: number; logits: string }
  tensors: Record<string, { shape: number[]; initial?: string; final: string }>
}

const common = { dropout: 0, targetModules: ['q_proj', 'v_proj', 'down_proj'] }
const kinds = {
  dora: { ...common, r: 4, alpha: 8, useRslora: false, useDora: true },
  pissa: { ...common, r: 4, alpha: 8, useRslora: false, initLoraWeights: 'pissa' },
  olora: { ...common, r: 3, alpha: 6, useRslora: true, initLoraWeights: 'olora' },
} as const satisfies Record<Exclude<keyof typeof methods, 'lora' | 'loftq'>, LoraConfig>

describe.skipIf(!hasModel)('against PEFT on stories260K (needs ../shared)', () => {
  setUp()
  const samples = hasModel ? peftSamples() : []

  /** The golden's tensors of a module under our names. */
  const goldenParts = (golden: Golden, module: string, which: 'initial' | 'final', names: readonly string[]) =>
    Object.fromEntries(
      names.filter(isLoraPart as (name: string) => boolean).map((part) => {
        const name = peftName(module, part as 'loraA')
        const { shape, [which]: text } = golden.tensors[name]!
        const size = shape.reduce((a, b) => a * b, 1)
        if (text !== undefined) return [part, fromBase64(text)]
        return [part, part === 'loraA' ? formula(name, size, 0.125) : new Float32Array(size)]
      }),
    ) as unknown as Parts<Float32Array>

  async function startOf(golden: Golden, config: LoraConfig): Promise<Adapter> {
    const own = lowRankOf(await downloadAdapter(await startAdapter(base, config, 1, device)))
    return Object.fromEntries(
      Object.entries(own).map(([module, parts]) => {
        const given = goldenParts(golden, module, 'initial', Object.keys(parts))
        const initial = parts.initialA && { initialA: given.loraA, initialB: given.loraB }
        return [module, uploadParts({ ...given, ...initial }, config.r, device)]
      }),
    )
  }

  const batch = (...place: [step: number, from?: number, count?: number]) => batchOf(samples, ...place)

  describe.each(Object.entries<LoraConfig>(kinds))('%s', (name, config) => {
    const golden = readGolden<Golden>(`stories260K-${name}.json`)

    test('begins where PEFT does', async () => {
      const own = lowRankOf(await downloadAdapter(await startAdapter(base, config, 1, device)))
      for (const [module, parts] of Object.entries(own)) {
        const theirs = goldenParts(golden, module, 'initial', Object.keys(parts))
        if (parts.magnitude) {
          expect(apart(parts.magnitude, theirs.magnitude!)).toBeLessThan(1e-5)
          continue
        }
        // Singular vectors and columns of Q are the same but for their signs; what A and B are together has none.
        const [mine, other] = [product(parts, config.r), product(theirs, config.r)]
        expect(apart(mine, other), module).toBeLessThan(1e-4 * Math.max(...other.map(Math.abs)))
        expect(apart(parts.loraA.map(Math.abs), theirs.loraA.map(Math.abs)), module).toBeLessThan(2e-3)
      }
    })

    test('20 steps equal PEFT’s, and so do the files and the merged model', async () => {
      const stepper = stepOf(config)
      let state = initState(await startOf(golden, config))
      for (const [i, { loss, gradNorm }] of golden.steps.entries()) {
        const rate = golden.optimizer.learningRate
        const result = stepper.run(state, [batch(i + 1)], { step: i + 1, learningRate: rate, seed: 1 })
        state = result.state
        expect(Math.abs((await result.loss.item()) - loss), `loss of step ${i + 1}`).toBeLessThan(1e-4)
        expect(Math.abs((await result.gradNorm.item()) / gradNorm - 1), `norm of step ${i + 1}`).toBeLessThan(1e-3)
      }
      stepper.dispose()
      let off = 0
      for (const [module, parts] of Object.entries(lowRankOf(await downloadAdapter(state.adapter))))
        for (const [part, theirs] of partsOf(goldenParts(golden, module, 'final', Object.keys(parts))))
          theirs.forEach((x, i) => (off += (parts[part]![i]! - x) ** 2))
      expect(Math.sqrt(off) / golden.distanceMoved).toBeLessThan(1e-3)

      const theirs = fromBase64(golden.merged.logits)
      const beside = await scoresOf({ ...base, linear: loraLinear(state.adapter, config) }, golden.merged)
      expect(apart(beside, theirs)).toBeLessThan(2e-3)

      // What is written is what PEFT writes, or converts to.
      const folder = join(out, name)
      mkdirSync(folder)
      await savePeftAdapter(folder, state.adapter, config, { baseModel: 'x' })
      const json = JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8')) as Record<string, unknown>
      const { target_modules: _targets, ...expected } = golden.converted ?? golden.config
      expect(json).toMatchObject(expected)
      await using file = await openSafetensors(join(folder, 'adapter_model.safetensors'))
      expect([...file.tensors.keys()].sort()).toEqual(Object.keys(golden.tensors).sort())
      const read = await loadAdapter(folder, base.config, device)
      const again = await scoresOf({ ...base, linear: loraLinear(read.adapter, read.config) }, golden.merged)
      expect(apart(again, theirs)).toBeLessThan(2e-3)

      const settled = settleAdapter(read.adapter, base, read.config)
      expect(
        Object.values(lowRankOf(settled)).every(({ lengths }) => (lengths !== undefined) === (name === 'dora')),
      ).toBe(true)
      const asked = await scoresOf({ ...base, linear: loraLinear(settled, read.config) }, golden.merged)
      expect(apart(asked, again)).toBeLessThan(1e-5)

      // Merged rows in place of the base's.
      const { adapter, config: written } = await readAdapter(folder, base.config)
      const weights = { ...base.weights }
      for (const [module, parts] of Object.entries(lowRankOf(adapter))) {
        const weight = base.weights[`${module}.weight`] as Tensor
        const values = (await weight.data()) as Float32Array
        const columns = weight.shape[1]!
        // In two blocks, as exports do.
        const middle = Math.floor(weight.shape[0]! / 2)
        const scale = loraScaling(written, module)
        for (const [from, to] of [
          [0, middle],
          [middle, weight.shape[0]!],
        ] as const)
          methodOf(written).merge(parts, values.subarray(from * columns, to * columns), from, written.r, scale)
        weights[`${module}.weight`] = tensor(values, { shape: weight.shape, device })
      }
      expect(apart(await scoresOf({ ...base, weights }, golden.merged), theirs)).toBeLessThan(2e-3)
    })

    test('accumulates, and goes on from a checkpoint as if it had not stopped', async () => {
      const numbers = (step: number) => ({ step, learningRate: 3e-3, seed: 1 })
      const stepper = stepOf(config)
      const take = async (state: ReturnType<typeof initState>, step: number) => {
        const result = stepper.run(state, [batch(step, 0, 4), batch(step, 4, 4)], numbers(step))
        return { state: result.state, loss: await result.loss.item() }
      }
      const first = await take(initState(await startOf(golden, config)), 1)
      expect(Math.abs(first.loss - golden.steps[0]!.loss)).toBeLessThan(1e-4)
      const progress = { step: 1, epoch: 0, epochStep: 1, seconds: 0, fingerprint: 'f' }
      const path = await saveCheckpoint(out, first.state, progress, config, { baseModel: 'x' })
      const { state: resumed } = await loadCheckpoint(join(out, path), base.config, config, 'f', device)
      const [whole, other] = [await take(first.state, 2), await take(resumed, 2)]
      expect(other.loss).toBe(whole.loss)
      expect(await downloadAdapter(other.state.adapter)).toEqual(await downloadAdapter(whole.state.adapter))
      stepper.dispose()
    })
  })
})

test('what names two methods is refused', () => {
  expect(() => methodOf({ ...kinds.dora, initLoraWeights: 'pissa' })).toThrow(
    /initLoraWeights is pissa beside useDora, expected one of them/,
  )
})

test('every tensor of a method is shaped as the table says', () => {
  const module = { name: 'model.layers.0.self_attn.q_proj', inFeatures: 6, outFeatures: 5 }
  const weight = Float32Array.from({ length: 30 }, (_, i) => Math.sin(i))
  for (const config of [{ ...kinds.dora, useDora: false }, ...Object.values(kinds)] as LoraConfig[]) {
    const method = methodOf(config)
    const made = method.init(module, config, 1, weight)
    const sizes = mapParts(method.shapes(module, config), (shape) => shape.reduce((a, b) => a * b, 1))
    expect(mapParts(made, ({ length }) => length)).toEqual(sizes)
  }
})
