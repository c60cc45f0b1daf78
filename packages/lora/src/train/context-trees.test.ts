// Context trees are exact: losses and gradients of the branches of a tree are those of separate samples, on every backend.
import { softwareVulkan } from '@jora-tooling/software-gpu'
import {
  collate,
  planSteps,
  separateSamples,
  treeSamples,
  type Batch,
  type BatchRow,
  type Branch,
  type Sample,
  type Tree,
} from '@jora/data'
import { parseConfig, tokenLosses, type Decoder } from '@jora/llama'
import { Mesh, MeshDevice } from '@jora/shard'
import { disposeTree, jit, setDefaultDevice, sum, tensor, valueAndGrad, type Device, type Tensor } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { findAdapter, openWebGpuDevice } from '@jora/tensor/webgpu'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { noise, tinyConfig, tinyWeights } from '../../../llama/test/tiny-model'
import { lossInputs, uploadBatch, type DeviceBatch } from './device-batch'
import {
  defaultTrainConfig,
  Evaluator,
  initAdapter,
  initState,
  loraLinear,
  runTraining,
  type Adapter,
  type LoraConfig,
  type StepEvent,
  type TrainConfig,
  type TrainInputs,
  lowRankOf,
} from '../index'

await softwareVulkan()
const hasGpu = (await findAdapter()) !== undefined

const lora: LoraConfig = {
  r: 2,
  alpha: 4,
  dropout: 0,
  targetModules: ['q_proj', 'v_proj', 'down_proj'],
  useRslora: false,
}
const modelConfig = parseConfig(tinyConfig)

/** Seeded integers below a limit. */
function dice(seed: number): (limit: number) => number {
  let at = 0
  return (limit) => Math.floor(((noise(`dice ${seed} ${at++}`, 1)[0]! + 1) / 2) * limit) % limit
}

/** A tree of at most 128 tokens with up to eight branches; some see only the beginning of the context, or begin with an answer. */
function randomTree(seed: number): Tree {
  const below = dice(seed)
  const draw = (length: number) => Int32Array.from({ length }, () => 3 + below(40))
  const context = draw(below(48))
  const branches = Array.from({ length: 1 + below(8) }, (_, question): Branch => {
    const [asked, learned] = [below(5), 1 + below(4)]
    const ids = draw(asked + learned)
    return {
      ids,
      labels: ids.map((id, t) => (t < asked ? -100 : id)),
      contextLength: below(3) === 0 ? below(context.length + 1) : context.length,
      question,
    }
  })
  // A branch of one token without a context has nothing to learn.
  const learning = branches.filter(
    ({ ids, labels, contextLength }) => contextLength > 0 || labels.some((l, t) => t > 0 && l === ids[t]),
  )
  return learning.length > 0 ? { context, branches: learning, row: seed } : randomTree(seed + 1000)
}

const openCpus = async (sizes: readonly [data: number, model: number]): Promise<Device> => {
  const devices = [await openCpuDevice({ threads: 1 }), await openCpuDevice({ threads: 1 })]
  return new MeshDevice(new Mesh(['data', 'model'], sizes), { devices })
}
const open: Record<string, () => Promise<Device>> = {
  cpu: () => openCpuDevice({ threads: 1 }),
  'two CPU devices, data=2': () => openCpus([2, 1]),
  'two CPU devices, model=2': () => openCpus([1, 2]),
  ...(hasGpu ? { webgpu: () => openWebGpuDevice() } : {}),
}

