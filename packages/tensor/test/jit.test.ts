// jit, eager ops and devices: one program a shape, donation, disposal and weights in files.
import { mkdtempSync, rmSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as j from '../src/index'
import type { Tensor } from '../src/index'
import { openCpuDevice } from '../src/backend-onnx/index'
import { openSafetensors, writeSafetensors } from '../src/weights/safetensors/index'

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

/** A jitted function and how often it was traced. */
function counted<A extends readonly j.Tree[], R extends j.Tree>(fn: (...args: A) => R, options?: j.JitOptions) {
  const counter = { traces: 0 }
  const jitted = j.jit((...args: A) => {
    counter.traces++
    return fn(...args)
  }, options)
  return { jitted, counter }
}

describe('programs', () => {
  test('one a shape, dtype and structure', async () => {
    const { jitted, counter } = counted((x: Tensor | readonly Tensor[]) => j.add(x instanceof j.Tensor ? x : x[0]!, 1))
    expect(await list(jitted(j.tensor([1, 2])))).toEqual([2, 3])
    expect(await list(jitted(j.tensor([3, 4])))).toEqual([4, 5])
    expect([counter.traces, jitted.programs]).toEqual([1, 1])
    jitted(j.tensor([1, 2, 3]))
    jitted(j.tensor([1, 2], { dtype: 'i32' }))
    jitted([j.tensor([1, 2])])
    jitted(j.tensor([[1, 2]]))
    expect([counter.traces, jitted.programs]).toEqual([5, 5])
    jitted.dispose()
    expect(jitted.programs).toBe(0)
    expect(await list(jitted(j.tensor([5])))).toEqual([6]) // compiled anew
  })

  test('static arguments are part of the program', async () => {
    const { jitted, counter } = counted((x: Tensor, options: { readonly by: number; readonly negate?: boolean }) =>
      options.negate ? j.neg(j.mul(x, options.by)) : j.mul(x, options.by),
    )
    expect(await list(jitted(j.tensor([1]), { by: 2 }))).toEqual([2])
    expect(await list(jitted(j.tensor([4]), { by: 2 }))).toEqual([8])
    expect(await list(jitted(j.tensor([4]), { by: 3 }))).toEqual([12])
    expect(await list(jitted(j.tensor([4]), { by: 3, negate: true }))).toEqual([-12])
    expect(counter.traces).toBe(3)
  })

  test('the one longest unused is released first', async () => {
    const { jitted, counter } = counted((x: Tensor) => j.mul(x, 2), { maxPrograms: 2 })
    const of = (n: number) => list(jitted(j.tensor(Array.from({ length: n }, () => 1))))
    await of(1)
    await of(2)
    await of(1) // now 2 is the older
    await of(3)
    expect([counter.traces, jitted.programs]).toEqual([3, 2])
    await of(1)
    expect(counter.traces).toBe(3)
    expect(await of(2)).toEqual([2, 2])
    expect(counter.traces).toBe(4)
  })

  test('a result outlives the program that made it', async () => {
    const f = j.jit((x: Tensor) => j.mul(x, 2))
    const y = f(j.tensor([1]))
    f.dispose()
    expect(await list(y)).toEqual([2])
  })

  test('can be compiled ahead, without a run', async () => {
    const { jitted, counter } = counted((x: Tensor) => j.exp(x))
    await jitted.compile(j.tensor([0, 1]))
    expect([counter.traces, jitted.programs]).toEqual([1, 1])
    expect(await list(jitted(j.tensor([0, 0])))).toEqual([1, 1])
    expect(counter.traces).toBe(1)
  })

  test('inside another trace a jitted function is simply called', async () => {
    const { jitted: inner, counter } = counted((x: Tensor) => j.mul(x, 3))
    expect(await list(j.jit((x: Tensor) => j.add(inner(x), inner(x)))(j.tensor([1])))).toEqual([6])
    expect([counter.traces, inner.programs]).toEqual([2, 0])
  })

  test('return any tree, of inputs and constants too', async () => {
    const c = j.tensor([9])
    const result = j.jit((x: Tensor) => ({ same: x, twice: [x, x] as const, constant: c, n: 4, none: null }))(
      j.tensor([1]),
    )
    expect([
      await list(result.same),
      await list(result.twice[1]),
      await list(result.constant),
      result.n,
      result.none,
    ]).toEqual([[1], [1], [9], 4, null])
  })

  test('of no inputs run on the default device', async () => {
    expect(await list(j.jit(() => j.arange(3))())).toEqual([0, 1, 2])
  })
})

describe('memory', () => {
  test('donated arguments are disposed, others are not', async () => {
    const f = j.jit(
      (state: { readonly a: Tensor; readonly b: Tensor }, x: Tensor) => ({ a: j.add(state.a, x), b: state.b }),
      { donate: [0] },
    )
    const [state, x] = [{ a: j.tensor([1]), b: j.tensor([2]) }, j.tensor([10])]
    const next = f(state, x)
    expect([state.a.disposed, state.b.disposed, x.disposed]).toEqual([true, true, false])
    expect([await list(next.a), await list(next.b)]).toEqual([[11], [2]])
    await expect(state.a.data()).rejects.toThrow('Tensor: this f32[1] was disposed or donated')
    expect(() => f(state, x)).toThrow('Tensor: this f32[1] was disposed or donated')
  })

  test('disposing twice is safe, and so is disposing what a queued run still reads', async () => {
    const x = j.tensor([1, 2])
    const y = j.jit((t: Tensor) => j.mul(t, 2))(x)
    x.dispose()
    x.dispose()
    expect(x.disposed).toBe(true)
    expect(await list(y)).toEqual([2, 4])
    const pending = y.data()
    y.dispose()
    expect([...(await pending)]).toEqual([2, 4])
    expect(() => j.add(x, 1)).toThrow('was disposed or donated')
    j.disposeTree({ y, z: [j.tensor(1)], n: 3 })
  })

  test('a constant that was disposed before compiling is named', () => {
    const w = j.tensor([1])
    w.dispose()
    expect(() => j.jit((x: Tensor) => j.mul(x, w))(j.tensor([1]))).toThrow('was disposed or donated')
  })
})

describe('eager ops', () => {
  test('run at once, one program an op and shape', async () => {
    const x = j.tensor([
      [1, 2],
      [3, 4],
    ])
    expect(await list(j.dot(x, x))).toEqual([7, 10, 15, 22])
    expect(await list(j.sum(x, { axis: 0 }))).toEqual([4, 6])
    expect(await list(j.sub(1, x))).toEqual([0, -1, -2, -3])
    expect(await list(j.argmax(x))).toEqual([1, 1])
    expect(await list(j.gt(x, 2))).toEqual([0, 0, 1, 1])
    expect(await list(j.full([2], 7, 'i32'))).toEqual([7, 7])
    expect(await j.mean(x).item()).toBe(2.5)
    expect(await list(j.transpose(x))).toEqual([1, 3, 2, 4])
  })

  test('tensors from numbers and arrays', async () => {
    expect(j.tensor(3).shape).toEqual([])
    expect(j.tensor([[[1], [2]]]).shape).toEqual([1, 2, 1])
    expect(j.tensor(Int32Array.of(1, 2)).dtype).toBe('i32')
    expect(j.tensor(Float32Array.of(1, 2, 3, 4), { shape: [2, 2] }).sizeBytes).toBe(16)
    expect(await list(j.tensor([1, 0], { dtype: 'bool' }))).toEqual([1, 0])
    expect(String(j.tensor([1]))).toBe('Tensor(f32[1])')
  })
})

describe('devices', () => {
  test('two at once, one jitted function', async () => {
    const other = await openCpuDevice({ threads: 1 })
    try {
      const f = j.jit((x: Tensor) => j.mul(x, 2))
      const results = Array.from({ length: 6 }, (_, i) => f(j.tensor([i], { device: i % 2 ? other : device })))
      expect((await Promise.all(results.map(list))).flat()).toEqual([0, 2, 4, 6, 8, 10])
      expect(results.map(({ buffer }) => buffer.device === other)).toEqual([false, true, false, true, false, true])
      expect(f.programs).toBe(2)
      const [mine, theirs] = [j.tensor([1]), j.tensor([1], { device: other })]
      expect(() => j.jit((x: Tensor, y: Tensor) => j.add(x, y))(mine, theirs)).toThrow(
        /jit: inputs are on different devices/,
      )
      expect(() => j.add(mine, theirs)).toThrow(/different devices|was given to/)
      expect(await list(j.add(theirs, 1))).toEqual([2])
    } finally {
      await other.close()
    }
  })

  test('of another default, a function without inputs runs there', async () => {
    const other = await openCpuDevice({ threads: 1 })
    const f = j.jit(() => j.arange(2))
    expect(f().buffer.device).toBe(device)
    j.setDefaultDevice(other)
    try {
      expect(f().buffer.device).toBe(other)
    } finally {
      j.setDefaultDevice(device)
      await other.close()
    }
    expect(await list(f())).toEqual([0, 1])
  })

  test('closing settles what is pending and refuses the rest', async () => {
    const other = await openCpuDevice({ threads: 1 })
    const x = j.tensor(new Float32Array(1000).fill(2), { device: other })
    const y = j.jit((t: Tensor) => j.exp(t))(x)
    const pending = y.data()
    const closing = other.close()
    const late = y.data()
    await expect(late).rejects.toThrow('the CPU device is closed')
    expect((await pending)[0]).toBeCloseTo(Math.exp(2), 4)
    await closing
    await expect(y.data()).rejects.toThrow('the CPU device is closed')
    expect(() => j.tensor([1], { device: other })).toThrow('the CPU device is closed')
    expect(() => j.exp(x)).toThrow('the CPU device is closed')
    await other.close()
    y.dispose()
  })
})

describe('weights in files', () => {
  let folder: string
  beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'jora-file-'))))
  afterAll(() => rmSync(folder, { recursive: true }))

  // Exact in bf16 and f16.
  const values = [1, -2, 0.5, 3, 0, -0.25, 4, 8]
  const patterns = {
    bf16: [0x3f80, 0xc000, 0x3f00, 0x4040, 0, 0xbe80, 0x4080, 0x4100],
    f16: [0x3c00, 0xc000, 0x3800, 0x4200, 0, 0xb400, 0x4400, 0x4800],
  }
  async function stored(dtype: 'f32' | 'f16' | 'bf16'): Promise<Tensor> {
    const path = join(folder, `${dtype}.safetensors`)
    const array = dtype === 'f32' ? Float32Array.from(values) : Uint16Array.from(patterns[dtype])
    const odd = { name: 'z', dtype: 'U8' as const, shape: [3], data: new Uint8Array(3) }
    await writeSafetensors(path, [
      { name: 'w', dtype: dtype.toUpperCase() as 'F32', shape: [4, 2], data: new Uint8Array(array.buffer) },
      odd,
    ])
    await using file = await openSafetensors(path)
    return j.tensorFromFile(file.range('w'), { shape: [4, 2], dtype }, { label: 'w' })
  }

  for (const dtype of ['f32', 'f16', 'bf16'] as const) {
    test(`${dtype}: products, rows, and the weight itself`, async () => {
      const w = await stored(dtype)
      const f = j.jit((x: Tensor, ids: Tensor) => {
        const wide = j.cast(w, 'f32')
        return {
          product: j.linear(x, wide),
          again: j.dot(j.linear(x, wide), wide),
          rows: j.cast(j.gather(w, ids), 'f32'),
          itself: wide,
        }
      })
      const out = f(j.tensor([[1, 10]]), j.tensor([3, 0], { dtype: 'i32' }))
      const product = [1 - 20, 0.5 + 30, 0 - 2.5, 4 + 80]
      expect(await list(out.product)).toEqual(product)
      expect(await list(out.again)).toEqual(
        [0, 1].map((c) => product.reduce((n, p, r) => n + p * values[2 * r + c]!, 0)),
      )
      expect(await list(out.rows)).toEqual([4, 8, 1, -2])
      expect(await list(out.itself)).toEqual(values)
    })

    test(`${dtype}: gradients through it`, async () => {
      const w = await stored(dtype)
      expect(await list(j.grad((x: Tensor) => j.sum(j.linear(x, j.cast(w, 'f32'))))(j.tensor([[1, 1]])))).toEqual([
        5.5, 8.75,
      ])
    })
  }

  test('f16 and f32 can also be read and used eagerly', async () => {
    expect(await list(await stored('f32'))).toEqual(values)
    expect(await list(await stored('f16'))).toEqual(patterns.f16)
    expect(await list(j.cast(await stored('f16'), 'f32'))).toEqual(values)
  })

  test('from one 16-bit type to the other', async () => {
    const w = await stored('bf16')
    const half = j.jit(() => j.cast(w, 'f16'))()
    expect([half.dtype, await list(half)]).toEqual(['f16', patterns.f16])
  })

  test('labels stand in the printed graph', async () => {
    const w = await stored('bf16')
    expect(j.printGraph(j.makeGraph((x: Tensor) => j.linear(x, j.cast(w, 'f32')))(j.tensor([[1, 1]]))))
      .toMatchInlineSnapshot(`
      "graph(x0:f32[1,2]) {
        const w:bf16[4,2]
        v0:f32[4,2] = cast(w)
        v1:f32[1,4] = dot(x0, v0, transposeB)
        return v1
      }"
    `)
  })

  test('a file that was cut after opening fails the program, not the process', async () => {
    const w = await stored('f32')
    truncateSync(join(folder, 'f32.safetensors'), 8)
    const y = j.jit((x: Tensor) => j.linear(x, w))(j.tensor([[1, 1]]))
    await expect(y.data()).rejects.toThrow(/External initializer.*out of bounds/)
    await device.synchronize().catch(() => {})
    expect(await list(j.add(j.tensor([1]), 1))).toEqual([2])
  })
})

describe('numbers that JSON cannot tell apart', () => {
  const odd = [Infinity, -Infinity, NaN, 0, -0]
  const inverse = (x: number) => (Object.is(x, -0) ? -Infinity : x === 0 ? Infinity : x)
  test('make different programs, and different values of one program', async () => {
    for (const x of odd) expect((await list(j.full([1], x)))[0]).toBe(x)
    const all = j.jit(() => odd.map((x) => j.full([1], x)))()
    for (const [i, t] of all.entries()) expect((await list(t))[0]).toBe(odd[i])
    const { jitted, counter } = counted((x: Tensor, by: number) => j.add(x, inverse(by)))
    for (const x of odd) expect((await list(jitted(j.tensor([1]), x)))[0]).toBe(inverse(x))
    expect(counter.traces).toBe(5)
  })
})

test('a view of a larger array uploads its own elements', async () => {
  const large = Float32Array.from({ length: 1000 }, (_, i) => i)
  expect(await list(j.tensor(large.subarray(10, 13)))).toEqual([10, 11, 12])
})
