// The contract of lifetimes on the devices of this package. A mesh runs it in packages/shard.
import { softwareVulkan } from '@jora-tooling/software-gpu'
import { openCpuDevice } from '../../src/backend-onnx/index'
import { findAdapter, openWebGpuDevice, type WebGpuDevice } from '../../src/backend-webgpu/index'
import { lifetimeSuite } from './lifetime'

await softwareVulkan()
const hasGpu = (await findAdapter()) !== undefined

lifetimeSuite({ name: 'onnx', open: () => openCpuDevice({ threads: 1 }) })
lifetimeSuite({
  name: `webgpu${hasGpu ? '' : ' (needs a WebGPU adapter)'}`,
  open: () => openWebGpuDevice(),
  lose: (device) => (device as WebGpuDevice).gpu.destroy(),
  missing: !hasGpu,
})