describe.each(Object.keys(open))(`%s${hasGpu ? '' : ' (WebGPU needs an adapter)'}`, (name) => {
  let device: Device
  let model: Decoder
  let adapter: Adapter
  beforeAll(async () => {
    device = await open[name]!()
    setDefaultDevice(device)
    const weights = tinyWeights().map(
      ({ name: key, shape, data }) => [key, tensor(data, { shape, label: key })] as const,
    )
    model = { config: modelConfig, weights: Object.fromEntries(weights) }
    // B of a fresh adapter is zero, and so were the gradient of A.
    adapter = Object.fromEntries(
      Object.entries(initAdapter(modelConfig, lora, 1)).map(([module, { loraA, loraB }]) => [
        module,
        { loraA, loraB: tensor(noise(module, loraB.size), { shape: loraB.shape }) },
      ]),
    )
  })
  afterAll(async () => {
    setDefaultDevice(undefined)
    await device.close()
  })

  const groups = name.includes('data=2') ? 2 : 1
  /** One shape for all trees, and one for all lists of their branches. */
  const shaped = (
    samples: readonly Sample[],
    rows: readonly BatchRow[],
    lengthMultiple: number,
    batchSize: number,
  ): Batch => collate(samples, rows, { padId: 0, lengthMultiple, labelMultiple: 64, batchSize, groups })

  /** Losses of the label slots by tree, row and question, and the gradients of the adapter. */
  function gradientsOf(of: Decoder = model) {
    const linear = (a: Adapter) => ({ ...of, linear: loraLinear(a, lora) })
    const step = jit((a: Adapter, batch: DeviceBatch) =>
      valueAndGrad((x: Adapter) => sum(tokenLosses(linear(x), ...lossInputs(batch))))(a),
    )
    return async (batch: Batch) => {
      const inputs = uploadBatch(batch, device)
      const [loss, grads] = step(adapter, inputs)
      const tensors = Object.values(lowRankOf(grads as Adapter)).flatMap(({ loraA, loraB }) => [loraA, loraB])
      const result = {
        loss: await loss.item(),
        grads: await Promise.all(tensors.map((t: Tensor) => t.data() as Promise<Float32Array>)),
      }
      disposeTree([loss, grads, inputs])
      return result
    }
  }

  /** Holds the gradients of trees against those of their samples. */
  async function compareTrees(of: Decoder, count: number): Promise<void> {
    const [together, apart] = [gradientsOf(of), gradientsOf(of)]
    let shared = 0
    for (let seed = 0; seed < count; seed++) {
      const tree = randomTree(seed)
      const [packed, separate] = [treeSamples(tree, 1000), separateSamples(tree)]
      expect(packed).toHaveLength(1)
      shared += separate.reduce((n, { ids }) => n + ids.length, 0) - packed[0]!.ids.length
      const a = await together(shaped(packed, [[0]], 128, 2))
      const b = await apart(shaped(separate, [...separate.keys()], 64, 8))
      expect(Math.abs(a.loss / b.loss - 1), `loss of tree ${seed}`).toBeLessThan(1e-5)
      a.grads.forEach((x, i) => {
        const largest = b.grads[i]!.reduce((m, v) => Math.max(m, Math.abs(v)), 0)
        const worst = x.reduce((m, v, at) => Math.max(m, Math.abs(v - b.grads[i]![at]!)), 0)
        expect(worst, `gradient ${i} of tree ${seed}`).toBeLessThanOrEqual(1e-5 * largest + 1e-12)
      })
    }
    expect(shared).toBeGreaterThan(20 * count)
  }

  test('gradients of 50 random trees are those of their samples', () => compareTrees(model, 50), 300_000)

  // A window counts positions, and a branch is farther from its context in the row than by position.
  test('so they are where layers have windows', () => {
    const windows = modelConfig.windows.map((_, layer) => (layer === 1 ? undefined : 9))
    return compareTrees({ ...model, config: { ...modelConfig, windows } }, 8)
  })

  test('several trees in a row, and rows of a batch, do not see each other', async () => {
    const samples = [3, 5, 8, 13, 21].flatMap((seed) => treeSamples(randomTree(seed), 1000))
    const run = gradientsOf()
    const alone: number[] = []
    for (const index of samples.keys()) alone.push((await run(shaped(samples, [[index]], 128, 2))).loss)
    const { loss } = await run(
      shaped(
        samples,
        [
          [0, 1, 2],
          [3, 4],
        ],
        256,
        2,
      ),
    )
    expect(loss / alone.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5)
  })

  test('changing one branch changes no other branch’s loss', async () => {
    const tree = randomTree(7)
    const others = tree.branches.filter((_, i) => i !== 1)
    const changed = {
      ...tree,
      branches: tree.branches.map((b, i) => (i === 1 ? { ...b, ids: b.ids.map((id) => 3 + ((id + 11) % 40)) } : b)),
    }
    const losses = jit((batch: DeviceBatch) =>
      tokenLosses({ ...model, linear: loraLinear(adapter, lora) }, ...lossInputs(batch)),
    )
    const read = async (t: Tree) => {
      const batch = shaped(treeSamples(t, 1000), [[0]], 128, 2)
      const inputs = uploadBatch(batch, device)
      const values = (await losses(inputs).data()) as Float32Array
      disposeTree(inputs)
      // Slots are in the order of branches; those of branch 1 are cut out.
      const counts = t.branches.map(({ labels }) => labels.filter((l) => l >= 0).length)
      const [first, second] = [counts[0]!, counts[0]! + counts[1]!]
      const used = counts.reduce((a, b) => a + b, 0)
      return {
        others: [...values.slice(0, first), ...values.slice(second, used)],
        own: Array.from(values.slice(first, second)),
      }
    }
    const [before, after] = [await read(tree), await read(changed)]
    expect(others.length).toBeGreaterThan(1)
    expect(after.others).toEqual(before.others)
    expect(after.own).not.toEqual(before.own)
  })

  test('evaluation of trees is that of their samples', async () => {
    const trees = [2, 4, 6].map(randomTree)
    const evaluator = new Evaluator(model, lora, device)
    const [packed, separate] = [trees.flatMap((t) => treeSamples(t, 90)), trees.flatMap(separateSamples)]
    const options = { batchSize: 4, padId: 0, groups }
    const [a, b] = [await evaluator.run(packed, adapter, options), await evaluator.run(separate, adapter, options)]
    evaluator.dispose()
    expect([a.samples, a.targetTokens]).toEqual([b.samples, b.targetTokens])
    expect(a.loss).toBeCloseTo(b.loss, 5)
  })
})

