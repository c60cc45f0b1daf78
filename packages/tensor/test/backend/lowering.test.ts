// How graphs become dispatches: what is fused, what is split, and whose memory an output takes.
import { softwareVulkan } from '@jora-tooling/software-gpu'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findAdapter, openPlanningDevice, openWebGpuDevice, referenceGpu } from '../../src/backend-webgpu/index'
import type { WebGpuDevice } from '../../src/backend-webgpu/index'
import * as j from '../../src/index'
import { opRules } from '../../src/ir/op'
import type { Shape, Tensor } from '../../src/index'
import { cases } from './cases'
import { checkDonated } from './compare'

await softwareVulkan()
const hasGpu = (await findAdapter()) !== undefined

const filled = (size: number, f: (i: number) => number) => Float32Array.from({ length: size }, (_, i) => f(i))

/** Dispatches of `fn` on a planned adapter, by label. */
function plan(fn: (...xs: Tensor[]) => Tensor | Tensor[], shapes: readonly Shape[], profile = referenceGpu) {
  const device = openPlanningDevice(profile)
  const inputs = shapes.map((shape) => j.tensor(new Float32Array(j.sizeOf(shape)), { shape, device }))
  j.jit((...xs: Tensor[]) => fn(...xs))(...inputs)
  return device.programs[0]!.dispatches
}

