// A mesh keeps to the contract of lifetimes that single devices keep to.
import { softwareVulkan } from '@jora-tooling/software-gpu'
import { openCpuDevice } from '@jora/tensor/onnx'
import { findAdapter, openWebGpuDevice, type WebGpuDevice } from '@jora/tensor/webgpu'
import { lifetimeSuite, lossSuite } from '../../tensor/test/backend/lifetime'
import { expect, test } from 'vitest'
import { jit, sum, type Tensor } from '@jora/tensor'
import { devicePut, P } from '../src/index'
import { MeshDevice } from '../src/device/mesh-device'
import { Mesh } from '../src/mesh/mesh'

await softwareVulkan()
const hasGpu = (await findAdapter()) !== undefined

const mesh = () => new Mesh(['data', 'model'], [1, 2])

lifetimeSuite({
  name: 'a mesh of CPU devices',
  open: async () => {
    const devices = [await openCpuDevice({ threads: 1 }), await openCpuDevice({ threads: 1 })]
    return new MeshDevice(mesh(), { devices })
  },
})

const needs = hasGpu ? '' : ' (needs a WebGPU adapter)'
let members: WebGpuDevice[] = []
const openGpus = async () => {
  members = [await openWebGpuDevice(), await openWebGpuDevice()]
  return new MeshDevice(mesh(), { devices: members })
}

lossSuite({
  name: `the first GPU of a mesh${needs}`,
  open: openGpus,
  lose: () => members[0]!.gpu.destroy(),
  missing: !hasGpu,
})

test.skipIf(!hasGpu)(`when another GPU of a mesh is lost, what needs it rejects${needs}`, async () => {
  const device = await openGpus()
  // One half on each, and a sum of both.
  const x = devicePut(new Float32Array(8).fill(3), device, P('model'), { shape: [8], dtype: 'f32' })
  const total = jit((t: Tensor) => sum(t))
  expect(await total(x).item()).toBe(24)
  const pending = [total(x).item(), x.data()]
  members[1]!.gpu.destroy()
  for (const outcome of await Promise.allSettled(pending))
    if (outcome.status === 'rejected') expect(String(outcome.reason)).toMatch(/lost/)
  await expect(x.data()).rejects.toThrow(/lost/)
  await expect(total(x).item()).rejects.toThrow(/lost/)
  await expect(device.synchronize()).rejects.toThrow(/lost/)
  await device.close()
})
