// Partitioned programs give what the program gives on one device.
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as t from '@jora/tensor'
import type { Tensor } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import type { Device } from '@jora/tensor/graph'
import type { MeshDevice } from '../src/mesh-device'
import { P } from '../src/sharding'
import { both, numbers, openMesh, type Placed } from './on-mesh'

let one: Device
let mesh: MeshDevice
beforeAll(async () => {
  one = await openCpuDevice({ threads: 1 })
  mesh = await openMesh(['data', 'model'], [2, 2])
})
afterAll(async () => {
  await one.close()
  await mesh.close()
})

const array = (shape: number[], spec = P(), seed = 1): Placed => ({
  data: numbers(
    shape.reduce((a, b) => a * b, 1),
    seed,
  ),
  shape,
  spec,
})

async function expectSame(fn: (...args: Tensor[]) => t.Tree, args: Placed[]): Promise<void> {
  const { expected, actual } = await both(fn, args, { one, mesh })
  expected.forEach((values, i) => {
    expect(actual[i]!.length).toBe(values.length)
    values.forEach((value, j) =>
      expect(Math.abs(Number(actual[i]![j]) - Number(value))).toBeLessThan(1e-5 * (1 + Math.abs(Number(value)))),
    )
  })
}

test('a value that is split is read whole', async () => {
  await expectSame((x) => t.add(x, 1), [array([4, 6], P('data', 'model'))])
  await expectSame((x) => t.add(x, 1), [array([8, 6], P(['data', 'model']))])
})

test('column, then row: one sum', async () => {
  await expectSame(
    (x, w1, w2) => t.add(x, t.linear(t.silu(t.linear(x, w1)), w2)),
    [array([4, 6], P('data')), array([8, 6], P('model'), 2), array([6, 8], P(null, 'model'), 3)],
  )
})
