// Optimisers, averages and schedules against torch, transformers, PEFT, schedulefree and lion-pytorch.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openCpuDevice } from '../backend-onnx'
import {
  averagingShares,
  jit,
  learningRateAt,
  movingAverage,
  optimizers,
  setDefaultDevice,
  tensor,
  treeLeaves,
  type Device,
  type OptimizerConfig,
  type OptimizerName,
  type SchedulerName,
  type Slots,
  type Tensor,
} from '../index'

type Named = { loraA: number[]; loraB: number[] }
interface Golden {
  cases: {
    name: string
    optimizer: OptimizerName
    config: OptimizerConfig & { loraPlusRatio?: number }
    initial: Named
    steps: { grads: Named; learningRate: number; after: Named; evaluated?: Named }[]
  }[]
  averages: { decay: number; steps: { params: Named; average: Named }[] }
  schedules: {
    scheduler: SchedulerName
    warmupSteps: number
    totalSteps: number
    cycles?: number
    decaySteps?: number
    rates: number[]
  }[]
}
const golden = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../test/goldens/optimizers.json'), 'utf8'),
) as Golden

let device: Device
beforeAll(async () => {
  device = await openCpuDevice({ threads: 1 })
  setDefaultDevice(device)
})
afterAll(async () => {
  setDefaultDevice(undefined)
  await device.close()
})

type Params = { readonly loraA: Tensor; readonly loraB: Tensor }
const upload = ({ loraA, loraB }: Named): Params => ({
  loraA: tensor(Float32Array.from(loraA), { shape: [2, 3] }),
  loraB: tensor(Float32Array.from(loraB), { shape: [4, 2] }),
})
async function expectNear(actual: Params, expected: Named, what: string, within = 5e-7) {
  for (const key of ['loraA', 'loraB'] as const) {
    const values = await actual[key].data()
    expected[key].forEach((x, i) => expect(Math.abs(values[i]! - x), `${what} ${key}[${i}]`).toBeLessThan(within))
  }
}

describe('equals its reference', () => {
  test.each(golden.cases.map((entry) => [entry.name, entry] as const))('%s', async (_name, entry) => {
    const { loraPlusRatio = 1, ...constants } = entry.config
    const config = { ...constants, rateOf: (path: readonly string[]) => (path.at(-1) === 'loraB' ? loraPlusRatio : 1) }
    const optimizer = optimizers[entry.optimizer]
    const rateAt = (step: number) => entry.steps[step - 1]!.learningRate
    const shares = averagingShares(rateAt)
    const update = jit((p: Params, g: Params, slots: Slots, numbers: Tensor) => ({
      ...optimizer.update(p, g, slots, numbers, config),
    }))
    let params = upload(entry.initial)
    let slots: Slots = jit((p: Params) => optimizer.init(p))(params)
    expect(Object.keys(slots)).toEqual(optimizer.slots)
    for (const [i, { grads, learningRate, after, evaluated }] of entry.steps.entries()) {
      const numbers = optimizer.numbers({ step: i + 1, learningRate, share: shares(i + 1) }, config)
      ;({ params, slots } = update(params, upload(grads), slots, tensor(Float32Array.from(numbers))))
      const within = entry.optimizer === 'muon' ? 3e-6 : 5e-7
      await expectNear(params, after, `step ${i + 1}`, within)
      if (evaluated) {
        const x = jit((p: Params, s: Slots) => optimizer.evaluated!(p, s, config))(params, slots)
        await expectNear(x, evaluated, `step ${i + 1}, evaluated`, 1e-6)
      }
    }
    update.dispose()
  })

  test('moving average', async () => {
    const { decay, steps } = golden.averages
    const follow = jit((average: Params, params: Params, d: Tensor) => movingAverage(average, params, d))
    let average = upload(steps[0]!.params)
    for (const [i, step] of steps.entries()) {
      average = follow(average, upload(step.params), tensor(i === 0 ? 0 : decay))
      await expectNear(average, step.average, `step ${i + 1}`)
    }
    follow.dispose()
  })

  test.each(golden.schedules)('$scheduler, warm-up $warmupSteps of $totalSteps', ({ rates, ...schedule }) => {
    rates.forEach((rate, step) => expect(learningRateAt(step, { ...schedule, learningRate: 1 })).toBeCloseTo(rate, 12))
  })
})

test('every optimiser lowers a loss, and keeps the structure of its parameters', async () => {
  const config = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0 }
  for (const [name, optimizer] of Object.entries(optimizers)) {
    const learningRate = name === 'sgd' ? 0.05 : 0.02
    let params = upload(golden.cases[0]!.initial)
    let slots: Slots = optimizer.init(params)
    const distance = async () => {
      const all = await Promise.all(treeLeaves(params).map((t) => t.data()))
      return all.flatMap((values) => [...values]).reduce((sum, x) => sum + x * x, 0)
    }
    const before = await distance()
    for (let step = 1; step <= 20; step++) {
      const numbers = tensor(Float32Array.from(optimizer.numbers({ step, learningRate }, config)))
      ;({ params, slots } = optimizer.update(params, params, slots, numbers, config))
    }
    expect(await distance(), name).toBeLessThan(0.8 * before)
    expect(Object.keys(slots)).toEqual(optimizer.slots)
    const shapes = [
      [2, 3],
      [4, 2],
    ]
    for (const [slot, tree] of Object.entries(slots))
      if (slot !== 'packed') expect(treeLeaves(tree).map(({ shape }) => shape)).toEqual(shapes)
  }
})

test('Muon takes matrices alone', () => {
  const params = { magnitude: tensor([1, 2]) }
  const config = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0 }
  expect(() => optimizers.muon.update(params, params, { m: params }, tensor([1]), config)).toThrow(
    'magnitude has shape [2], expected a matrix',
  )
})

test('shares of the average are a function of the step, in whatever order they are asked for', () => {
  const shares = averagingShares((step) => Math.min(step, 3) / 3)
  const inOrder = [1, 2, 3, 4, 5].map(shares)
  expect(inOrder[0]).toBe(1)
  expect(inOrder[4]).toBeCloseTo(1 / (1 / 9 + 4 / 9 + 3), 12)
  expect([5, 2, 4].map(shares)).toEqual([inOrder[4], inOrder[1], inOrder[3]])
  expect(averagingShares(() => 0)(3)).toBe(0)
})

test.each(Object.keys(optimizers) as OptimizerName[])('%s decays the parameters that it is asked to', async (name) => {
  const optimizer = optimizers[name]
  const initial = upload({ loraA: [1, -2, 3, -4, 5, -6], loraB: [0.5, 1, -1.5, 2, -2.5, 3, 3.5, -4] })
  const grads = upload({ loraA: [0.1, 0.2, -0.3, 0.4, 0.5, -0.6], loraB: [1, -1, 2, -2, 3, -3, 4, -4] })
  const after = async (weightDecay: number, decays?: OptimizerConfig['decays']) => {
    const config = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay, decays }
    const numbers = tensor(Float32Array.from(optimizer.numbers({ step: 1, learningRate: 0.1 }, config)))
    const { params } = optimizer.update(initial, grads, optimizer.init(initial), numbers, config)
    return { loraA: await params.loraA.data(), loraB: await params.loraB.data() }
  }
  const [all, none] = [await after(0.5), await after(0)]
  const some = await after(0.5, (path, shape) => path[0] === 'loraA' && shape.join() === '2,3')
  expect(some).toEqual({ loraA: all.loraA, loraB: none.loraB })
  expect(all.loraA).not.toEqual(none.loraA)
  expect(all.loraB).not.toEqual(none.loraB)
})
