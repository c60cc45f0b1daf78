// What the backward pass keeps of the forward pass: per layer no more than its products need, and never attention's square.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as j from '../src/index'
import type { Graph, Tensor } from '../src/index'
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
