// Large programs run in parts: equal layers share a model, what parts hand on shares memory, and no bit changes.
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { openCpuDevice } from '../src/backend-onnx/index'
import { modelKey, partsOf } from '../src/backend-onnx/parts'
import type { FileRange } from '../src/backend/backend'
import { decomposed } from '../src/backend-onnx/definitions'
import {
  add,
  dropout,
  full,
  gather,
  jit,
  makeGraph,
  rmsNorm,
  scope,
  setDefaultDevice,
  silu,
  sum,
  linear,
  mul,
  Tensor,
  tensor,
  valueAndGrad,
  valuesOf,
  type Device,
  type QuantisedWeight,
  type Weight,
} from '../src/index'
import { simplify } from '../src/jit/execute'

const [layers, width, rows] = [12, 64, 24]
const devices: Device[] = []
afterAll(async () => {
  setDefaultDevice(undefined)
  for (const device of devices) await device.close()
  rmSync(folder, { recursive: true })
})
const folder = mkdtempSync(join(tmpdir(), 'jora-parts-'))

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

const eightBits = (seed: number): QuantisedWeight => ({
  codes: tensor(
    Uint8Array.from(noise(width * width, seed), (x) => Math.round(127 + 127 * x)),
    { shape: [width, width], dtype: 'u8' },
  ),
  scales: tensor(
    noise((width * width) / 16, seed + 1).map((x) => x / 256),
    { shape: [width, width / 16] },
  ),
  mins: tensor(
    noise((width * width) / 16, seed + 2).map((x) => x / 4),
    { shape: [width, width / 16] },
  ),
  layout: { bits: 8, group: 16 },
  shape: [width, width],
})

type FloatDType = 'bf16' | 'f16' | 'f32'
const bytesEach = { bf16: 2, f16: 2, f32: 4 } as const

/** A matrix that stays in a file, behind another. */
function filed(dtype: FloatDType) {
  return (seed: number, device: Device): Tensor => {
    const path = join(folder, `${dtype}-${seed}`)
    // Of f32, the upper halves are bf16.
    const bits = new Uint32Array(noise(2 * width * width, seed).buffer)
    writeFileSync(path, dtype === 'f32' ? bits : Uint16Array.from(bits, (x) => x >>> 16))
    const length = bytesEach[dtype] * width * width
    return Tensor.fromBuffer(device.fromFile({ path, offset: length, length }, { shape: [width, width], dtype }))
  }
}

interface Base {
  (seed: number, device: Device): Weight
  /** A matrix of many bytes, of which a row is read. */
  readonly table?: (device: Device) => Tensor
}

/** Matrices that parts read as they are in their files: beside one whose size keeps products from packing them. */
function stored(dtype: FloatDType): Base {
  const table = (device: Device) => {
    const path = join(folder, `${dtype}-table`)
    const [rowBytes, count] = [bytesEach[dtype] * width, 2 ** 28 / width / bytesEach[dtype] + 1]
    writeFileSync(path, new Uint8Array(2 * rowBytes).fill(56)) // a hole behind its first rows
    truncateSync(path, rowBytes * count)
    return Tensor.fromBuffer(
      device.fromFile({ path, offset: 0, length: rowBytes * count }, { shape: [count, width], dtype }),
    )
  }
  return Object.assign(filed(dtype), { table })
}

type Adapters = { readonly a: Tensor; readonly b: Tensor }[]

