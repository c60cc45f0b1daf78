// AdamW and clipping against torch.optim.AdamW and clip_grad_norm_.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openCpuDevice } from '../backend-onnx'
import {
  adamw,
  clipByGlobalNorm,
  globalNorm,
  initAdamW,
  jit,
  setDefaultDevice,
  stepNumbers,
  tensor,
  treePaths,
  type AdamWState,
  type Device,
  type Tensor,
} from '../index'

type Named = { a: number[]; b: number[] }
interface Golden {
  name: string
  learningRate: number
  betas: [number, number]
  eps: number
  weightDecay: number
  maxGradNorm: number | null
  initial: Named
  steps: { grads: Named; gradNorm: number; after: Named }[]
}

const { cases } = JSON.parse(readFileSync(join(import.meta.dirname, '../../test/goldens/adamw.json'), 'utf8')) as {
  cases: Golden[]
}

let device: Device
beforeAll(async () => {
  device = await openCpuDevice({ threads: 1 })
  setDefaultDevice(device)
})
afterAll(async () => {
  setDefaultDevice(undefined)
  await device.close()
})

type Params = { readonly a: Tensor; readonly b: Tensor }
const upload = ({ a, b }: Named): Params => ({
  a: tensor(Float32Array.from(a), { shape: [2, 3] }),
  b: tensor(Float32Array.from(b)),
})

describe('AdamW equals torch', () => {
  for (const golden of cases) {
    test(`${golden.name}`, async () => {
      const config = {
        beta1: golden.betas[0],
        beta2: golden.betas[1],
        epsilon: golden.eps,
        weightDecay: golden.weightDecay,
      }
      const update = jit((params: Params, grads: Params, state: AdamWState<Params>, numbers: Tensor) => {
        const clipped = clipByGlobalNorm(grads, golden.maxGradNorm ?? 0)
        return { ...adamw(params, clipped.grads, state, numbers, config), norm: clipped.norm }
      })
      let params = upload(golden.initial)
      let state = jit((p: Params) => initAdamW(p))(params)
      for (const [i, { grads, gradNorm, after }] of golden.steps.entries()) {
        const next = update(params, upload(grads), state, tensor(stepNumbers(golden.learningRate, i + 1, config)))
        ;({ params, state } = next)
        expect(Math.abs((await next.norm.item()) / gradNorm - 1)).toBeLessThan(1e-6)
        for (const key of ['a', 'b'] as const) {
          const actual = await params[key].data()
          after[key].forEach((x, at) =>
            expect(Math.abs(actual[at]! - x), `step ${i + 1} ${key}[${at}]`).toBeLessThan(2e-7),
          )
        }
      }
      update.dispose()
    })
  }

  test('the cases cover decay, clipping and both, and other betas', () => {
    expect(cases.some((c) => c.weightDecay > 0)).toBe(true)
    expect(cases.some((c) => c.maxGradNorm !== null)).toBe(true)
  })
})

describe('a rate by path', () => {
  const config = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1 }
  type Pairs = { readonly x: { readonly loraA: Tensor; readonly loraB: Tensor }; readonly y: readonly Tensor[] }
  const pairs = (): Pairs => ({ x: { loraA: tensor([1, -2]), loraB: tensor([3, 0.5]) }, y: [tensor([-1])] })
  const grads = (): Pairs => ({ x: { loraA: tensor([0.1, 2]), loraB: tensor([-1, 1]) }, y: [tensor([5])] })

  const updated = async (learningRate: number, rateOf?: (path: readonly string[]) => number) => {
    const update = jit((p: Pairs, g: Pairs, numbers: Tensor) => {
      const state = initAdamW(p)
      return adamw(p, g, state, numbers, { ...config, rateOf }).params
    })
    const next = update(pairs(), grads(), tensor(stepNumbers(learningRate, 1, config)))
    return {
      a: [...(await next.x.loraA.data())],
      b: [...(await next.x.loraB.data())],
      y: [...(await next.y[0]!.data())],
    }
  }

  test('multiplies the step and the decay of the parameters it names, as a parameter group of its own does', async () => {
    const [plain, faster] = [await updated(0.125), await updated(0.125 * 16)]
    const plus = await updated(0.125, (path) => (path.at(-1) === 'loraB' ? 16 : 1))
    expect(plus).toEqual({ a: plain.a, b: faster.b, y: plain.y })
    expect(plain.b).not.toEqual(faster.b)
    expect((await updated(0.125, ([first]) => (first === 'y' ? 0 : 1))).y).toEqual([-1])
  })

  test('is asked for every tensor by its keys', () => {
    expect(treePaths(pairs())).toEqual([
      ['x', 'loraA'],
      ['x', 'loraB'],
      ['y', '0'],
    ])
    expect(treePaths({ n: 1, t: tensor([1]) })).toEqual([['t']])
  })

  test.each([-1, NaN, Infinity])('%f is refused, by the name of the parameter', async (rate) => {
    await expect(updated(1, () => rate)).rejects.toThrow(`the rate of x.loraA is ${rate}, expected a number ≥ 0`)
  })
})

describe('clipping', () => {
  const grads = () => ({ a: tensor([3, 0]), b: [tensor([[4]])] })
  test('the global norm is over all leaves', async () => expect(await globalNorm(grads()).item()).toBe(5))
  test('0 is off; below the norm nothing changes; above it all leaves shrink alike', async () => {
    const run = async (max: number) => {
      const { grads: clipped, norm } = clipByGlobalNorm(grads(), max)
      expect(await norm.item()).toBe(5)
      return [...(await clipped.a.data()), ...(await clipped.b[0]!.data())]
    }
    expect(await run(0)).toEqual([3, 0, 4])
    expect(await run(6)).toEqual([3, 0, 4])
    const [a, , b] = await run(1)
    expect(a).toBeCloseTo(0.6, 5)
    expect(b).toBeCloseTo(0.8, 5)
  })
})

test('bias corrections are computed in float64', () => {
  const config = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 }
  expect([...stepNumbers(0.5, 1, config)]).toEqual([0.5, Math.fround(0.1), Math.fround(Math.sqrt(0.001))])
  expect(stepNumbers(1, 100_000, config)[2]).toBe(1)
})