describe('fusion', () => {
  test('no loop has an end that a compiler for CPU cores knows', () => {
    const ends = (compilesForCpu: boolean) => {
      const profile = { ...referenceGpu, software: compilesForCpu, compilesForCpu }
      const kernels = plan(
        (x, y) => j.dot(x, y),
        [
          [5, 7],
          [7, 9],
        ],
        profile,
      )
      return kernels.flatMap(({ code }) => [...code.matchAll(/for \([^;]+; \w+ < ([^;]+);/g)].map(([, end]) => end))
    }
    expect(ends(true)).toEqual(['7u + (wg >> 31u)', '16u + (wg >> 31u)'])
    expect(ends(false).length).toBeGreaterThan(0)
    expect(ends(false).filter((end) => !/^\d+u$/.test(end!))).toEqual([])
  })

  test('a chain of elementwise ops is one kernel, read at a glance', () => {
    const [only, ...others] = plan((x, y) => j.mul(j.silu(x), j.add(y, 1)), [[5], [5]], {
      ...referenceGpu,
      software: true,
    })
    expect(others).toEqual([])
    expect(only!.code).toMatchInlineSnapshot(`
      "@group(0) @binding(0) var<storage, read> b0: array<f32>;
      fn ld0(i: u32) -> f32 { return b0[i]; }
      @group(0) @binding(1) var<storage, read> b1: array<f32>;
      fn ld1(i: u32) -> f32 { return b1[i]; }
      @group(0) @binding(2) var<storage, read_write> b2: array<f32>;
      fn st2(i: u32, x: f32) { b2[i] = x; }
      @compute @workgroup_size(64)
      fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lid: u32) {
        let wg = id.x;
        let i = wg * 64u + lid;
        if (i < 5u) {
          let v0 = ld0(i);
          let v1 = v0 / (1.0f + exp(-(v0)));
          let v2 = ld1(i);
          let v3 = v2 + 1.0f;
          let v4 = v1 * v3;
          st2(i, v4);
        }
      }"
    `)
  })

  test('residual, activation and LoRA pair end the product they belong to', () => {
    const lora = (x: Tensor, w: Tensor, a: Tensor, b: Tensor, residual: Tensor) => {
      const low = j.linear(x, a)
      return j.add(residual, j.add(j.linear(x, w), j.mul(j.linear(low, b), 2)))
    }
    const shapes = [
      [4, 64],
      [96, 64],
      [8, 64],
      [96, 8],
      [4, 96],
    ]
    expect(plan(lora, shapes).map((d) => d.label)).toEqual(['dot 4×8×64', 'dot 4×96×64'])
  })

  test('SwiGLU takes no kernel of its own', () => {
    const mlp = (x: Tensor, gate: Tensor, up: Tensor) => j.mul(j.silu(j.linear(x, gate)), j.linear(x, up))
    expect(
      plan(mlp, [
        [4, 64],
        [96, 64],
        [96, 64],
      ]).map((d) => d.label),
    ).toEqual(['dot 4×96×64', 'dot 4×96×64'])
  })

  test('transposes around attention are windows, not copies', () => {
    const attend = (x: Tensor, w: Tensor) => {
      const heads = j.transpose(j.reshape(x, [1, 16, 2, 8]), [0, 2, 1, 3])
      return j.linear(j.reshape(j.transpose(j.attention(heads, heads, heads), [0, 2, 1, 3]), [16, 16]), w)
    }
    expect(
      plan(attend, [
        [16, 16],
        [16, 16],
      ]).map((d) => d.label),
    ).toEqual(['attention 16×16', 'dot 16×16×16'])
  })

  test('updates of many tensors share dispatches up to the limit of bindings', () => {
    const adapt = (...ps: Tensor[]) => ps.map((p) => j.mul(p, 0.5))
    const shapes = Array.from({ length: 12 }, () => [64])
    expect(plan(adapt, shapes)).toHaveLength(2)
    for (const { bindings } of plan(adapt, shapes)) expect(bindings.length).toBeLessThanOrEqual(16)
  })
})

describe.skipIf(!hasGpu)(`on an adapter${hasGpu ? '' : ' (needs a WebGPU adapter)'}`, () => {
  let device: WebGpuDevice
  beforeAll(async () => {
    // Bindings of 1 KiB: every larger tensor is read and written in parts.
    device = await openWebGpuDevice({ profile: { maxBindingBytes: 1024, offsetAlignment: 256 } })
    j.setDefaultDevice(device)
  })
  afterAll(async () => {
    j.setDefaultDevice(undefined)
    await device.close()
  })

  test.each([{ window: undefined }, { window: 40 }])(
    'flash attention with the tiles of a large workgroup memory, window $window',
    async ({ window }) => {
      // Heads of 16 keep tiles of 64 within this adapter's memory too.
      const profile = { software: false, maxWorkgroupBytes: 49152 }
      const [plain, large] = [await openWebGpuDevice(), await openWebGpuDevice({ profile, tune: false })]
      const shapes = [
        [1, 2, 70, 16],
        [1, 1, 90, 16],
        [1, 1, 90, 16],
      ]
      const run = async (on: WebGpuDevice) => {
        const inputs = shapes.map((shape, s) =>
          j.tensor(
            filled(j.sizeOf(shape), (i) => Math.sin(i * (s + 1))),
            { shape, device: on },
          ),
        )
        const step = j.valueAndGrad((xs: Tensor[]) => {
          const out = j.attention(xs[0]!, xs[1]!, xs[2]!, { window })
          return j.sum(j.mul(out, j.sin(j.iota(out.shape, 2, 'f32'))))
        })
        const [value, grads] = j.jit(step)(inputs)
        return Promise.all([value, ...(grads as Tensor[])].map((t) => t.data()))
      }
      const [expected, actual] = [await run(plain), await run(large)]
      for (const [i, x] of expected.entries())
        x.forEach((v, at) => expect(Math.abs(actual[i]![at]! - v), `${i}[${at}]`).toBeLessThan(1e-4))
      await plain.close()
      await large.close()
    },
    120_000,
  )

  test('a product with few results and a long inner dimension', async () => {
    const hardware = await openWebGpuDevice({ profile: { software: false, matrixUnits: [] }, tune: false })
    const [m, n, k] = [6, 18, 1030]
    const a = filled(m * k, (i) => (i % 7) - 3)
    const b = filled(n * k, (i) => (i % 5) - 2)
    const on = { device: hardware }
    for (const transposeB of [true, false]) {
      const right = j.tensor(b, { shape: transposeB ? [n, k] : [k, n], ...on })
      const product = j.jit((x: Tensor, y: Tensor) => j.add(j.dot(x, y, { transposeB }), 1))
      const y = await product(j.tensor(a, { shape: [m, k], ...on }), right).data()
      for (let at = 0; at < m * n; at++) {
        const [row, column] = [Math.floor(at / n), at % n]
        let sum = 1
        for (let i = 0; i < k; i++) sum += a[row * k + i]! * b[transposeB ? column * k + i : i * n + column]!
        expect(y[at]).toBe(sum)
      }
    }
    await hardware.close()
  })

  test('tensors beyond the binding limit are split', async () => {
    const [rows, columns] = [40, 32]
    const w = j.tensor(
      filled(rows * columns, (i) => i % 13),
      { shape: [rows, columns] },
    )
    const x = j.tensor(
      filled(columns, (i) => i % 5),
      { shape: [1, columns] },
    )
    const y = await j
      .jit((a: Tensor, b: Tensor) => j.linear(a, j.add(b, 1)))(x, w)
      .data()
    for (let r = 0; r < rows; r++) {
      let sum = 0
      for (let c = 0; c < columns; c++) sum += (c % 5) * (((r * columns + c) % 13) + 1)
      expect(y[r]).toBe(sum)
    }
  })

  test('16-bit tensors of odd lengths are split too', async () => {
    const halves = Uint16Array.from({ length: 1501 }, (_, i) => 0x3f80 + (i % 7))
    const x = j.tensor(halves, { shape: [1501], dtype: 'bf16' })
    const y = await j
      .jit((a: Tensor) => j.cast(a, 'f32'))(x)
      .data()
    const word = new Uint32Array(1)
    halves.forEach((bits, i) => {
      word[0] = bits << 16
      if (y[i] !== new Float32Array(word.buffer)[0]) throw new Error(`element ${i} is ${y[i]}`)
    })
  })

  test('an output takes the memory of a donated input', async () => {
    const step = j.jit((p: Tensor) => j.mul(p, 2), { donate: [0] })
    let p = j.tensor(filled(100, (i) => i))
    p = step(p)
    await p.data()
    const before = device.counters.buffers
    for (let i = 0; i < 5; i++) p = step(p)
    expect((await p.data())[3]).toBe(3 * 64)
    expect(device.counters.buffers).toBe(before)
  })

  test('an op that is wrongly said to read in place fails its donated case', async () => {
    const rope = cases.find((c) => c.name === 'rope')!
    const { reads } = opRules.rope
    await checkDonated(rope)
    try {
      Object.assign(opRules.rope, { reads: 'same' })
      await expect(checkDonated(rope)).rejects.toThrow(/output 0, input 0 donated,\[\d+\] is /)
    } finally {
      Object.assign(opRules.rope, { reads })
    }
  })

  test('a tensor donated while it is used twice is copied first', async () => {
    const step = j.jit((p: Tensor, q: Tensor) => j.add(j.mul(p, 2), q), { donate: [0] })
    const p = j.tensor([1, 2, 3])
    expect([...(await step(p, p).data())]).toEqual([3, 6, 9])
  })

  test('a weight that is donated by mistake keeps its value', async () => {
    const w = j.tensor([1, 2, 3])
    const step = j.jit((p: Tensor) => j.add(j.mul(p, 2), w), { donate: [0] })
    const kept = j.jit((p: Tensor) => j.add(p, w))
    const x = j.tensor([0, 0, 0])
    await kept(x).data()
    expect([...(await step(w).data())]).toEqual([3, 6, 9])
  })
})
