// Automatic differentiation as users meet it: trees, aux values, constants, stopped gradients, and gradients of gradients.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as j from '../src/index'
import type { Tensor } from '../src/index'
import { openCpuDevice } from '../src/backend-onnx/index'
import { evaluate, numbers, type Nd } from './backend/reference'

let device: j.Device
beforeAll(async () => {
  device = await openCpuDevice({ threads: 1 })
  j.setDefaultDevice(device)
})
afterAll(async () => {
  j.setDefaultDevice(undefined)
  await device.close()
})

const list = async (t: Tensor): Promise<number[]> => [...(await t.data())]
const near = (actual: readonly number[], expected: readonly number[], digits = 5) => {
  expect(actual).toHaveLength(expected.length)
  expected.forEach((x, i) => expect(actual[i]).toBeCloseTo(x, digits))
}

describe('values and gradients', () => {
  test('of a scalar function', async () => {
    const [value, gradient] = j.valueAndGrad((x: Tensor) => j.sum(j.mul(x, j.sin(x))))(j.tensor([0.5, 2]))
    expect(await value.item()).toBeCloseTo(0.5 * Math.sin(0.5) + 2 * Math.sin(2), 5)
    near(
      await list(gradient),
      [0.5, 2].map((x) => Math.sin(x) + x * Math.cos(x)),
    )
  })

  test('with aux values, which are passed through and not differentiated', async () => {
    const f = (x: Tensor) => [j.sum(j.square(x)), { doubled: j.mul(x, 2), note: 'kept' }] as const
    const [[value, aux], gradient] = j.valueAndGrad(f)(j.tensor([1, -3]))
    expect(await value.item()).toBe(10)
    expect(await list(aux.doubled)).toEqual([2, -6])
    expect(aux.note).toBe('kept')
    expect(await list(gradient)).toEqual([2, -6])
    expect(await list(j.grad(f)(j.tensor([4])))).toEqual([8])
  })

  test('with respect to nested trees, in their structure', async () => {
    const params = {
      layers: [
        { w: j.tensor([1, 2]), b: j.tensor(3) },
        { w: j.tensor([4, 5]), b: j.tensor(6) },
      ],
      scale: j.tensor(2),
      unused: j.tensor([7, 7]),
      name: 'net',
    }
    const f = (p: typeof params, x: Tensor) =>
      j.mul(j.add(j.sum(j.mul(p.layers[0]!.w, x)), j.mul(p.layers[1]!.b, j.sum(p.layers[1]!.w))), p.scale)
    const gradient = j.grad(f)(params, j.tensor([10, 20]))
    expect(gradient.name).toBe('net')
    expect(await list(gradient.layers[0]!.w)).toEqual([20, 40])
    expect(await list(gradient.layers[0]!.b)).toEqual([0])
    expect(await list(gradient.layers[1]!.w)).toEqual([12, 12])
    expect(await list(gradient.layers[1]!.b)).toEqual([18])
    expect(await list(gradient.scale)).toEqual([10 + 40 + 6 * 9])
    expect(await list(gradient.unused)).toEqual([0, 0])
  })

  test('of the first argument only, in eager code, in jit and of a jitted function', async () => {
    const f = (x: Tensor, y: Tensor) => j.sum(j.mul(x, j.exp(y)))
    const [x, y] = [j.tensor([1, 2]), j.tensor([0, 1])]
    const expected = [1, Math.E]
    near(await list(j.grad(f)(x, y)), expected)
    near(await list(j.jit(j.grad(f))(x, y)), expected)
    near(await list(j.grad(j.jit(f))(x, y)), expected)
  })

  test('a tensor closed over is a constant, even when it is the argument itself', async () => {
    const x = j.tensor([2, 3])
    expect(await list(j.grad((y: Tensor) => j.sum(j.mul(y, x)))(x))).toEqual([2, 3])
    expect(await list(j.jit((z: Tensor) => j.grad((y: Tensor) => j.sum(j.mul(y, z)))(z))(x))).toEqual([2, 3])
  })

  test('stopGradient', async () => {
    const f = (x: Tensor) => j.sum(j.mul(x, j.stopGradient(j.mul(x, x))))
    expect(await list(j.grad(f)(j.tensor([3])))).toEqual([9])
    expect(await list(j.grad((x: Tensor) => j.sum(j.stopGradient(x)))(j.tensor([3])))).toEqual([0])
  })

  test('values that no gradient passes: comparisons, integers, numbers the function makes itself', async () => {
    const f = (x: Tensor) => j.sum(j.where(j.gt(x, 0), x, j.mul(x, 10)))
    expect(await list(j.grad(f)(j.tensor([1, -1])))).toEqual([1, 10])
    expect(await list(j.grad((x: Tensor) => j.sum(j.cast(j.cast(x, 'i32'), 'f32')))(j.tensor([1.5])))).toEqual([0])
    expect(await list(j.grad((_x: Tensor) => j.sum(j.full([3], 2)))(j.tensor([1, 2])))).toEqual([0, 0])
  })

  test('ties of max and maximum share the gradient', async () => {
    expect(await list(j.grad((x: Tensor) => j.max(x))(j.tensor([1, 5, 5])))).toEqual([0, 0.5, 0.5])
    expect(await list(j.grad((x: Tensor) => j.sum(j.maximum(x, 2)))(j.tensor([1, 2, 3])))).toEqual([0, 0.5, 1])
  })
})

