// A run compiles few programs, however its rows differ: on one device and on a mesh, for samples and for context trees.
import { MeshDevice, parseMesh } from '@jora/shard'
import { openCpuDevice } from '@jora/tensor/onnx'
import { setDefaultDevice, tensor, type Device } from '@jora/tensor'
import { treeOfTwo, type PreferenceSample } from '@jora/data'
import { expect, test } from 'vitest'
import { tinyWeights } from '../../../../llama/test/tiny-model'
import type { TrainEvent } from '../../index'
import { config, device, draw, inputs, mixed, model, run, stepsOf, setUp, trees } from '../trainer-harness'

setUp()

const programsOf = (events: readonly TrainEvent[]) => events.flatMap((e) => (e.type === 'done' ? [e.programs] : []))

async function onMesh<T>(use: (device: Device, own: typeof model) => Promise<T>): Promise<T> {
  const devices = [await openCpuDevice({ threads: 1 }), await openCpuDevice({ threads: 1 })]
  const mesh = new MeshDevice(parseMesh('data=2,model=1'), { devices })
  setDefaultDevice(mesh)
  try {
    const weights = tinyWeights().map(({ name, shape, data }) => [name, tensor(data, { shape, label: name })] as const)
    return await use(mesh, { ...model, weights: Object.fromEntries(weights) })
  } finally {
    setDefaultDevice(device)
    await mesh.close()
  }
}

test.each([
  ['samples', mixed],
  ['trees', trees],
])(
  '%s of many lengths: at most three programs, the evaluations among them, and the same losses on a mesh',
  async (name, train) => {
    const given = inputs({ train, heldOut: train.slice(0, 5), rowTokens: name === 'trees' ? 128 : undefined })
    const alone = await run({ ...given, config: { ...config, epochs: 2 } })
    const lengths = new Set(train.map(({ ids }) => ids.length))
    expect(lengths.size).toBeGreaterThan(5)
    expect(programsOf(alone.events)[0]).toBeLessThanOrEqual(3)
    expect(programsOf(alone.events)[0]).toBeGreaterThan(0)
    const shared = await onMesh((mesh, own) =>
      run({ ...given, model: own, device: mesh, config: { ...config, epochs: 2 } }),
    )
    expect(programsOf(shared.events)[0]).toBeLessThanOrEqual(3)
    const [one, two] = [stepsOf(alone.events), stepsOf(shared.events)]
    expect(two.length).toBe(one.length)
    one.forEach(({ loss, targetTokens }, i) => {
      expect(two[i]!.loss).toBeCloseTo(loss, 4)
      expect(two[i]!.targetTokens).toBe(targetTokens)
    })
  },
)

/** Pairs of answers of many lengths to prompts of many lengths. */
const pairs: PreferenceSample[] = Array.from({ length: 24 }, (_, row) => {
  const prompt = draw(`prompt ${row}`, 4 + ((row * 29) % 60))
  const [first, second] = [3 + (row % 5), 4 + (row % 7)].map((length, answer) => {
    const ids = Int32Array.from([...prompt, ...draw(`answer ${row} ${answer}`, length)])
    return { ids, labels: ids.map((id, i) => (i < prompt.length ? -100 : id)), row }
  })
  return { ...treeOfTwo(first!, second!), row, sign: 1 }
})

test('preferences of many lengths: at most three programs, the evaluations among them', async () => {
  const given = inputs({ train: pairs.slice(11), heldOut: pairs.slice(0, 11), rowTokens: 128 })
  const { events } = await run({ ...given, config: { ...config, objective: 'dpo', epochs: 2, batchSize: 3 } })
  const [programs] = programsOf(events)
  expect(programs).toBeLessThanOrEqual(3)
  // That of a step, and that of an evaluation.
  expect(programs).toBeGreaterThan(1)
})

test('padding to few shapes costs less than a quarter more tokens', async () => {
  const { events } = await run(inputs({ train: mixed, config: { ...config, epochs: 1, batchSize: 1 } }))
  const computed = stepsOf(events).reduce((n, { tokens }) => n + tokens, 0)
  expect(computed).toBeLessThan(1.25 * mixed.reduce((n, { ids }) => n + Math.max(16, ids.length), 0))
})
