// The contract of lifetimes on the devices of this package. A mesh runs it in packages/shard.
import { softwareVulkan } from '@jora-tooling/software-gpu'
import { expect, test } from 'vitest'
import { openCpuDevice } from '../../src/backend-onnx/index'
import { findAdapter, openWebGpuDevice, type WebGpuDevice } from '../../src/backend-webgpu/index'
import { tensor } from '../../src/index'
import { lifetimeSuite, lossSuite } from './lifetime'

await softwareVulkan()
const hasGpu = (await findAdapter()) !== undefined
const needs = hasGpu ? '' : ' (needs a WebGPU adapter)'

lifetimeSuite({ name: 'onnx', open: () => openCpuDevice({ threads: 1 }) })
const webgpu = { name: `webgpu${needs}`, open: () => openWebGpuDevice(), missing: !hasGpu }
lifetimeSuite(webgpu)
lossSuite({ ...webgpu, lose: (device) => (device as WebGpuDevice).gpu.destroy() })

test.skipIf(!hasGpu)(`a driver that never answers once its device is lost leaves no read pending${needs}`, async () => {
  const device = await openWebGpuDevice()
  const x = tensor([1, 2, 3], { device })
  const createBuffer = device.gpu.createBuffer.bind(device.gpu)
  device.gpu.createBuffer = (descriptor) => {
    const buffer = createBuffer(descriptor)
    return Object.defineProperty(buffer, 'mapAsync', { value: () => new Promise(() => {}) })
  }
  const pending = [x.data(), device.readInto(x.buffer, new Uint8Array(12))]
  device.gpu.destroy()
  for (const outcome of await Promise.allSettled(pending))
    expect(outcome.status === 'rejected' && String(outcome.reason)).toMatch(/was lost/)
  await device.close()
})

test.skipIf(!hasGpu)(`a read for which there is no memory rejects, and the device goes on${needs}`, async () => {
  const device = await openWebGpuDevice({ memoryBytes: 3 * 2 ** 20 })
  const [large, small] = [tensor(new Float32Array(2 ** 19), { device }), tensor([1, 2], { device })]
  await expect(large.data()).rejects.toThrow('a read takes')
  expect([...(await small.data())]).toEqual([1, 2])
  large.dispose()
  await device.close()
})
