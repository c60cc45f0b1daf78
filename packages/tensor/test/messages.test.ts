// Messages of ops: the operation, what came and what was expected.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openCpuDevice } from '../src/backend-onnx/index'
import * as j from '../src/index'
import type { Tensor } from '../src/index'

let device: j.Device
beforeAll(async () => {
  device = await openCpuDevice({ threads: 1 })
  j.setDefaultDevice(device)
})
afterAll(async () => {
  j.setDefaultDevice(undefined)
  await device.close()
})

describe('messages', () => {
  const [a, b] = [() => j.full([2, 64], 1), () => j.full([32, 8], 1)]
  const ints = () => j.tensor([1, 2], { dtype: 'i32' })
  const cases: Record<string, [() => unknown, string]> = {
    'inner dims': [() => j.dot(a(), b()), 'dot: inner dims 64 ≠ 32 for [2,64]·[32,8]'],
    'inner dims, transposed': [() => j.linear(a(), b()), 'dot: inner dims 64 ≠ 8 for [2,64]·[32,8]ᵀ'],
    'a vector in a product': [() => j.dot(a(), j.full([64], 1)), 'dot: needs at least 2 dimensions, got [2,64]·[64]'],
    'shapes that do not broadcast': [() => j.add(a(), b()), 'add: shapes [2,64] and [32,8] do not broadcast'],
    'dtypes that differ': [() => j.add(a(), ints()), 'add: the dtype of input 1 is i32, expected f32, that of input 0'],
    'integers where floats are needed': [() => j.exp(ints()), 'exp: the dtype of input 0 is i32, expected f32 or f16'],
    'a condition that is none': [() => j.where(a(), a(), a()), 'where: the dtype of condition is f32, expected bool'],
    'arithmetic on what is only stored': [
      () => j.add(a(), j.full([], 1, 'bf16')),
      'add: the dtype of input 1 is bf16, expected f32, f16, i32 or u32; cast it first',
    ],
    'attention with keys of another dtype': [
      () => j.attention(j.full([1, 1, 2, 4], 1), j.full([1, 1, 2, 4], 1, 'f16'), j.full([1, 1, 2, 4], 1)),
      'attention: the dtype of k is f16, expected f32, that of q',
    ],
    'visibility of another dtype': [
      () => {
        const q = j.full([1, 1, 2, 4], 1)
        return j.attention(q, q, q, { visibility: j.full([1, 2, 4], 0) })
      },
      'attention: the dtype of visibility is f32, expected i32',
    ],
    'an update of another dtype': [
      () => j.dynamicUpdateSlice(a(), j.full([1, 64], 1, 'i32'), j.full([], 0, 'i32'), 0),
      'dynamicUpdateSlice: the dtype of update is i32, expected f32, that of input 0',
    ],
    'a start of another dtype': [
      () => j.dynamicSlice(a(), j.full([], 0), 0, 1),
      'dynamicSlice: the dtype of start is f32, expected i32',
    ],
    'dtypes before shapes': [
      () => j.dot(a(), j.full([3], 1, 'i32')),
      'dot: the dtype of input 1 is i32, expected f32 or f16',
    ],
    reshape: [() => j.reshape(a(), [3, 5]), 'reshape: [2,64] has 128 elements, [3,5] has 15'],
    'reshape with −1': [() => j.reshape(a(), [-1, 5]), 'reshape: cannot infer [-1,5] from [2,64]'],
    axis: [() => j.sum(a(), { axis: 2 }), 'sum: axis 2 is outside rank 2'],
    slice: [() => j.sliceAxis(a(), 1, 60, 65), 'slice: 60..65 is outside dimension 1 of [2,64]'],
    squeeze: [() => j.squeeze(a(), 1), 'squeeze: axis 1 of [2,64] has size 64, expected 1'],
    stack: [() => j.stack([a(), b()]), 'stack: tensor 1 has shape [32,8], expected [2,64], that of tensor 0'],
    'split into parts': [() => j.split(a(), 3, 1), 'split: axis 1 of [2,64] does not divide into 3 parts'],
    'split at indices': [
      () => j.split(a(), [5, 4], 1),
      'split: indices [5,4] do not grow from 0 to 64, the size of axis 1',
    ],
    topK: [() => j.topK(a(), 65), 'topK: k is 65, expected 1 to 64, the size of the last axis'],
    'an einsum of other sizes': [
      () => j.einsum('ij,jk', a(), b()),
      'einsum: axis j of "ij,jk" is 64 in one tensor and 32 in another',
    ],
    'an einsum of other ranks': [
      () => j.einsum('ijk->i', a()),
      'einsum: "ijk" in "ijk->i" has 3 axes, its tensor is [2,64]',
    ],
    'an einsum with a diagonal': [
      () => j.einsum('ii->i', a()),
      'einsum: "ii" names an axis twice; diagonals are not supported',
    ],
    'an einsum of other tensors': [() => j.einsum('ij,jk', a()), 'einsum: "ij,jk" names 2 tensors, got 1'],
    'an einsum with dots': [
      () => j.einsum('...i->i', a()),
      'einsum: "...i->i" is not a formula: expected a letter for each axis, as in "bij,bjk->bik"',
    ],
    concat: [() => j.concat([a(), b()]), 'concat: input has shape [32,8], expected [32,64]'],
    'concat of nothing': [() => j.concat([]), 'concat: needs at least one tensor'],
    transpose: [() => j.transpose(a(), [0, 0]), 'transpose: [0,0] is not a permutation of rank 2'],
    broadcastTo: [() => j.broadcastTo(a(), [1, 64]), 'broadcastTo: [2,64] does not broadcast to [1,64]'],
    gather: [() => j.gather(a(), j.full([2], 1)), 'gather: the dtype of indices is f32, expected i32'],
    dropout: [() => j.dropout(a(), 1.5, j.randomKey(1)), 'dropout: rate 1.5 is outside 0..1'],
    'gather in a batch': [
      () => j.gather(a(), j.full([3, 4], 0, 'i32'), 1, { batchDims: 1 }),
      'gather: indices [3,4] and [2,64] are not of one batch',
    ],
    'a key': [() => j.randomUniform(ints(), [2]), 'randomUniform: the dtype of key is i32, expected u32'],
    'keys for other rows': [
      () => j.randomUniform(j.reshape(j.randomKey(1), [1, 2]), [3, 4]),
      'randomUniform: key is u32[1,2], expected u32[2] or u32[3,2]',
    ],
    'a window that does not fit': [
      () => j.dropout(a(), 0.5, j.randomKey(1), 0, { shape: [4, 65], starts: [2, 2] }),
      'dropout: a window of [2,64] at [2,2] is not inside [4,65]',
    ],
    rmsNorm: [() => j.rmsNorm(a(), j.full([32], 1), 1e-5), 'rmsNorm: weight has shape [32], expected [64]'],
    attention: [
      () => j.attention(j.full([1, 3, 2, 4], 1), j.full([1, 2, 2, 4], 1), j.full([1, 2, 2, 4], 1)),
      'attention: 3 query heads are not a multiple of 2 kv heads',
    ],
    'rows of different lengths': [() => j.tensor([[1, 2], [3]]), 'tensor: rows have different lengths'],
    'a shape that is not filled': [() => j.tensor([1, 2, 3], { shape: [2] }), 'tensor: 3 elements do not fill [2]'],
    '16-bit arrays without a dtype': [
      () => j.tensor(new Uint16Array(2)),
      'tensor: name the dtype of 8- and 16-bit arrays',
    ],
    'objects that are no trees': [
      () => j.flatten(new Map() as unknown as j.Tree),
      'tree: only tensors, arrays and plain objects can be passed, got Map',
    ],
    'an async function': [
      () => j.jit((async () => j.full([], 1)) as unknown as () => Tensor)(),
      'jit: the function is async; tracing needs a plain function',
    ],
    'a range of the wrong length': [
      () => j.tensorFromFile({ path: 'x', offset: 0, length: 3 }, { shape: [1], dtype: 'f32' }),
      'tensorFromFile: f32[1] needs 4 bytes, the range has 3',
    ],
  }
  for (const [name, [run, message]] of Object.entries(cases)) {
    test(`${name}`, () => {
      expect(run).toThrow(new j.TensorError(...(message.split(/: (.*)/s).slice(0, 2) as [string, string])))
    })
  }

  test('item of many elements', async () => {
    await expect(a().item()).rejects.toThrow('item: needs one element, got f32[2,64]')
  })

  test('traced tensors that leave their trace', async () => {
    let leaked: Tensor | undefined
    j.jit((x: Tensor) => (leaked = j.mul(x, 2)))(j.tensor([1, 2]))
    expect(String(leaked)).toBe('Tensor(f32[2], traced)')
    await expect(leaked!.data()).rejects.toThrow(
      'Tensor: a traced f32[2] has no data; return it from the jitted function',
    )
    expect(() => j.mul(leaked!, leaked!)).toThrow('mul: a traced f32[2] is used outside the function that was traced')
    expect(() => j.jit((x: Tensor) => j.add(x, leaked!))(j.tensor([1, 2]))).toThrow(
      'trace: a f32[2] of another trace is used here; return it from the function that made it',
    )
  })

  test('no device', () => {
    j.setDefaultDevice(undefined)
    try {
      expect(() => j.tensor([1])).toThrow(
        'defaultDevice: no device is open; call setDefaultDevice(await openCpuDevice()) first',
      )
    } finally {
      j.setDefaultDevice(device)
    }
  })

  test('a run that fails tells when its result is read, and the device goes on', async () => {
    const bad = j.gather(j.tensor([1, 2]), j.tensor([5], { dtype: 'i32' }))
    await expect(bad.data()).rejects.toThrow(/[Gg]ather/)
    await expect(j.add(bad, 1).data()).rejects.toThrow(/[Gg]ather/) // what is made of it fails alike
    await device.synchronize().catch(() => {})
    expect([...(await j.add(j.tensor([1]), 1).data())]).toEqual([2])
  })
})
