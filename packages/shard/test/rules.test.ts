// Every op's partition rule, for each way that one of its inputs can be placed on two devices.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DType, HostArray, Shape } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { applyAll, isCollective, Trace, withTrace, type Device, type OpName } from '@jora/tensor/graph'
import { Mesh } from '../src/mesh/mesh'
import type { MeshDevice } from '../src/device/mesh-device'
import { partition } from '../src/partition/partition'
import { placementOf, replicated } from '../src/mesh/placement'
import { partitionRules } from '../src/rules'
import { PartitionSpec } from '../src/mesh/sharding'
import { both, difference, openMesh, type Placed } from './on-mesh'
import { cases, positive, type Case, type Input } from './rule-cases'

const axis = 'devices'
const mesh = new Mesh([axis], [2])
let one: Device
let two: MeshDevice
beforeAll(async () => {
  one = await openCpuDevice({ threads: 1 })
  two = await openMesh([axis], [2])
})
afterAll(() => Promise.all([one.close(), two.close()]))

const hostData = (dtype: DType, shape: Shape, seed: number, data?: readonly number[]): HostArray => {
  if (dtype === 'i32') return Int32Array.from(data!)
  if (dtype === 'u32') return Uint32Array.from(data!)
  if (dtype === 'u8' || dtype === 'bool') return Uint8Array.from(data!)
  if (data) return Float32Array.from(data)
  return positive(shape, seed)
}

/** The ways input `i` can be placed, as the letters of its case speak of them. */
function placements([shape, expected, dtype = 'f32']: Input): { spec: PartitionSpec; letter: string; name: string }[] {
  const dims = shape.map((_, dim) => ({
    spec: new PartitionSpec(shape.map((_d, i) => (i === dim ? axis : null))),
    name: `split on ${dim}`,
  }))
  const terms = { spec: new PartitionSpec([], { unreduced: [axis] }), name: 'terms of a sum' }
  const all = dtype === 'f32' ? [...dims, terms] : dims
  expect(expected, `one letter for each of ${all.map((p) => p.name).join(', ')}`).toHaveLength(all.length)
  return all.map((p, i) => ({ ...p, letter: expected[i]! })).filter(({ letter }) => letter !== '-')
}

/** What becomes of the first output of `op`, in the letters of the cases. */
function outcome<K extends OpName>(op: K, { params, inputs }: Case<K>, specs: readonly PartitionSpec[]): string {
  const trace = new Trace()
  const outputs = withTrace(trace, () =>
    applyAll(
      op,
      inputs.map(([shape, , dtype = 'f32']) => trace.addInput({ shape, dtype })),
      params,
    ),
  )
  const given = { inputs: specs.map((spec) => placementOf(mesh, spec)), constants: [] }
  const { graph, outputs: lie } = partition(trace.finish(outputs.slice(0, 1)), mesh, given, 0)
  if (graph.nodes.some((node) => isCollective(node.op))) return 'c'
  const [state] = lie[0]!
  return typeof state === 'number' ? 'k' : state === 'unreduced' ? 's' : 'w'
}

async function checkCase<K extends OpName>(op: K, tried: Case<K>): Promise<void> {
  const { inputs, params } = tried
  const arrays = inputs.map(([shape, , dtype = 'f32', data], i): Placed => ({
    shape,
    dtype,
    data: hostData(dtype, shape, i + 1, data),
  }))
  const compare = async (args: readonly Placed[], said: string) => {
    const { expected, actual } = await both((...given) => applyAll(op, given.slice(0, inputs.length), params), args, {
      one,
      mesh: two,
    })
    expected.forEach((values, i) =>
      expect.soft(difference(values, actual[i]!), `${op}: output ${i}, ${said}`).toBeUndefined(),
    )
  }
  // An array that is not read says which device an op without inputs is for.
  if (inputs.length === 0) await compare([{ shape: [1], data: Float32Array.of(0) }], 'from nothing')
  for (const [i, input] of inputs.entries())
    for (const { spec, letter, name } of placements(input)) {
      const specs = inputs.map((_, j) => (i === j ? spec : new PartitionSpec()))
      expect.soft(outcome(op, tried, specs), `${op}: input ${i} ${name}`).toBe(letter)
      await compare(
        arrays.map((array, j) => ({ ...array, spec: specs[j]! })),
        `input ${i} ${name}`,
      )
    }
}

describe('each op', () => {
  test.each(Object.keys(cases) as (keyof typeof cases)[])('%s', async (op) => {
    for (const tried of cases[op] as readonly Case<typeof op>[]) await checkCase(op, tried)
  })

  test('and no other', () => {
    const ops = Object.entries(partitionRules).flatMap(([op, rule]) => (rule === 'collective' ? [] : [op]))
    expect(Object.keys(cases).sort()).toEqual(ops.sort())
    expect(placementOf(mesh, new PartitionSpec())).toEqual(replicated(mesh))
  })
})
