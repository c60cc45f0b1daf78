// The CPU device's draws are the generator's numbers, in every layout, whatever form a mask has.
import { afterAll, expect, test } from 'vitest'
import { drawAll } from '../src/backend-onnx/draw.mjs'
import { openCpuDevice } from '../src/backend-onnx/index'
import { dropout, full, jit, randomKey, setDefaultDevice, slice, type Tensor } from '../src/index'
import { keyWords, type DrawLayout } from '../src/ops/random'
import { rand } from './backend/reference'

const keys = Uint32Array.of(1, 2, 4_000_000_000, 99_999)
const keepFrom = 0.3 * 2 ** 24

const layouts: readonly (DrawLayout & { readonly title: string; readonly dims: readonly number[] })[] = [
  { title: 'in order', dims: [3, 50], strides: [50, 1], offset: 0, rowKeys: false },
  { title: 'a window', dims: [2, 3, 5], strides: [210, 30, 1], offset: 37, rowKeys: false },
  { title: 'a key for each row', dims: [2, 7, 13], strides: [0, 13, 1], offset: 5, rowKeys: true },
  { title: 'numbers beyond 32 bits', dims: [40], strides: [1], offset: 2 ** 33 + 7, rowKeys: false },
]

test.each(layouts)('numbers, and masks of both forms: $title', ({ dims, strides, offset, rowKeys }) => {
  const size = dims.reduce((a, b) => a * b)
  const draw = { name: 'x', key: 'key', words: keyWords(5), dims, strides, offset, rowKeys }
  const masks = [{}, { mask: { keepFrom } }, { mask: { keepFrom, scale: 1 / 0.7 } }]
  // The one before writes behind its end, where the next begins.
  const drawn = drawAll([...masks.map((mask) => ({ ...draw, ...mask })), draw], () => keys)
  const numbers = Array.from({ length: size }, (_, i) => {
    const at = dims.map((length, axis) => Math.floor(i / dims.slice(axis + 1).reduce((a, b) => a * b, 1)) % length)
    const number = at.reduce((sum, c, axis) => sum + c * strides[axis]!, offset)
    return rand(rowKeys ? keys.subarray(2 * at[0]!) : keys, 5, number)
  })
  const keeps = numbers.map((x) => x >= keepFrom / 2 ** 24)
  expect(drawn[0]).toEqual(Float32Array.from(numbers))
  expect(drawn[1]).toEqual(Uint8Array.from(keeps, Number))
  expect(drawn[2]).toEqual(Float32Array.from(keeps, (kept) => (kept ? 1 / 0.7 : 0)))
  expect(drawn[3]).toEqual(drawn[0])
})

test('a mask that is large as f32 drops the same elements', async () => {
  const device = await openCpuDevice({ threads: 1 })
  setDefaultDevice(device)
  afterAll(async () => {
    setDefaultDevice(undefined)
    await device.close()
  })
  const [shape, few] = [[2 ** 13, 2 ** 11 + 1] as const, 5]
  const starts = [shape[0] - few, 0]
  const both = jit((key: Tensor) => [
    slice(dropout(full(shape, 2), 0.25, key, 3), starts, shape),
    dropout(full([few, shape[1]], 2), 0.25, key, 3, { shape, starts }),
  ])
  const [large, small] = await Promise.all(both(randomKey(7)).map(async (x) => x.data()))
  expect(large).toEqual(small)
  expect(new Set(large)).toEqual(new Set([0, Math.fround(2 / 0.75)]))
})