describe('training on trees', () => {
  let device: Device
  let model: Decoder
  beforeAll(async () => {
    device = await openCpuDevice({ threads: 1 })
    setDefaultDevice(device)
    const weights = tinyWeights().map(({ name, shape, data }) => [name, tensor(data, { shape, label: name })] as const)
    model = { config: modelConfig, weights: Object.fromEntries(weights) }
  })
  afterAll(async () => {
    setDefaultDevice(undefined)
    await device.close()
  })

  const trees = Array.from({ length: 12 }, (_, i) => randomTree(i + 60))
  const config: TrainConfig = {
    ...defaultTrainConfig,
    lora,
    learningRate: 0.01,
    epochs: 2,
    batchSize: 1000,
    gradientAccumulationSteps: 1,
    seed: 5,
  }
  async function losses(
    train: readonly Sample[],
    change: Partial<TrainConfig> = {},
    rowTokens?: number,
    resume?: TrainInputs['resume'],
  ): Promise<StepEvent[]> {
    const steps: StepEvent[] = []
    const run = { model, config: { ...config, ...change }, train, heldOut: [], padId: 0, device, rowTokens, resume }
    for await (const event of runTraining(run)) if (event.type === 'step') steps.push(event)
    return steps
  }

  test('a step on trees is the step on their samples, in one row, in many, in many micro-steps', async () => {
    const packed = trees.flatMap((tree) => treeSamples(tree, 128))
    const separate = await losses(trees.flatMap(separateSamples))
    const outcomes = [
      await losses(packed, {}, 2000),
      await losses(packed, {}, 128),
      // A row a micro-step: the mean is that over all labelled tokens of the step.
      await losses(packed, { batchSize: 1, gradientAccumulationSteps: 1000 }, 128),
    ]
    for (const steps of outcomes) {
      expect(steps.map(({ samples }) => samples)).toEqual(separate.map(({ samples }) => samples))
      expect(steps.map(({ targetTokens }) => targetTokens)).toEqual(separate.map(({ targetTokens }) => targetTokens))
      steps.forEach(({ loss, gradNorm }, i) => {
        expect(loss).toBeCloseTo(separate[i]!.loss, 5)
        expect(gradNorm / separate[i]!.gradNorm).toBeCloseTo(1, 4)
      })
    }
    expect(outcomes[0]![0]!.tokens).toBeLessThan(0.6 * separate[0]!.tokens)
  })

  test('a run goes on in the middle of an epoch with the very trees that were next', async () => {
    const packed = trees.flatMap((tree) => treeSamples(tree, 128))
    const change = { batchSize: 8 }
    const facts = ({ step, epoch, samples, tokens, targetTokens }: StepEvent) => [
      step,
      epoch,
      samples,
      tokens,
      targetTokens,
    ]
    const whole = (await losses(packed, change, 200)).map(facts)
    const perEpoch = whole.findIndex(([, epoch]) => epoch === 1) + 1
    expect(perEpoch).toBeGreaterThan(3)
    for (const done of [2, perEpoch + 1]) {
      const progress = { step: done, epoch: Math.floor(done / perEpoch), epochStep: done % perEpoch, seconds: 0 }
      const resume = { state: initState(initAdapter(modelConfig, lora, 1)), progress }
      expect((await losses(packed, change, 200, resume)).map(facts)).toEqual(whole.slice(done))
    }
  })

  test('steps have about as many samples as they would have without trees', () => {
    const packed = trees.flatMap((tree) => treeSamples(tree, 128))
    const plan = planSteps(packed, {
      batchSize: 2,
      gradientAccumulationSteps: 4,
      epoch: 0,
      seed: 1,
      shuffle: true,
      rowTokens: 200,
    })
    const counts = plan.map((micro) => micro.flat(2).reduce((n, index) => n + packed[index]!.branches!.length, 0))
    for (const count of counts.slice(0, -1)) {
      expect(count).toBeGreaterThanOrEqual(8)
      expect(count).toBeLessThan(16)
    }
    expect(plan.flat(3).sort((a, b) => a - b)).toEqual([...packed.keys()])
    for (const rows of plan.flat()) {
      expect(rows.length).toBeLessThanOrEqual(2)
      for (const row of rows)
        expect([row].flat().reduce((n, index) => n + packed[index]!.ids.length, 0)).toBeLessThanOrEqual(200)
    }
  })
})
