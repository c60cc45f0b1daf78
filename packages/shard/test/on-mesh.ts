// Runs a function on one CPU device and on a mesh of them, for tests that compare the two.
import { jit, tensor, treeLeaves, type HostArray, type Shape, type Tensor, type Tree } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { showAval, type Device, type DeviceBuffer } from '@jora/tensor/graph'
import { devicePut } from '../src/device/device-put'
import { Mesh } from '../src/mesh/mesh'
import { MeshDevice } from '../src/device/mesh-device'
import { P, type PartitionSpec } from '../src/mesh/sharding'

export const openMesh = async (axes: readonly string[], sizes: readonly number[]): Promise<MeshDevice> => {
  const mesh = new Mesh(axes, sizes)
  const devices: Device[] = []
  for (let i = 0; i < mesh.size; i++) devices.push(await openWatched())
  return new MeshDevice(mesh, { devices })
}

/**
 * A CPU device that is held to what devices may do: `live` has the buffers it handed out and was not given back, and one that
 * was given up with a run, or given back, is not used again.
 */
export async function openWatched(live = new Set<DeviceBuffer>()): Promise<Device> {
  const device = await openCpuDevice({ threads: 1 })
  const { upload, compile, read, readInto, put, collect, release } = device
  const consumed = new WeakSet<DeviceBuffer>()
  const kept = (buffer: DeviceBuffer): DeviceBuffer => {
    live.add(buffer)
    return buffer
  }
  const usable = (buffer: DeviceBuffer): DeviceBuffer => {
    if (live.has(buffer) && !consumed.has(buffer)) return buffer
    throw new Error(`a ${showAval(buffer.aval)} is used after it was given up`)
  }
  device.upload = (...args) => kept(upload.apply(device, args))
  device.compile = (graph, options) => {
    const executable = compile.call(device, graph, options)
    const run = (inputs: readonly DeviceBuffer[]) => {
      inputs.forEach(usable)
      for (const i of options?.donated ?? []) consumed.add(inputs[i]!)
      const stillRead = inputs.find((buffer, i) => !options?.donated?.includes(i) && consumed.has(buffer))
      if (stillRead) throw new Error(`a ${showAval(stillRead.aval)} is both given up and read`)
      return executable.run(inputs).map(kept)
    }
    return { ...executable, run }
  }
  device.read = (buffer) => read.call(device, usable(buffer))
  device.readInto = (buffer, target) => readInto.call(device, usable(buffer), target)
  device.put = (buffer, ...rest) => put!.call(device, usable(buffer), ...rest)
  device.collect = (...args) => kept(collect!.apply(device, args))
  device.release = (buffer) => {
    if (!live.delete(buffer)) throw new Error(`a ${showAval(buffer.aval)} is given back twice`)
    release.call(device, buffer)
  }
  return device
}

/** An array for both devices, and how it is placed on the mesh. */
export interface Placed {
  readonly data: HostArray
  readonly shape: Shape
  readonly spec?: PartitionSpec
  readonly dtype?: 'f32' | 'i32' | 'u32' | 'u8' | 'bool'
}

/** What `fn` returns on `one` and on `mesh`, leaf by leaf. */
export async function both(
  fn: (...args: Tensor[]) => Tree,
  args: readonly Placed[],
  { one, mesh }: { one: Device; mesh: MeshDevice },
): Promise<{ expected: HostArray[]; actual: HostArray[] }> {
  const run = async (inputs: Tensor[]) => {
    const compiled = jit(fn)
    const outputs = treeLeaves(compiled(...inputs))
    const values: HostArray[] = []
    for (const output of outputs) values.push(await output.data())
    compiled.dispose()
    for (const t of [...outputs, ...inputs]) t.dispose()
    return values
  }
  const dtypeOf = (a: Placed) => a.dtype ?? 'f32'
  const expected = await run(args.map((a) => tensor(a.data, { shape: a.shape, dtype: dtypeOf(a), device: one })))
  const actual = await run(
    args.map((a) => devicePut(a.data, mesh, a.spec ?? P(), { shape: a.shape, dtype: dtypeOf(a) })),
  )
  return { expected, actual }
}

/** Where `actual` is not `expected`. Rounding differs with the order of sums, in proportion to the largest of what is summed. */
export function difference(expected: HostArray, actual: HostArray): string | undefined {
  if (expected.length !== actual.length) return `${actual.length} elements, expected ${expected.length}`
  let magnitude = 0
  for (const x of expected) magnitude = Math.max(magnitude, Math.abs(Number(x)))
  const allowed = expected instanceof Float32Array ? 2e-5 * (0.05 + magnitude) : 0
  const wrong = [...expected].findIndex((x, i) => !(Math.abs(Number(x) - Number(actual[i])) <= allowed))
  return wrong < 0 ? undefined : `element ${wrong} of ${expected.length}: ${actual[wrong]}, expected ${expected[wrong]}`
}
