// Runs one small shader on the device tests get, and prints which that is: `node tooling/software-gpu/probe.mjs`.
import { existsSync, readFileSync } from 'node:fs'
import { create, globals } from 'webgpu'
import { softwareVulkan } from './index.mjs'

Object.assign(globalThis, globals)
const software = await softwareVulkan()
const gpu = create([])
const adapter = await gpu.requestAdapter()
if (!adapter) throw new Error('no WebGPU adapter')
const device = await adapter.requestDevice()

const numbers = Float32Array.of(1, 2, 3, 4)
const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage
const values = device.createBuffer({ size: numbers.byteLength, usage: STORAGE | COPY_SRC | COPY_DST })
const result = device.createBuffer({ size: numbers.byteLength, usage: MAP_READ | COPY_DST })
device.queue.writeBuffer(values, 0, numbers)

const code = `
  @group(0) @binding(0) var<storage, read_write> values: array<f32>;
  @compute @workgroup_size(4) fn main(@builtin(global_invocation_id) id: vec3u) {
    values[id.x] = 2.0 * values[id.x] + 1.0;
  }`
const pipeline = await device.createComputePipelineAsync({
  layout: 'auto',
  compute: { module: device.createShaderModule({ code }) },
})
const encoder = device.createCommandEncoder()
const pass = encoder.beginComputePass()
pass.setPipeline(pipeline)
pass.setBindGroup(
  0,
  device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer: values } }],
  }),
)
pass.dispatchWorkgroups(1)
pass.end()
encoder.copyBufferToBuffer(values, 0, result, 0, numbers.byteLength)
device.queue.submit([encoder.finish()])
await result.mapAsync(GPUMapMode.READ)

const maps = existsSync('/proc/self/maps') ? readFileSync('/proc/self/maps', 'utf8') : ''
const report = {
  software,
  adapter: adapter.info.description,
  f16: adapter.features.has('shader-f16'),
  loader: /\S*\/libvulkan\.so\S*/.exec(maps)?.[0],
  values: [...new Float32Array(result.getMappedRange())],
}
console.log(JSON.stringify(report, null, 2))
device.destroy()
