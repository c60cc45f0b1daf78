// Attention over many queries: its blocks are of few sizes, and give what one block over everything gives.
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as j from '../src/index'
import type { Graph, Tensor } from '../src/index'
import { openCpuDevice } from '../src/backend-onnx/index'
import { simplify } from '../src/graph'
import { numbers } from './backend/reference'

let device: j.Device
beforeAll(async () => {
  device = await openCpuDevice({ threads: 1 })
  j.setDefaultDevice(device)
})
afterAll(async () => {
  j.setDefaultDevice(undefined)
  await device.close()
})

const seq = 2304
const random = (seed: number) =>
  j.tensor(Float32Array.from(numbers([1, 1, seq, 4], seed).data), { shape: [1, 1, seq, 4] })
/** Index, start, end of the prefix and start of the branch of each query: causal, in words that no block is cut by. */
const causal = () =>
  j.tensor(
    Int32Array.from({ length: seq * 4 }, (_, i) => [Math.floor(i / 4), 0, seq, 0][i % 4]!),
    { shape: [1, seq, 4] },
  )
const weighed = (q: Tensor, k: Tensor, v: Tensor, visibility?: Tensor) =>
  j.sum(j.square(j.attention(q, k, v, visibility ? { visibility } : {})))

test('blocks of many queries see keys of at most sixteen numbers', () => {
  const graph: Graph = j.makeGraph((q: Tensor, k: Tensor, v: Tensor) =>
    j.grad((...all: [Tensor, Tensor, Tensor]) => j.sum(j.attention(...all)))(q, k, v),
  )(random(1), random(2), random(3))
  const blocks = simplify(device.decomposed!(graph)).nodes.filter(({ op }) => op === 'softmax')
  expect(blocks.length).toBeGreaterThan(16)
  expect(new Set(blocks.map(({ outputs }) => outputs[0]!.aval.shape.at(-1))).size).toBeLessThanOrEqual(16)
})

test('attention in blocks and its gradients are those of one block', async () => {
  const inputs = [random(1), random(2), random(3)] as const
  const visibility = causal()
  const inBlocks = j.jit((q: Tensor, k: Tensor, v: Tensor) => [
    weighed(q, k, v),
    ...[0, 1, 2].map((i) =>
      j.grad((x: Tensor) => {
        const [a, b, c] = [q, k, v].map((own, at) => (at === i ? x : own)) as [Tensor, Tensor, Tensor]
        return weighed(a, b, c)
      })([q, k, v][i]!),
    ),
  ])(...inputs)
  const whole = j.jit((q: Tensor, k: Tensor, v: Tensor, seen: Tensor) => [
    weighed(q, k, v, seen),
    ...[0, 1, 2].map((i) =>
      j.grad((x: Tensor) => {
        const [a, b, c] = [q, k, v].map((own, at) => (at === i ? x : own)) as [Tensor, Tensor, Tensor]
        return weighed(a, b, c, seen)
      })([q, k, v][i]!),
    ),
  ])(...inputs, visibility)
  for (const [i, part] of inBlocks.entries()) {
    const [found, expected] = [await part.data(), await whole[i]!.data()]
    const largest = Math.max(...Array.from(expected, Math.abs))
    let worst = 0
    for (let at = 0; at < found.length; at++)
      worst = Math.max(worst, Math.abs(Number(found[at]) - Number(expected[at])))
    expect(worst).toBeLessThan(1e-4 * largest)
  }
})
