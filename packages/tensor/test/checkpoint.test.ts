// checkpoint: the same gradients, from values computed again behind barriers, with fewer of them alive at once.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as j from '../src/index'
import type { Graph, Tensor } from '../src/index'
import { openCpuDevice } from '../src/backend-onnx/index'
import { numbers } from './backend/reference'
import { peakElements } from './peak-elements'

let device: j.Device
beforeAll(async () => {
  device = await openCpuDevice({ threads: 1 })
  j.setDefaultDevice(device)
})
afterAll(async () => {
  j.setDefaultDevice(undefined)
  await device.close()
})

const width = 4
const matrix = (seed: number) =>
  j.tensor(Float32Array.from(numbers([width, width], seed).data), { shape: [width, width] })
const start = () => j.tensor(Float32Array.from(numbers([3, width], 99).data), { shape: [3, width] })

/** A layer that keeps several values for its gradient. */
const layer = (w: Tensor, x: Tensor): Tensor => j.add(x, j.mul(j.tanh(j.linear(x, w)), j.sigmoid(j.exp(j.mul(x, 0.3)))))
type Layer = typeof layer

const lossOf = (apply: Layer) => (weights: readonly Tensor[], x: Tensor) =>
  j.sum(j.square(weights.reduce((h, w, i) => j.scope(`layer ${i}`, () => apply(w, h)), x)))
const graphOf = (apply: Layer, weights: readonly Tensor[]): Graph =>
  j.makeGraph((ws: readonly Tensor[], x: Tensor) => j.valueAndGrad(lossOf(apply))(ws, x))(weights, start())
const count = (graph: Graph, op: string) => graph.nodes.filter((node) => node.op === op).length

describe('checkpoint', () => {
  test('gives the same value and gradients', async () => {
    const weights = [1, 2, 3].map(matrix)
    const [value, grads] = j.valueAndGrad(lossOf(layer))(weights, start())
    const [again, recomputed] = j.valueAndGrad(lossOf(j.checkpoint(layer)))(weights, start())
    expect(await again.item()).toBeCloseTo(await value.item(), 5)
    for (const [i, g] of j.treeLeaves(grads).entries()) {
      const [a, b] = [await g.data(), await j.treeLeaves(recomputed)[i]!.data()]
      a.forEach((x, at) => expect(b[at]).toBeCloseTo(x, 5))
    }
  })

  test("computes values again, behind barriers, in the layer's own scope", () => {
    const weights = [1, 2, 3].map(matrix)
    const [plain, recomputing] = [graphOf(layer, weights), graphOf(j.checkpoint(layer), weights)]
    j.verifyGraph(recomputing)
    // Behind a barrier are what comes into a layer, its weight and its input, and the last layer's result, which is squared.
    expect(count(recomputing, 'barrier')).toBe(2 * weights.length + 1)
    for (const op of ['tanh', 'exp', 'sigmoid']) expect(count(recomputing, op)).toBe(6)
    // What is made of a product is kept without a checkpoint: of the product, nothing else is.
    expect(count(plain, 'tanh')).toBe(3)
    const again = recomputing.nodes.filter(({ op }) => op === 'tanh').slice(3)
    expect(again.map(({ scope }) => scope)).toEqual(['layer 2', 'layer 1', 'layer 0'])
  })

  test("keeps only a layer's input: less is alive at once, the more the deeper", () => {
    const saved = [4, 8, 16].map((depth) => {
      const weights = Array.from({ length: depth }, (_, i) => matrix(i))
      return peakElements(graphOf(layer, weights)) - peakElements(graphOf(j.checkpoint(layer), weights))
    })
    expect(saved[0]).toBeGreaterThan(0)
    expect(saved[1]! / saved[0]!).toBeGreaterThan(1.9)
    expect(saved[2]! / saved[1]!).toBeGreaterThan(1.9)
  })

  test('recomputes no more than the gradient reads', () => {
    // Of x·sin(w) with respect to w, cos(w) and x are read; the exp beside it is not.
    const f = j.checkpoint((w: Tensor) => [j.sin(w), j.exp(j.neg(w))] as const)
    const graph = j.makeGraph((w: Tensor) =>
      j.grad((v: Tensor) => j.add(j.sum(f(v)[0]), j.sum(j.stopGradient(f(v)[1]))))(w),
    )(j.tensor([1, 2]))
    expect([count(graph, 'exp'), count(graph, 'sin'), count(graph, 'cos')]).toEqual([0, 0, 1])
  })

  test('draws the same dropout mask again', async () => {
    const key = j.randomKey(1, 2)
    const f = (x: Tensor) => j.square(j.dropout(j.exp(x), 0.5, key))
    const x = j.tensor(Float32Array.from(numbers([64], 3).data))
    const plain = await j
      .grad((y: Tensor) => j.sum(f(y)))(x)
      .data()
    expect(
      await j
        .grad((y: Tensor) => j.sum(j.checkpoint(f)(y)))(x)
        .data(),
    ).toEqual(plain)
    expect(plain.filter((g) => g === 0).length).toBeGreaterThan(10)
  })

  test('within another is part of it; outside a trace it is the function itself', async () => {
    const weights = [1, 2].map(matrix)
    const nested = (w: Tensor, x: Tensor) => j.checkpoint((v: Tensor, y: Tensor) => j.checkpoint(layer)(v, y))(w, x)
    expect(j.printGraph(graphOf(nested, weights))).toBe(j.printGraph(graphOf(j.checkpoint(layer), weights)))
    expect(
      await j
        .checkpoint((x: Tensor) => j.mul(x, 2))(j.tensor([3]))
        .item(),
    ).toBe(6)
  })

  test('takes and gives trees, and constants closed over', async () => {
    const c = j.tensor([10])
    const f = j.checkpoint(({ a, b }: { readonly a: Tensor; readonly b: Tensor }) => ({
      out: j.mul(j.mul(a, b), c),
      rest: [j.exp(a)] as const,
    }))
    const gradient = j.grad((p: { readonly a: Tensor; readonly b: Tensor }) => {
      const { out, rest } = f(p)
      return j.sum(j.add(out, rest[0]))
    })({ a: j.tensor([0]), b: j.tensor([3]) })
    expect([await gradient.a.item(), await gradient.b.item()]).toEqual([31, 0])
  })

  test('that throws leaves the trace as it was', () => {
    const graph = j.makeGraph((x: Tensor) => {
      expect(() =>
        j.checkpoint((): Tensor => {
          throw new Error('inside')
        })(),
      ).toThrow('inside')
      return j.grad((y: Tensor) => j.sum(j.exp(y)))(x)
    })(j.tensor([1]))
    expect(count(graph, 'barrier')).toBe(0)
  })

  test('whole steps of it compile and run in the order that saves memory', async () => {
    const weights = Array.from({ length: 6 }, (_, i) => matrix(i))
    const step = j.jit((ws: readonly Tensor[], x: Tensor) => j.valueAndGrad(lossOf(j.checkpoint(layer)))(ws, x))
    const [first] = step(weights, start())
    const [second] = step(weights, start())
    expect(await first.item()).toBe(await second.item())
    expect(step.programs).toBe(1)
  })
})
