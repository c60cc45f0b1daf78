// Models that serve many shapes on the CPU: attention behind keys that all rows share.
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  attention,
  broadcastTo,
  concat,
  jit,
  makeGraph,
  setDefaultDevice,
  tensor,
  type Device,
  type Tensor,
} from '../src/index'
import { openCpuDevice } from '../src/backend-onnx/index'
import { lowerGraph } from '../src/backend-onnx/lower'

let device: Device
beforeAll(async () => setDefaultDevice((device = await openCpuDevice({ threads: 1 }))))
afterAll(async () => {
  setDefaultDevice(undefined)
  await device.close()
})

/** Numbers in [−1, 1) that look random. */
const noise = (count: number, seed: number): Float32Array =>
  Float32Array.from(
    { length: count },
    (_, i) => (((Math.imul(i + 1, 2654435761) ^ (seed * 40503)) >>> 8) % 2001) / 1000 - 1,
  )

test('attention behind keys that all rows share is that over both, for any rows and lengths', async () => {
  const shapes = [
    { rows: 1, queries: 1, shared: 7, own: 5 },
    { rows: 3, queries: 1, shared: 12, own: 4 },
    { rows: 2, queries: 3, shared: 1, own: 6 },
  ]
  const joined = (shared: Tensor, own: Tensor) =>
    concat([broadcastTo(shared, [own.shape[0]!, ...shared.shape.slice(1)]), own], 2)
  const attend = (q: Tensor, sharedK: Tensor, sharedV: Tensor, k: Tensor, v: Tensor, visibility: Tensor) =>
    attention(q, joined(sharedK, k), joined(sharedV, v), { visibility, softcap: 5 })
  const [anyShape, plain] = [jit(attend, { manyShapes: true }), jit(attend)]
  for (const { rows, queries, shared, own } of shapes) {
    const of = (shape: number[], seed: number) =>
      tensor(
        noise(
          shape.reduce((a, b) => a * b),
          seed,
        ),
        { shape },
      )
    // Of what is shared, each row sees more than the one before; of its own all but the first.
    const sights = Array.from({ length: rows * queries }, (_, n) => {
      const row = Math.floor(n / queries)
      const index = shared + own - queries + (n % queries)
      return [index, 0, Math.min(shared, 1 + 4 * row), shared + 1]
    })
    const inputs = [
      of([rows, 6, queries, 8], 1),
      of([1, 2, shared, 8], 2),
      of([1, 2, shared, 8], 3),
      of([rows, 2, own, 8], 4),
      of([rows, 2, own, 8], 5),
      tensor(Int32Array.from(sights.flat()), { shape: [rows, queries, 4] }),
    ] as const
    const [found, expected] = [await anyShape(...inputs).data(), await plain(...inputs).data()]
    for (const [i, x] of found.entries()) expect(x, `${rows} rows, element ${i}`).toBeCloseTo(expected[i]!, 5)
  }
})

test('a step of one row and of many is one model: its weights are prepared once', () => {
  const modelOf = (rows: number) => {
    const zeros = (...shape: number[]) => tensor(new Float32Array(shape.reduce((a, b) => a * b)), { shape })
    const attend = (q: Tensor, shared: Tensor, own: Tensor, visibility: Tensor) => {
      const keys = concat([broadcastTo(shared, [rows, 2, 16, 8]), own], 2)
      return attention(q, keys, keys, { visibility })
    }
    const sights = tensor(new Int32Array(rows * 4), { shape: [rows, 1, 4] })
    const graph = makeGraph(attend)(zeros(rows, 6, 1, 8), zeros(1, 2, 16, 8), zeros(rows, 2, 4, 8), sights)
    const buffers = { fileOf: () => undefined, idOf: () => 0, int8Levels: 63 } as const
    return lowerGraph(graph, buffers, { manyShapes: true }).bytes
  }
  expect(modelOf(3)).toEqual(modelOf(1))
})
