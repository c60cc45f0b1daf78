// Runs a function on one CPU device and on a mesh of them, for tests that compare the two.
import { jit, tensor, treeLeaves, type HostArray, type Shape, type Tensor, type Tree } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import type { Device } from '@jora/tensor/graph'
import { devicePut } from '../src/device-put'
import { Mesh } from '../src/mesh'
import { MeshDevice } from '../src/mesh-device'
import { P, type PartitionSpec } from '../src/sharding'

export const openMesh = async (axes: readonly string[], sizes: readonly number[]): Promise<MeshDevice> => {
  const mesh = new Mesh(axes, sizes)
  const devices: Device[] = []
  for (let i = 0; i < mesh.size; i++) devices.push(await openCpuDevice({ threads: 1 }))
  return new MeshDevice(mesh, { devices })
}

/** An array for both devices, and how it lies on the mesh. */
export interface Placed {
  readonly data: HostArray
  readonly shape: Shape
  readonly spec?: PartitionSpec
  readonly dtype?: 'f32' | 'i32' | 'u32' | 'bool'
}

/** Deterministic numbers around 0. */
export function numbers(count: number, seed = 1): Float32Array {
  let x = seed * 2654435761
  return Float32Array.from({ length: count }, () => {
    x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d) + 0x9e3779b9
    return ((x >>> 8) / 2 ** 24 - 0.5) * 2
  })
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
