// What the backward pass keeps of the forward pass: per layer no more than its products need, and never attention's square.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as j from '../src/index'
import type { Graph, QuantisedWeight, Tensor } from '../src/index'
import { openCpuDevice } from '../src/backend-onnx/index'
import { decompose, simplify } from '../src/graph'
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

const random = (shape: readonly number[], seed: number) =>
  j.tensor(Float32Array.from(numbers(shape, seed).data), { shape })

type Layer = (x: Tensor, w: Tensor, adapter: Tensor) => Tensor

/** Elements that each further layer adds to the peak of loss and gradient by its adapter, the weights being frozen. */
function keptByLayer(
  layer: Layer,
  shape: readonly number[],
  width: number,
  define = (graph: Graph) => decompose(graph, ({ op }) => op === 'rmsNorm' || op === 'rmsNormGrad'),
): number {
  const x = random(shape, 1)
  const weights = Array.from({ length: 9 }, (_, i) => random([width, width], i + 2))
  const peak = (depth: number): number => {
    const loss = (adapters: readonly Tensor[]) =>
      j.sum(adapters.reduce((h, a, i) => j.scope(`layer ${i}`, () => layer(h, weights[i]!, a)), x))
    const graph: Graph = j.makeGraph((as: readonly Tensor[]) => j.grad(loss)(as))(
      weights.slice(0, depth).map(() => random([width], 3)),
    )
    return peakElements(simplify(define(graph)))
  }
  return (peak(9) - peak(5)) / 4
}

/** A weight in 8 bits, whose products may round activations. */
const eightBits = (width: number, seed: number): QuantisedWeight => ({
  codes: j.tensor(
    Uint8Array.from(numbers([width, width], seed).data, (x) => 128 + Math.round(100 * Math.sin(9 * x))),
    { shape: [width, width], dtype: 'u8' },
  ),
  scales: j.tensor(new Float32Array(width).fill(1e-3), { shape: [width, 1] }),
  layout: { bits: 8, group: width, int8: true },
  shape: [width, width],
})

describe('the backward pass', () => {
  test('keeps of a gated layer what its products gave: activation, gate and what they scale are computed again', () => {
    const [rows, width] = [64, 8]
    const layer: Layer = (x, w, a) => {
      const h = j.mul(j.rmsNorm(x, a, 1e-6), 1.5)
      return j.add(x, j.linear(j.mul(j.silu(j.linear(h, w)), j.linear(h, j.add(w, 1))), w))
    }
    const kept = keptByLayer(layer, [rows, width], width)
    // What came in, and what two products gave; beside them are numbers of the size of an adapter.
    expect(kept).toBeGreaterThanOrEqual(3 * rows * width)
    expect(kept).toBeLessThan(3.5 * rows * width)
  })

  test('keeps no probabilities of attention', () => {
    const [heads, seq, width] = [2, 64, 4]
    const layer: Layer = (x, w, a) => {
      const of = (shift: number) => j.linear(j.mul(x, a), j.add(w, shift))
      return j.add(x, j.attention(of(0), of(1), of(2)))
    }
    const size = heads * seq * width
    const kept = keptByLayer(layer, [1, heads, seq, width], width)
    // x, q, k, v and the output of attention, which its gradient reads: linear in the length, where probabilities are not.
    expect(kept).toBeLessThan(6 * size)
    expect(kept).toBeLessThan(heads * seq * seq)
    // On the CPU the output is not read.
    const onCpu = keptByLayer(layer, [1, heads, seq, width], width, (graph) => device.decomposed!(graph))
    expect(onCpu).toBeGreaterThanOrEqual(4 * size)
    expect(onCpu).toBeLessThan(4.5 * size)
  })

  describe('of products in 8 bits', () => {
    const [rows, width] = [160, 128]
    /** Gates and what they scale, of x times `size`: activations of so many times the size. */
    const lossOf = (weights: readonly QuantisedWeight[], size: number) => (adapters: readonly Tensor[]) => {
      const w = weights.map((weight) => j.valuesOf(weight, 'f32'))
      const layer = (h: Tensor, a: Tensor) => {
        const x = j.mul(h, a)
        return j.add(h, j.linear(j.mul(j.sigmoid(j.mul(j.linear(x, w[0]!), 1 / size)), j.linear(x, w[1]!)), w[2]!))
      }
      const x = j.mul(random([rows, width], 1), size)
      return j.sum(
        j.mul(
          adapters.reduce((h, a, i) => j.scope(`layer ${i}`, () => layer(h, a)), x),
          random([rows, width], 9),
        ),
      )
    }
    const exactly = ({ layout: { int8: _may, ...layout }, ...weight }: QuantisedWeight) => ({ ...weight, layout })
    let adapters: readonly Tensor[]
    let weights: readonly QuantisedWeight[]
    beforeAll(() => {
      adapters = [2, 3].map((seed) => j.add(j.mul(random([width], seed), 0.1), 1))
      weights = [5, 6, 7].map((seed) => eightBits(width, seed))
    })

    test('keeps what it reads of them in 16 bits, of others as it is', () => {
      const kept = (some: readonly QuantisedWeight[]) =>
        (j.makeGraph((as: readonly Tensor[]) => j.grad(lossOf(some, 1))(as))(adapters) as Graph).nodes
          .filter(({ op, outputs: [out] }) => op === 'cast' && out?.aval.dtype === 'f16')
          .map(({ scope }) => scope)
      // What products gave that are not linear in what follows: not the weights' values, nor what is computed again.
      expect(kept(weights)).toEqual(['layer 0', 'layer 0', 'layer 0', 'layer 1', 'layer 1'])
      expect(kept(weights.map(exactly))).toEqual([])
    })

    test.each([1e-3, 1, 1e6])('has its gradients, of activations of size %d', async (size) => {
      const of = async (some: readonly QuantisedWeight[]) =>
        Promise.all(
          j
            .grad(lossOf(some, size))(adapters)
            .map(async (x) => Array.from((await x.data()) as Float32Array)),
        )
      const [rounded, right] = [await of(weights), await of(weights.map(exactly))]
      right.forEach((gradient, i) => {
        const largest = Math.max(...gradient.map(Math.abs))
        const apart = gradient.map((g, k) => Math.abs(g - rounded[i]![k]!) / largest)
        expect(Math.max(...apart)).toBeLessThan(0.03)
      })
    })
  })

  test('gives the gradients that finite differences give', async () => {
    const [w, u] = [random([6, 6], 5), random([6, 6], 6)]
    const loss = (x: Tensor) => {
      const h = j.rmsNorm(x, j.ones([6]), 1e-6)
      const q = j.reshape(j.linear(h, w), [1, 2, 6, 3])
      const mixed = j.reshape(j.attention(q, j.tanh(q), q), [6, 6])
      return j.sum(j.mul(j.silu(mixed), j.linear(j.exp(j.mul(h, 0.3)), u)))
    }
    const x = Float32Array.from(numbers([6, 6], 7).data)
    const gradient = await j
      .grad(loss)(j.tensor(x, { shape: [6, 6] }))
      .data()
    const value = j.jit(loss)
    for (const at of [0, 7, 20, 35]) {
      const moved = async (by: number) =>
        value(
          j.tensor(
            x.map((v, i) => (i === at ? v + by : v)),
            { shape: [6, 6] },
          ),
        ).item()
      expect(((await moved(1e-2)) - (await moved(-1e-2))) / 2e-2).toBeCloseTo(Number(gradient[at]), 2)
    }
  })
})
