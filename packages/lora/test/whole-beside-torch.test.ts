// 20 steps of weights that are trained themselves, beside torch and transformers.
import { describe, expect, test } from 'vitest'
import { startAdapter, type LoraConfig } from '../src/index'
import { apartOf } from '../src/adapter/apart'
import { downloadAdapter } from '../src/adapter/host'
import { tensorName } from '../src/adapter/whole/weights'
import { initState, TrainingStep } from '../src/train/step/training-step'
import { base, batchOf, device, fromBase64, hasModel, peftSamples, readGolden, setUp } from './beside-peft'

interface Golden {
  readonly optimizer: { readonly learningRate: number; readonly weightDecay: number }
  readonly every: number
  readonly kinds: Record<
    string,
    {
      readonly steps: readonly { readonly loss: number; readonly gradNorm: number }[]
      readonly distanceMoved: Record<string, number>
      readonly tensors: Record<string, string>
    }
  >
}

const plain: LoraConfig = { r: 16, alpha: 16, dropout: 0, targetModules: [], useRslora: false, whole: {} }
const runs = {
  full: { lora: plain, optimizer: 'adamw' },
  freeze: { lora: { ...plain, whole: { layers: 2 } }, optimizer: 'adamw' },
  muon: { lora: plain, optimizer: 'muon' },
  // transformers' parameter groups: norms and biases are not decayed.
  decayed: { lora: plain, optimizer: 'adamw' },
} as const

describe.skipIf(!hasModel)('against torch on stories260K (needs ../shared)', () => {
  setUp()
  const samples = hasModel ? peftSamples() : []
  const goldens = ['stories260K-whole.json', 'stories260K-decayed.json'].map((file) => readGolden<Golden>(file))

  test.each(Object.entries(runs))('%s: losses, norms and weights', async (name, { lora, optimizer }) => {
    const golden = goldens.find(({ kinds }) => name in kinds)!
    const { steps, distanceMoved, tensors } = golden.kinds[name]!
    const adamw = {
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-8,
      weightDecay: golden.optimizer.weightDecay,
      ...apartOf({ lora, optimizer }),
    }
    const stepper = new TrainingStep(base, { lora, adamw, optimizer, maxGradNorm: 1 })
    let state = initState(await startAdapter(base, lora, 1, device), { optimizer, adamw })
    const { learningRate } = golden.optimizer
    for (const [i, { loss, gradNorm }] of steps.entries()) {
      const result = stepper.run(state, [batchOf(samples, i + 1)], { step: i + 1, learningRate, seed: 1 })
      state = result.state
      expect(Math.abs((await result.loss.item()) - loss), `loss of step ${i + 1}`).toBeLessThan(1e-4)
      expect(Math.abs((await result.gradNorm.item()) / gradNorm - 1), `norm of step ${i + 1}`).toBeLessThan(1e-3)
    }
    stepper.dispose()
    const trained = await downloadAdapter(state.adapter)
    expect(Object.keys(trained).map(tensorName).sort()).toEqual(Object.keys(tensors).sort())
    for (const [module, parts] of Object.entries(trained)) {
      if (!('weight' in parts)) throw new Error(`${module} is not whole`)
      const { data, shape } = parts.weight
      const [every, columns] = shape.length === 2 ? [golden.every, shape[1]!] : [1, 1]
      const theirs = fromBase64(tensors[tensorName(module)]!)
      const off = Math.hypot(
        ...theirs.map((x, i) => data[Math.floor(i / columns) * every * columns + (i % columns)]! - x),
      )
      expect(off / distanceMoved[tensorName(module)]!, module).toBeLessThan(1e-3)
    }
  })
})
