// Large programs run in parts: equal layers share a model, what parts hand on shares memory, and no bit changes.
import { afterAll, expect, test } from 'vitest'
import { openCpuDevice } from '../src/backend-onnx/index'
import { modelKey, partsOf } from '../src/backend-onnx/parts'
import { decomposed } from '../src/backend-onnx/definitions'
import {
  add,
  dropout,
  jit,
  makeGraph,
  rmsNorm,
  scope,
  setDefaultDevice,
  silu,
  sum,
  linear,
  mul,
  tensor,
  valueAndGrad,
  valuesOf,
  type Device,
  type QuantisedWeight,
  type Tensor,
} from '../src/index'
import { simplify } from '../src/jit/execute'

const [layers, width, rows] = [12, 64, 24]
const devices: Device[] = []
afterAll(async () => {
  setDefaultDevice(undefined)
  for (const device of devices) await device.close()
})

/** Numbers in [−1, 1) that look random. */
const noise = (count: number, seed: number): Float32Array =>
  Float32Array.from(
    { length: count },
    (_, i) => (((Math.imul(i + 1, 2654435761) ^ (seed * 40503)) >>> 8) % 2001) / 1000 - 1,
  )

const quantised = (seed: number): QuantisedWeight => {
  const codes = noise((width * width) / 2, seed)
  return {
    codes: tensor(
      Uint8Array.from(codes, (x) => Math.round(127 + 127 * x)),
      { shape: [width, width / 2], dtype: 'u8' },
    ),
    scales: tensor(
      noise((width * width) / 32, seed + 1).map((x) => x / 16),
      { shape: [width, width / 32] },
    ),
    layout: { bits: 4, group: 32 },
    shape: [width, width],
  }
}

type Adapters = { readonly a: Tensor; readonly b: Tensor }[]

/** A model whose base is quantised, its loss, and what a step makes of its adapters. */
function model() {
  const bases = Array.from({ length: layers }, (_, i) => [quantised(3 * i), quantised(3 * i + 100)] as const)
  const norms = Array.from({ length: layers }, (_, i) => tensor(noise(width, i), { shape: [width] }))
  const loss = (adapters: Adapters, x: Tensor, key: Tensor): Tensor => {
    let h = x
    for (const [i, { a, b }] of adapters.entries())
      h = scope(`layer ${i}`, () => {
        const normed = rmsNorm(h, norms[i]!, 1e-5)
        const [first, second] = bases[i]!
        const low = linear(linear(dropout(normed, 0.1, key, i), a), b)
        const inner = silu(add(linear(normed, valuesOf(first, 'f32')), low))
        return add(h, linear(mul(inner, inner), valuesOf(second, 'f32')))
      })
    return scope('head', () => sum(mul(h, h)))
  }
  return (adapters: Adapters, x: Tensor, key: Tensor) => {
    const [value, grads] = valueAndGrad((a: Adapters) => loss(a, x, key))(adapters)
    return { value, grads }
  }
}

const inputs = () =>
  [
    Array.from({ length: layers }, (_, i) => ({
      a: tensor(noise(4 * width, 7 * i), { shape: [4, width] }),
      b: tensor(noise(4 * width, 7 * i + 1), { shape: [width, 4] }),
    })),
    tensor(noise(rows * width, 99), { shape: [1, rows, width] }),
    tensor(Uint32Array.of(5, 9), { shape: [1, 2] }),
  ] as const

/** Bits of all that a step makes on a device. */
async function stepOn(device: Device): Promise<readonly (readonly number[])[]> {
  devices.push(device)
  setDefaultDevice(device)
  const step = jit(model())
  const [first, again] = [step(...inputs()), step(...inputs())]
  const read = async ({ value, grads }: typeof first) =>
    await Promise.all([value, ...grads.flatMap(({ a, b }) => [a, b])].map(async (t) => [...(await t.data())]))
  const made = await read(first)
  expect(await read(again)).toEqual(made)
  step.dispose()
  return made
}

test('a program in parts gives the bits that the whole one gives, draws included', async () => {
  // Where many programs make one step, none is cut.
  const whole = await stepOn(await openCpuDevice({ threads: 1, manyPrograms: true }))
  expect(await stepOn(await openCpuDevice({ threads: 1 }))).toEqual(whole)
})

test('layers that are alike are one model, and what they hand on is in memory used again', async () => {
  const device = await openCpuDevice({ threads: 1 })
  devices.push(device)
  setDefaultDevice(device)
  const graph = simplify(decomposed(makeGraph(model())(...inputs())))
  const { parts, sharedBytes } = partsOf(graph, () => undefined)!
  expect(parts.length).toBeGreaterThanOrEqual(2 * layers)
  expect(new Set(parts.map(modelKey)).size).toBeLessThan(layers)
  const made = parts.flatMap(({ makes }) => makes).filter((place) => 'offset' in place)
  const all = made.reduce((n, { dims }) => n + 4 * dims.reduce((a, b) => a * b, 1), 0)
  expect(sharedBytes).toBeLessThan(0.8 * all)
  // A model that points at matrices in files would be a layer's alone.
  expect(partsOf(graph, () => ({ path: 'model.safetensors', offset: 0, length: 1 }))).toBeUndefined()
})
