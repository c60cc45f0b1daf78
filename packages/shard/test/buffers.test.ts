// What a mesh makes it gives back: over many runs, and when a device fails in the middle of one.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { add, gather, jit, linear, mul, softmax, sum, type Tensor } from '@jora/tensor'
import type { DeviceBuffer } from '@jora/tensor/graph'
import { devicePut, withShardingConstraint } from '../src/device/device-put'
import { Mesh } from '../src/mesh/mesh'
import { MeshDevice } from '../src/device/mesh-device'
import { P, type PartitionSpec } from '../src/mesh/sharding'
import { numbers } from './numbers'
import { openWatched } from './on-mesh'

/** Buffers that devices have handed out and not been given back. */
const live = new Set<DeviceBuffer>()

let mesh: MeshDevice
beforeAll(async () => {
  const devices = await Promise.all(Array.from({ length: 4 }, () => openWatched(live)))
  mesh = new MeshDevice(new Mesh(['data', 'model'], [2, 2]), { devices })
})
afterAll(() => mesh.close())

const put = (shape: number[], spec: PartitionSpec, seed = 1): Tensor =>
  devicePut(
    numbers(
      shape.reduce((n, d) => n * d, 1),
      seed,
    ),
    mesh,
    spec,
    { shape, dtype: 'f32' },
  )

/** Sums, parts gathered and scattered, a value sent and read again, an input that no node reads. */
const step = jit(
  (state: Tensor, _unread: Tensor, x: Tensor, w1: Tensor, w2: Tensor) => {
    const h = linear(x, w1)
    const y = linear(add(h, softmax(h)), w2)
    const scattered = withShardingConstraint(linear(h, w2), P(null, 'model'))
    return [add(state, mul(y, 0.1)), sum(y), add(scattered, 1), x]
  },
  { donate: [0, 1] },
)

test('the count of buffers stays as it is over 200 runs', async () => {
  const [x, w1, w2] = [put([4, 8], P('data')), put([8, 8], P('model')), put([8, 8], P(null, 'model'))]
  let state = put([4, 8], P())
  const counts: number[] = []
  for (let i = 0; i < 200; i++) {
    const [next, total, ...others] = step(state, put([2], P('model')), x, w1, w2) as [Tensor, Tensor, ...Tensor[]]
    state = next
    expect(await total.item()).toBeTypeOf('number')
    for (const t of [total, ...others]) t.dispose()
    await mesh.synchronize()
    counts.push(live.size)
  }
  expect(new Set(counts.slice(2)).size).toBe(1)
  for (const t of [state, x, w1, w2]) t.dispose()
  await mesh.synchronize()
  expect(live.size).toBe(0)
})

const indices = (values: number[]): Tensor =>
  devicePut(Int32Array.from(values), mesh, P('model'), { shape: [values.length], dtype: 'i32' })

test('a run that fails on one device rejects what reads it, and leaves nothing behind', async () => {
  // Only the devices at the end of the model axis are handed an index that their table lacks.
  const [good, bad] = [indices([0, 1, 2, 3]), indices([0, 1, 2, 99])]
  const [table, other] = [put([4, 8], P()), put([4, 8], P())]
  const total = jit((t: Tensor, i: Tensor) => {
    const rows = gather(t, i)
    return [sum(rows), add(rows, 1)]
  })
  const first = total(table, good) as [Tensor, Tensor]
  const expected = await first[0].item()
  // It shows at an exchange, and where nothing is exchanged, when the result is read.
  const failed = total(table, bad) as [Tensor, Tensor]
  await expect(failed[0].item()).rejects.toThrow(/99/)
  await expect(failed[1].data()).rejects.toThrow(/99/)
  // So does what is made of the result, which consumes its other input all the same.
  const later = jit((x: Tensor, consumed: Tensor) => add(x, sum(consumed)), { donate: [1] })(failed[1], other)
  await expect(later.data()).rejects.toThrow(/99/)
  await expect(mesh.synchronize()).rejects.toThrow(/99/)
  await mesh.synchronize()

  const again = total(table, good) as [Tensor, Tensor]
  expect(await again[0].item()).toBe(expected)
  for (const t of [good, bad, table, ...first, ...failed, later, ...again]) t.dispose()
  await mesh.synchronize()
  expect(live.size).toBe(0)
})

test.each([
  ['whole', P()],
  ['in parts', P('data', 'model')],
])('a tensor that lies %s is read as it was, whatever is done with it in the same turn', async (_how, spec) => {
  const [first, second, third] = [put([4, 8], spec, 1), put([4, 8], spec, 2), put([4, 8], spec, 3)]
  const expected = [...numbers(32, 1)]
  const released = first.data()
  first.dispose()
  const other = put([4, 8], spec, 4)
  const consumed = second.data()
  const doubled = jit((x: Tensor) => mul(x, 2), { donate: [0] })(second)
  const twice = [third.data(), third.data()]
  third.dispose()
  expect([...(await released)]).toEqual(expected)
  expect([...(await consumed)]).toEqual([...numbers(32, 2)])
  for (const read of twice) expect([...(await read)]).toEqual([...numbers(32, 3)])
  expect([...(await doubled.data())]).toEqual(Array.from(numbers(32, 2), (x) => 2 * x))
  expect([...(await other.data())]).toEqual([...numbers(32, 4)])
  await expect(first.data()).rejects.toThrow('was disposed or donated')
  await expect(mesh.read(releasedBuffer(spec))).rejects.toThrow('was released')
  for (const t of [doubled, other]) t.dispose()
  await mesh.synchronize()
  expect(live.size).toBe(0)
})

/** A buffer that its device was told to release. */
const releasedBuffer = (spec: PartitionSpec): DeviceBuffer => {
  const x = put([4, 8], spec)
  const { buffer } = x
  x.dispose()
  return buffer
}

test('a result is a constant of the next program before it is computed; one that fails fails that program', async () => {
  const x = put([4, 8], P('data'))
  const weight = add(x, x)
  const y = jit((t: Tensor) => mul(t, weight))(x)
  expect([...(await y.data())]).toEqual(Array.from(numbers(32, 1), (n) => Math.fround(n * 2 * n)))

  const table = put([4, 8], P())
  const bad = indices([0, 1, 2, 99])
  const rows = gather(table, bad)
  const [given, kept] = [put([4, 8], P()), put([4, 8], P())]
  const failed = jit((t: Tensor, u: Tensor) => add(add(t, sum(rows)), u), { donate: [0] })(given, kept)
  await expect(failed.data()).rejects.toThrow(/99/)
  await expect(mesh.synchronize()).rejects.toThrow(/99/)
  for (const t of [x, table, bad, weight, y, rows, kept, failed]) t.dispose()
  await mesh.synchronize()
  expect(live.size).toBe(0)
})

test('a tensor given up before its program runs is freed once', async () => {
  const x = put([4, 8], P('data'))
  const results = [add(x, x), mul(x, x)]
  x.dispose()
  for (const t of results) expect(await t.data()).toHaveLength(32)
  for (const t of results) t.dispose()
  await mesh.synchronize()
  expect(live.size).toBe(0)
})
