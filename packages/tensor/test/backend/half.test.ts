// f16 on the WebGPU backend: the smooth conformance cases with inputs and activations in f16, against the float64 reference.
import { softwareVulkan } from '@jora-tooling/software-gpu'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findAdapter, openWebGpuDevice } from '../../src/backend-webgpu/index'
import {
  add,
  cast,
  jit,
  makeGraph,
  mul,
  setDefaultDevice,
  sum,
  tensor,
  treeLeaves,
  valueAndGrad,
} from '../../src/index'
import type { Device, Tensor } from '../../src/index'
import { cases, type Case } from './cases'
import { evaluate, numbers, type Nd } from './reference'

await softwareVulkan()
const hasHalf = (await findAdapter())?.profile.f16 === true

/** The nearest f16, for inputs that are exact in both. */
function toHalf(x: number): number {
  const unit = 2 ** (Math.max(-14, Math.floor(Math.log2(Math.abs(x) || 1))) - 10)
  return Math.round(x / unit) * unit
}

/** Random bits, integers and tables are the same in any type; rotations take their angles in f32. */
const isHalf = (c: Case, i: number): boolean => c.inputs[i]!.dtype === 'f32' && !c.inputs[i]!.frozen
// stopGradient's case multiplies by a frozen input, which stays f32 here.
const halfCases = cases.filter((c) => c.smooth && c.name !== 'stopGradient' && c.inputs.some((_, i) => isHalf(c, i)))

const arrays = { f32: Float32Array, i32: Int32Array, u32: Uint32Array, bool: Uint8Array }
const inHalf = (c: Case, inputs: readonly Tensor[]): Tensor[] => {
  const outputs = c.fn(...inputs.map((x, i) => (isHalf(c, i) ? cast(x, 'f16') : x)))
  return (Array.isArray(outputs) ? outputs : [outputs]).map((x) => cast(x, 'f32'))
}

/** f16 has 11 bits; a chain of a few roundings stays within this share of the largest element. */
const tolerance = 6e-3

function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  expect(actual.length).toBe(expected.length)
  const scale = Math.max(1, ...Array.from(expected, Math.abs).filter(Number.isFinite))
  for (let i = 0; i < expected.length; i++)
    if (actual[i] !== expected[i] && !(Math.abs(actual[i]! - expected[i]!) <= tolerance * scale))
      throw new Error(`${what}[${i}] is ${actual[i]}, expected ${expected[i]}`)
}

describe.skipIf(!hasHalf)(`f16${hasHalf ? '' : ' (needs a WebGPU adapter with shader-f16)'}`, () => {
  let device: Device
  beforeAll(async () => {
    device = await openWebGpuDevice()
    setDefaultDevice(device)
  })
  afterAll(async () => {
    setDefaultDevice(undefined)
    await device.close()
  })

  for (const c of halfCases) {
    test(`${c.name}: value and gradients`, async () => {
      const host = c.inputs.map(({ shape, dtype, make }, i): Nd => {
        const { data } = numbers(shape, i + 1)
        return { shape, data: data.map((x, at) => (dtype === 'f32' ? toHalf(make(x, at)) : make(x, at))) }
      })
      const inputs = c.inputs.map(({ shape, dtype }, i) => tensor(arrays[dtype].from(host[i]!.data), { shape, dtype }))
      const chosen = c.inputs.flatMap((_, i) => (isHalf(c, i) ? [i] : []))
      const step = (floats: Tensor[], all: Tensor[]) =>
        valueAndGrad((xs: Tensor[]) => {
          const merged = all.slice()
          chosen.forEach((at, i) => (merged[at] = xs[i]!))
          return inHalf(c, merged)
            .map((out) => sum(mul(out, 1 / out.size)))
            .reduce((a, b) => add(a, b))
        })(floats)
      const floats = chosen.map((i) => inputs[i]!)
      const expected = evaluate(makeGraph(step)(floats, inputs), [...chosen.map((i) => host[i]!), ...host])
      const actual = treeLeaves(jit(step)(floats, inputs))
      for (const [i, x] of actual.entries())
        expectClose(await x.data(), expected[i]!.data, i === 0 ? 'value' : `gradient ${i - 1}`)
    })
  }
})
