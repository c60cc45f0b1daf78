// f16 on the WebGPU backend: the smooth conformance cases with inputs and activations in f16, against the float64 reference.
import { softwareVulkan } from '@jora-tooling/software-gpu'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { findAdapter, openWebGpuDevice } from '../../src/backend-webgpu/index'
import { setDefaultDevice } from '../../src/index'
import type { Device } from '../../src/index'
import { checkHalf, halfCases } from './half'

await softwareVulkan()
const hasHalf = (await findAdapter())?.profile.f16 === true

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

  for (const c of halfCases) test(`${c.name}: value and gradients`, () => checkHalf(c))
})
