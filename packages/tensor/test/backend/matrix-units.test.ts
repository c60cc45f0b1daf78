// Kernels for matrix units, without the units: their results under emulation, and their shaders before Dawn's validator.
import { softwareVulkan } from '@jora-tooling/software-gpu'
import { create, globals } from 'webgpu'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findAdapter, openPlanningDevice, openWebGpuDevice, referenceGpu } from '../../src/backend-webgpu/index'
import { cast, dot, jit, setDefaultDevice, tensor } from '../../src/index'
import type { Device, Tensor } from '../../src/index'
import { sizeOf } from '../../src/shape'
import { emulateMatrixUnits } from './emulate-matrix-units'
import { checkProduct, products } from './half-products'

await softwareVulkan()
const hasHalf = (await findAdapter())?.profile.f16 === true

/** Sizes that adapters report: NVIDIA's two, Apple's, Intel's. */
const units = [
  { m: 16, n: 16, k: 16 },
  { m: 16, n: 8, k: 16 },
  { m: 8, n: 8, k: 8 },
  { m: 8, n: 16, k: 16 },
]

describe.skipIf(!hasHalf)(`matrix units, emulated${hasHalf ? '' : ' (needs a WebGPU adapter with shader-f16)'}`, () => {
  // Emulation compiles slowly: the usual unit, and one that is not square.
  for (const unit of [units[0]!, units[1]!]) {
    describe(`${unit.m}×${unit.n}×${unit.k}`, () => {
      let device: Device
      let emulated = 0
      beforeAll(async () => {
        const opened = await openWebGpuDevice({
          profile: { software: false, matrixUnits: [unit], subgroupSize: 32 },
          tune: false,
        })
        const original = opened.gpu.createShaderModule.bind(opened.gpu)
        opened.gpu.createShaderModule = (descriptor) => {
          const code = emulateMatrixUnits(descriptor.code)
          if (code !== descriptor.code) emulated++
          return original({ ...descriptor, code })
        }
        device = opened
        setDefaultDevice(device)
      })
      afterAll(async () => {
        setDefaultDevice(undefined)
        await device.close()
      })

      for (const product of products.slice(0, unit.m === unit.n ? 4 : 1)) {
        test(`${product.name}`, async () => {
          const before = emulated
          await checkProduct(product)
          expect(emulated - before, 'kernels on matrix units').toBe(1)
        })
      }
    })
  }
})

test('every shader for matrix units passes the validator', async () => {
  Object.assign(globalThis, globals)
  const gpu = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis'])
  const adapter = await gpu.requestAdapter()
  const features = ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix'] as GPUFeatureName[]
  const device = await adapter!.requestDevice({ requiredFeatures: features })
  const codes = new Set<string>()
  for (const unit of units) {
    const plan = openPlanningDevice({ ...referenceGpu, matrixUnits: [unit] })
    for (const { a, b, ...turned } of products) {
      const [left, right] = [a, b].map((shape) => tensor(new Float32Array(sizeOf(shape)), { shape, device: plan }))
      jit((l: Tensor, r: Tensor) => dot(cast(l, 'f16'), cast(r, 'f16'), turned))(left!, right!)
    }
    for (const { dispatches } of plan.programs) for (const { code } of dispatches) codes.add(code)
  }
  const onUnits = [...codes].filter((code) => code.includes('subgroupMatrixMultiplyAccumulate'))
  expect(onUnits).toHaveLength(units.length * products.length)
  for (const code of onUnits) {
    device.pushErrorScope('validation')
    const module = device.createShaderModule({ code })
    const error = await device.popErrorScope()
    expect(error?.message).toBeUndefined()
    expect((await module.getCompilationInfo()).messages.filter((m) => m.type === 'error')).toEqual([])
  }
  device.destroy()
})
