// Random programs on random shardings give what they give on one device; so do their gradients.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { checkpoint, grad, jit, tensor, type HostArray, type Tensor } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { printGraph, type Device } from '@jora/tensor/graph'
import { devicePut } from '../src/device/device-put'
import { Mesh } from '../src/mesh/mesh'
import { MeshDevice } from '../src/device/mesh-device'
import { difference, openWatched } from './on-mesh'
import { randomProgram, type Argument, type RandomProgram } from './random-programs'
import { lossOf, replay } from './replay'

/** Which seeds to run, `from-to`, for searches longer than the suite's. */
const [from, to] = (process.env['JORA_TEST_SEEDS'] ?? '0-200').split('-').map(Number) as [number, number]

const meshes = [
  new Mesh(['data', 'model'], [1, 2]),
  new Mesh(['data', 'model'], [2, 2]),
  new Mesh(['data', 'model'], [1, 4]),
  new Mesh(['data', 'model'], [4, 1]),
  new Mesh(['data', 'model'], [2, 1]),
]

let one: Device
let devices: Device[]
beforeAll(async () => {
  one = await openCpuDevice({ threads: 1 })
  devices = await Promise.all(Array.from({ length: 4 }, () => openWatched()))
})
afterAll(() => Promise.all([one, ...devices].map((device) => device.close())))

/** What is made of the program's inputs: its results, or the gradient of a sum of them. */
type Derive = (program: RandomProgram) => (...args: Tensor[]) => Tensor[]

const results: Derive =
  ({ graph }) =>
  (...args) =>
    replay(graph, args)

const gradients: Derive =
  ({ graph, arguments: all }) =>
  (...args) => {
    const isFloat = (_: unknown, i: number) => all[i]!.dtype === 'f32'
    const loss = (floats: Tensor[]) => {
      let next = 0
      return lossOf(
        replay(
          graph,
          args.map((x, i) => (isFloat(x, i) ? floats[next++]! : x)),
        ),
      )
    }
    // Half of them compute everything again in the backward pass.
    return grad(graph.nodes.length % 2 === 0 ? checkpoint(loss) : loss)(args.filter(isFloat))
  }

async function evaluate(
  program: RandomProgram,
  { derive, donate, put }: { derive: Derive; donate: boolean; put: (argument: Argument) => Tensor },
): Promise<HostArray[]> {
  const constants = program.arguments.map((a) => (a.constant ? put(a) : undefined))
  const changing = () => program.arguments.filter((a) => !a.constant).map(put)
  const fn = derive(program)
  const traced = (inputs: Tensor[]) => {
    let next = 0
    return fn(...constants.map((x) => x ?? inputs[next++]!))
  }
  // Twice: what a first run leaves behind must not matter to the second, whether it may consume its inputs or not.
  const compiled = jit(traced, donate ? { donate: [0] } : {})
  const inputs = changing()
  const outputs = [...compiled(inputs), ...compiled(donate ? changing() : inputs)]
  const values = await Promise.all(outputs.map((x) => x.data()))
  compiled.dispose()
  for (const x of [...constants, ...inputs, ...outputs]) x?.dispose()
  return values
}

async function check(seed: number, derive: Derive): Promise<string | undefined> {
  const mesh = meshes[seed % meshes.length]!
  const program = randomProgram(seed, mesh)
  const shown = () =>
    [
      `seed ${seed} on mesh ${mesh}, inputs ${program.arguments.map((a) => `${a.spec}${a.constant ? ' constant' : ''}`).join(' ')}`,
      printGraph(program.graph),
    ].join('\n')
  try {
    const expected = await evaluate(program, {
      derive,
      donate: false,
      put: (a) => tensor(a.data, { shape: a.shape, dtype: a.dtype, device: one }),
    })
    const device = new MeshDevice(mesh, { devices: devices.slice(0, mesh.size) })
    const actual = await evaluate(program, {
      derive,
      donate: seed % 3 === 0,
      put: (a) => devicePut(a.data, device, a.spec, a),
    })
    const wrong = expected.flatMap((values, i) => {
      const said = difference(values, actual[i]!)
      return said ? [`output ${i}: ${said}`] : []
    })
    return wrong.length > 0 ? `${wrong.join('\n')}\n${shown()}` : undefined
  } catch (error) {
    return `${(error as Error).stack}\n${shown()}`
  }
}

const seeds = Array.from({ length: to - from }, (_, i) => from + i)

async function checkAll(derive: Derive): Promise<void> {
  const failures: string[] = []
  for (const seed of seeds) {
    const failure = await check(seed, derive)
    if (failure) failures.push(failure)
    if (failures.length >= 8) break
  }
  expect(failures.join('\n\n')).toBe('')
}

test(`${seeds.length} programs`, () => checkAll(results), 3_600_000)
test(`the gradients of ${seeds.length} programs`, () => checkAll(gradients), 3_600_000)
