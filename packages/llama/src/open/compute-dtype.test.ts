// The type a run computes in.
import { softwareVulkan } from '@jora-tooling/software-gpu'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tensor, type Device } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { findAdapter, openWebGpuDevice } from '@jora/tensor/webgpu'
import { chooseDType } from './compute-dtype'

await softwareVulkan()
const hasHalf = (await findAdapter())?.profile.f16 === true

test('a CPU computes in f32 and refuses f16', async () => {
  const cpu = await openCpuDevice({ threads: 1 })
  expect(await chooseDType('auto', cpu, {})).toBe('f32')
  expect(await chooseDType('f32', cpu, {})).toBe('f32')
  await expect(chooseDType('f16', cpu, {})).rejects.toThrow(/dtype is f16, which .* cannot compute in; use f32/)
  await cpu.close()
})

describe.skipIf(!hasHalf)(`on a GPU${hasHalf ? '' : ' (needs a WebGPU adapter with shader-f16)'}`, () => {
  let gpu: Device
  beforeAll(async () => {
    // As a hardware adapter, which prefers f16.
    gpu = await openWebGpuDevice({ profile: { software: false }, tune: false })
  })
  afterAll(() => gpu.close())

  /** A bf16 matrix of ones, with one element of the given bits. */
  const weights = (bits: number) => ({
    'model.norm.weight': tensor(Float32Array.of(1, 1), { device: gpu }),
    'lm_head.weight': tensor(Uint16Array.of(0x3f80, 0x3f80, 0x3f80, bits), {
      shape: [2, 2],
      dtype: 'bf16',
      device: gpu,
    }),
  })

  test('auto is f16 for 16-bit weights and f32 for others', async () => {
    expect(await chooseDType('auto', gpu, weights(0xc000))).toBe('f16')
    expect(await chooseDType('auto', gpu, { w: tensor(Float32Array.of(1), { device: gpu }) })).toBe('f32')
  })

  test.each([
    ['65536', 0x4780],
    ['−10³⁰', 0xf14a],
    ['infinity', 0x7f80],
  ])('a bf16 weight of %s never becomes an f16', async (_name, bits) => {
    expect(await chooseDType('auto', gpu, weights(bits))).toBe('f32')
    await expect(chooseDType('f16', gpu, weights(bits))).rejects.toThrow(
      'dtype is f16, but weight lm_head.weight has elements beyond ±65504; use f32',
    )
  })
})
