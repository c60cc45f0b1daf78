// Settings that nothing reads: refused by what the table says of each, which is what the optimisers read.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { optimizers, setDefaultDevice, tensor, type Device, type OptimizerConfig } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { JoraConfig, type GivenSettings } from './jora-config'
import type { Setting } from './setting'
import { settings } from './table'
import { trainingSettings } from './table/training'

const of = (change: Partial<GivenSettings>) => () => new JoraConfig({ modelPath: 'm', ...change })

test.each<[Partial<GivenSettings>, string]>([
  [{ momentum: 0.8 }, 'momentum is 0.8 beside optimizer adamw, expected optimizer sgd or muon'],
  [{ decayRatio: 0.3 }, 'decayRatio is 0.3 beside scheduler cosine, expected scheduler wsd'],
  [{ beta: 0.2 }, 'beta is 0.2 beside objective sft, expected objective dpo, orpo or kto'],
  [{ evalSamples: 5 }, 'evalSamples is 5 without evalMetrics, expected evalMetrics beside it'],
  [{ minDelta: 0.1 }, 'minDelta is 0.1 without patience'],
  [{ finetuningType: 'full', loraR: 8 }, 'loraR is 8 beside finetuningType full, expected finetuningType lora'],
  [{ finetuningType: 'full', useDora: true }, 'useDora is true beside finetuningType full'],
  [{ finetuningType: 'full', loraPlusRatio: 16 }, 'loraPlusRatio is 16 beside finetuningType full'],
  [{ finetuningType: 'full', quantize: 'nf4' }, 'quantize is nf4 beside finetuningType full'],
  [{ finetuningType: 'full', trainableLayers: 2 }, 'trainableLayers is 2 beside finetuningType full'],
  [{ finetuningType: 'full', objective: 'dpo' }, 'objective is dpo beside finetuningType full'],
  [{ saveDtype: 'bf16' }, 'saveDtype is bf16 beside finetuningType lora, expected finetuningType freeze or full'],
])('%j is refused', (change, message) => {
  expect(of(change)).toThrow(message)
})

test('what is read, and what is as by default, is taken', () => {
  expect(of({ optimizer: 'sgd', momentum: 0.8, adamBeta1: 0.9 })).not.toThrow()
  expect(of({ finetuningType: 'full', loraR: 16, recipe: 'raft' })).not.toThrow()
  // A config that was made once is made again: what a recipe set is not what was given.
  const { settings: made } = of({ finetuningType: 'full', recipe: 'raft' })()
  expect(of(made)).not.toThrow()
})

test('every condition names a setting, and values that it can have', () => {
  const table: Readonly<Record<string, Setting>> = settings
  for (const [key, { readWith = {} }] of Object.entries(table))
    for (const [by, values] of Object.entries(readWith))
      for (const value of values === 'set' ? [] : values)
        expect(table[by]?.type.parse(value), `${key} with ${by} ${value}`).toBeDefined()
})

describe('constants of optimisers', () => {
  let device: Device
  beforeAll(async () => setDefaultDevice((device = await openCpuDevice({ threads: 1 }))))
  afterAll(async () => {
    setDefaultDevice(undefined)
    await device.close()
  })
  const constants = { adamBeta1: 'beta1', adamBeta2: 'beta2', adamEpsilon: 'epsilon', momentum: 'momentum' } as const
  /** The constants that an optimiser reads, of a matrix and a vector. */
  function readBy(name: keyof typeof optimizers): Set<string> {
    const read = new Set<string>()
    const values = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, momentum: 0.9, weightDecay: 0.1 }
    const config = new Proxy<OptimizerConfig>(
      { ...values, apart: (_path, shape) => shape.length < 2 },
      { get: (target, key: keyof OptimizerConfig) => (read.add(key), target[key]) },
    )
    const params = { matrix: tensor([1, 2, 3, 4], { shape: [2, 2] }), vector: tensor([1, 2]) }
    const fit = name === 'muon' ? params : { matrix: params.matrix }
    const optimizer = optimizers[name]
    const numbers = tensor(Float32Array.from(optimizer.numbers({ step: 1, learningRate: 0.1 }, config)))
    const { slots } = optimizer.update(fit, fit, optimizer.init(fit, config), numbers, config)
    optimizer.evaluated?.(fit, slots, config)
    return read
  }
  test.each(Object.keys(optimizers) as (keyof typeof optimizers)[])('%s reads those that the table says', (name) => {
    const read = readBy(name)
    for (const [key, constant] of Object.entries(constants)) {
      const { readWith } = trainingSettings[key as keyof typeof constants]
      expect((readWith.optimizer as readonly string[]).includes(name), key).toBe(read.has(constant))
    }
  })
})