describe('errors', () => {
  test('say what was returned', () => {
    expect(() => j.grad((x: Tensor) => x)(j.tensor([1, 2]))).toThrowErrorMatchingInlineSnapshot(
      `[TensorError: valueAndGrad: the function returned f32[2], expected f32[]]`,
    )
    expect(() => j.grad((x: Tensor) => j.sum(j.cast(x, 'i32')))(j.tensor([1, 2]))).toThrowErrorMatchingInlineSnapshot(
      `[TensorError: valueAndGrad: the function returned i32[], expected f32[]]`,
    )
    expect(() =>
      j.grad((x: Tensor) => j.sum(j.rope(j.full([1, 1, 1, 2], 1), x, x)))(j.full([1, 1, 1], 1)),
    ).toThrowErrorMatchingInlineSnapshot(`[TensorError: rope: cos and sin are not differentiable]`)
  })
})

describe('gradients of gradients', () => {
  test('x³ has 6x, and a third derivative of 6', async () => {
    const cube = (x: Tensor) => j.sum(j.mul(x, j.mul(x, x)))
    const second = j.grad((x: Tensor) => j.sum(j.grad(cube)(x)))
    near(await list(second(j.tensor([2, -1]))), [12, -6])
    near(await list(j.grad((x: Tensor) => j.sum(second(x)))(j.tensor([2, -1]))), [6, 6])
  })

  test('known second derivatives', async () => {
    const at = [0.3, 0.7, 1.2]
    const cases: [string, (x: Tensor) => Tensor, (x: number) => number][] = [
      ['sin', j.sin, (x) => -Math.sin(x)],
      ['exp', j.exp, Math.exp],
      ['log', j.log, (x) => -1 / x ** 2],
      ['sqrt', j.sqrt, (x) => -0.25 * x ** -1.5],
      ['rsqrt', j.rsqrt, (x) => 0.75 * x ** -2.5],
      ['tanh', j.tanh, (x) => -2 * Math.tanh(x) * (1 - Math.tanh(x) ** 2)],
      ['1/x', (x) => j.div(1, x), (x) => 2 / x ** 3],
      ['x^2.5', (x) => j.pow(x, 2.5), (x) => 3.75 * Math.sqrt(x)],
    ]
    for (const [name, f, expected] of cases) {
      const second = j.grad((x: Tensor) => j.sum(j.grad((y: Tensor) => j.sum(f(y)))(x)))(j.tensor(at))
      const actual = await list(second)
      at.forEach((x, i) =>
        expect(Math.abs(actual[i]! - expected(x)), `${name}`).toBeLessThan(2e-5 * Math.max(1, Math.abs(expected(x)))),
      )
    }
  })

  test('the inner gradient does not see the outer one', async () => {
    // d/dx [x · d/dy (x + y)] = 1, where careless systems give 2.
    const outer = (x: Tensor) => j.mul(x, j.grad((y: Tensor) => j.add(x, y))(j.full([], 1)))
    expect(await list(j.grad(outer)(j.tensor(1)))).toEqual([1])
  })

  /** Gradient of Σ v∘∇f against finite differences of it, both in float64. */
  function checkHessian(f: (x: Tensor) => Tensor, shape: readonly number[]): void {
    const weighted = (x: Tensor, v: Tensor) => j.sum(j.mul(j.grad(f)(x), v))
    const [x, v] = [numbers(shape, 1), numbers(shape, 2)]
    const upload = ({ data }: Nd) => j.tensor(Float32Array.from(data), { shape })
    const first = j.makeGraph(weighted)(upload(x), upload(v))
    const second = j.makeGraph((a: Tensor, b: Tensor) => j.grad(weighted)(a, b))(upload(x), upload(v))
    j.verifyGraph(second)
    const product = evaluate(second, [x, v])[0]!.data
    const step = 1e-5
    for (let i = 0; i < x.data.length; i += Math.max(1, Math.floor(x.data.length / 10))) {
      const nudged = (by: number) =>
        evaluate(first, [{ shape, data: x.data.map((value, at) => (at === i ? value + by : value)) }, v])[0]!.data[0]!
      const numeric = (nudged(step) - nudged(-step)) / (2 * step)
      expect(Math.abs(product[i]! - numeric), `element ${i}`).toBeLessThan(1e-6 * Math.max(1, Math.abs(numeric)))
    }
  }

  const weight = (shape: readonly number[], seed: number) => j.literal([...numbers(shape, seed).data], shape)
  const through: Record<string, [f: (x: Tensor) => Tensor, shape: readonly number[]]> = {
    softmax: [(x) => j.sum(j.square(j.softmax(x))), [2, 4]],
    'a matrix product': [(x) => j.sum(j.square(j.dot(x, j.dot(x, weight([3, 4], 5), { transposeA: true })))), [3, 3]],
    silu: [(x) => j.sum(j.square(j.silu(x))), [5]],
    gelu: [(x) => j.sum(j.square(j.gelu(x))), [5]],
    logSumExp: [(x) => j.sum(j.square(j.logSumExp(x))), [2, 4]],
    rmsNorm: [(x) => j.sum(j.mul(j.square(j.rmsNorm(x, weight([4], 3), 1e-5)), weight([3, 4], 4))), [3, 4]],
    rope: [
      (x) => j.sum(j.mul(j.exp(j.rope(x, weight([1, 3, 2], 3), weight([1, 3, 2], 4))), weight([1, 2, 3, 4], 5))),
      [1, 2, 3, 4],
    ],
    'attention, by its queries': [
      (x) => j.sum(j.mul(j.attention(x, weight([1, 1, 3, 2], 3), weight([1, 1, 3, 2], 4)), weight([1, 2, 3, 2], 5))),
      [1, 2, 3, 2],
    ],
    'attention, by all three': [
      (x) => j.sum(j.square(j.attention(j.concat([x, j.mul(x, 0.5)], 1), j.sin(x), x))),
      [1, 1, 3, 2],
    ],
    'cross-entropy': [
      (x) => j.sum(j.square(j.linearCrossEntropy(x, weight([5, 3], 3), j.literal([1, -1, 4], [3], 'i32')))),
      [3, 3],
    ],
    'slices, pads and joins': [
      (x) => j.sum(j.square(j.mul(j.concat([j.sliceAxis(x, 0, 1, 3), j.exp(x)]), j.pad(x, [1, 0], [1, 0])))),
      [3, 2],
    ],
    'gathered rows': [(x) => j.sum(j.square(j.exp(j.gather(x, j.literal([2, 0, 2, 2], [4], 'i32'))))), [3, 2]],
    'a checkpointed function': [(x) => j.sum(j.square(j.checkpoint((y: Tensor) => j.exp(j.sin(y)))(x))), [4]],
  }
  for (const [name, [f, shape]] of Object.entries(through)) test(`through ${name}`, () => checkHessian(f, shape))
})