/** A model of frozen bases, its loss, and what a step makes of its adapters. */
function model(base: Base, device: Device) {
  const bases = Array.from({ length: layers }, (_, i) => [base(3 * i, device), base(3 * i + 100, device)] as const)
  const norms = Array.from({ length: layers }, (_, i) => tensor(noise(width, i), { shape: [width] }))
  const table = base.table?.(device)
  const loss = (adapters: Adapters, x: Tensor, key: Tensor): Tensor => {
    let h = table ? add(x, gather(valuesOf(table, 'f32'), full([1], 1, 'i32'))) : x
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
async function stepOn(device: Device, base: Base): Promise<readonly (readonly number[])[]> {
  devices.push(device)
  setDefaultDevice(device)
  const step = jit(model(base, device))
  const [first, again] = [step(...inputs()), step(...inputs())]
  const read = async ({ value, grads }: typeof first) =>
    await Promise.all([value, ...grads.flatMap(({ a, b }) => [a, b])].map(async (t) => [...(await t.data())]))
  const made = await read(first)
  expect(await read(again)).toEqual(made)
  step.dispose()
  return made
}

test.each([
  { title: '4 bits', base: quantised },
  { title: '8 bits with minima', base: eightBits },
  { title: 'bf16, in files', base: filed('bf16') },
  { title: 'f16, in files', base: stored('f16') },
  { title: 'f32, in files', base: stored('f32') },
])('a program in parts gives the bits that the whole one gives, draws included: base in $title', async ({ base }) => {
  // Where many programs make one step, none is cut.
  const whole = await stepOn(await openCpuDevice({ threads: 1, manyPrograms: true }), base)
  expect(await stepOn(await openCpuDevice({ threads: 1 }), base)).toEqual(whole)
})

test('layers that are alike are one model, and what they hand on is in memory used again', async () => {
  const device = await openCpuDevice({ threads: 1 })
  devices.push(device)
  setDefaultDevice(device)
  const graph = simplify(decomposed(makeGraph(model(quantised, device))(...inputs())))
  const { parts, sharedBytes } = partsOf(graph, () => undefined)!
  expect(parts.length).toBeGreaterThanOrEqual(2 * layers)
  expect(new Set(parts.map(modelKey)).size).toBeLessThan(layers)
  const made = parts.flatMap(({ makes }) => makes).filter((place) => 'offset' in place)
  const all = made.reduce((n, { dims }) => n + 4 * dims.reduce((a, b) => a * b, 1), 0)
  expect(sharedBytes).toBeLessThan(0.8 * all)
})

test('weights are unpacked for a part, of which a large layer has several, so that few are there at once', async () => {
  const device = await openCpuDevice({ threads: 1 })
  devices.push(device)
  setDefaultDevice(device)
  const graph = simplify(decomposed(makeGraph(model(quantised, device))(...inputs())))
  const weightBytes = 4 * width * width
  const unpackedIn = (most?: number) =>
    partsOf(graph, () => undefined, most)!.parts.map(({ reads }) => reads.filter((from) => 'weight' in from).length)
  const counts = unpackedIn()
  // The first layer's gradient stops at its adapter, beside the first weight; the last layer is one part, forward and backward.
  expect(counts.reduce((a, b) => a + b, 0)).toBe(4 * layers - 3)
  expect(Math.max(...counts)).toBe(2)
  expect(partsOf(graph, () => undefined)!.unpackedBytes).toBe(2 * weightBytes)
  const one = partsOf(graph, () => undefined, weightBytes)!
  expect(one.unpackedBytes).toBe(weightBytes)
  expect(one.parts.length).toBeGreaterThan(counts.length + 2 * layers - 3)
  // No part unpacks a weight with operators.
  expect(one.parts.flatMap(({ graph: { nodes } }) => nodes.filter(({ op }) => op === 'dequantise'))).toEqual([])
})

test.each([
  { dtype: 'bf16', base: filed('bf16'), unpacked: 2 * 4 * width * width },
  { dtype: 'f16', base: stored('f16'), unpacked: 0 },
  { dtype: 'f32', base: stored('f32'), unpacked: 0 },
])(
  'layers with $dtype matrices in files are one model too: their weights are given to it',
  async ({ base, unpacked }) => {
    const device = await openCpuDevice({ threads: 1 })
    devices.push(device)
    setDefaultDevice(device)
    const graph = simplify(decomposed(makeGraph(model(base, device))(...inputs())))
    const { parts, unpackedBytes } = partsOf(graph, (buffer) => (buffer as { file?: FileRange }).file)!
    expect(new Set(parts.map(modelKey)).size).toBeLessThan(layers)
    expect(unpackedBytes).toBe(unpacked)
    // No part has a matrix of its own.
    expect(parts.flatMap((part) => part.graph.constants.filter((c) => c.value.aval.shape.length > 1))).toEqual([])
  },
)

test.each(['f16', 'f32'] as const)(
  'a program whose products pack the %s matrices of files stays whole',
  async (dtype) => {
    const device = await openCpuDevice({ threads: 1 })
    devices.push(device)
    setDefaultDevice(device)
    const graph = simplify(decomposed(makeGraph(model(filed(dtype), device))(...inputs())))
    expect(partsOf(graph, () => undefined)).toBeDefined()
    expect(partsOf(graph, (buffer) => (buffer as { file?: FileRange }).file)).toBeUndefined()
  },
)

test('a file that has become shorter is named, with what was expected of it', async () => {
  const device = await openCpuDevice({ threads: 1 })
  devices.push(device)
  setDefaultDevice(device)
  const step = jit(model(filed('bf16'), device))
  truncateSync(join(folder, 'bf16-9'), 3 * width * width)
  await expect(step(...inputs()).value.data()).rejects.toThrow(/bf16-9 ended at 12288, expected 8192 bytes from 8192/)
  step.dispose()
})
