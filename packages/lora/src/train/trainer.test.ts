// The trainer: exact means, reproducible dropout, exact resumption, evaluation, and what the step's graph leaves out.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { collate, planSteps, type Batch, type Sample } from '@jora/data'
import { decode, logits, parseConfig, weightShapes, type Decoder } from '@jora/llama'
import { jit, setDefaultDevice, tensor, treeLeaves, type CompileGraph, type Device, type Tensor } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { noise, tinyConfig, tinyWeights } from '../../../llama/test/tiny-model'
import {
  countSteps,
  defaultTrainConfig,
  Evaluator,
  initAdapter,
  initState,
  listCheckpoints,
  loadCheckpoint,
  loraLinear,
  runTraining,
  saveCheckpoint,
  TrainingStep,
  type Adapter,
  type LoraConfig,
  type StepEvent,
  type TrainConfig,
  type TrainEvent,
  type TrainInputs,
  type TrainResult,
} from '../index'

const lora: LoraConfig = { r: 2, alpha: 4, dropout: 0.1, targetModules: ['q_proj', 'v_proj'], useRslora: false }
const config: TrainConfig = {
  ...defaultTrainConfig,
  lora,
  learningRate: 0.02,
  epochs: 3,
  batchSize: 2,
  gradientAccumulationSteps: 2,
  seed: 5,
  saveEvery: 1,
}

/** Rows of 6 to 13 ids, the last few of them learned. */
const samplesOf = (count: number, from = 0): Sample[] =>
  Array.from({ length: count }, (_, row) => {
    const length = 6 + ((row * 5) % 8)
    const ids = Int32Array.from(noise(`row${from + row}`, length), (x) => 3 + Math.floor(((x + 1) / 2) * 40))
    return { ids, labels: ids.map((id, i) => (i < length - 1 - (row % 4) ? -100 : id)), row }
  })
const train = samplesOf(9)

let device: Device
let model: Decoder
beforeAll(async () => {
  device = await openCpuDevice({ threads: 1 })
  setDefaultDevice(device)
  model = {
    config: parseConfig(tinyConfig),
    weights: Object.fromEntries(
      tinyWeights().map(({ name, shape, data }) => [name, tensor(data, { shape, label: name })]),
    ),
  }
})
afterAll(async () => {
  setDefaultDevice(undefined)
  await device.close()
})
let dir: string
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'jora-trainer-'))))
afterEach(() => rmSync(dir, { recursive: true }))

const inputs = (change: Partial<TrainInputs> = {}): TrainInputs => ({
  model,
  config,
  train,
  heldOut: [],
  padId: 0,
  ...change,
})
/** Checkpoints in `dir`, as trainLora keeps them. */
const saving: Pick<TrainInputs, 'saveCheckpoint'> = {
  saveCheckpoint: (state, progress) =>
    saveCheckpoint(dir, state, { ...progress, fingerprint: 'f' }, lora, { baseModel: 'tiny' }),
}
const resuming = async (folder: string): Promise<Pick<TrainInputs, 'resume'>> => ({
  resume: await loadCheckpoint(folder, model.config, lora, 'f'),
})

async function run(
  given: TrainInputs,
  onEvent: (event: TrainEvent) => void = () => {},
): Promise<{ events: TrainEvent[]; result: TrainResult }> {
  const events: TrainEvent[] = []
  const training = runTraining(given)
  let next = await training.next()
  for (; !next.done; next = await training.next()) {
    events.push(next.value)
    onEvent(next.value)
  }
  return { events, result: next.value }
}
const dataOf = async (adapter: Adapter) =>
  Promise.all(treeLeaves(adapter).map(async (t) => new Uint8Array((await t.data()).buffer.slice(0))))
const stepsOf = (events: readonly TrainEvent[]) => events.filter((e): e is StepEvent => e.type === 'step')

/** −log p of every labelled token, in float64 from the model's logits. */
async function lossesByHand(samples: readonly Sample[], adapter: Adapter, config = lora): Promise<number[]> {
  const losses: number[] = []
  for (const { ids, labels } of samples) {
    const tokens = tensor(ids, { shape: [1, ids.length] })
    const decoder = { ...model, linear: loraLinear(adapter, config) }
    const rows = (await jit((t: Tensor) => logits(decoder, decode(decoder, { tokens: t }).hidden))(
      tokens,
    ).data()) as Float32Array
    labels.forEach((label, t) => {
      if (t === 0 || label < 0) return
      const row = [...rows.subarray((t - 1) * 48, t * 48)]
      const top = Math.max(...row)
      losses.push(top + Math.log(row.reduce((n, x) => n + Math.exp(x - top), 0)) - row[label]!)
    })
  }
  return losses
}
const meanOf = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length

/** What a first step made of its batches: its scalars, and the first moments, which are its gradient. */
interface Outcome {
  readonly loss: number
  readonly norm: number
  readonly moments: readonly number[]
}

async function firstStep(config: LoraConfig, adapter: Adapter, batches: readonly Batch[], seed = 1): Promise<Outcome> {
  const adamw = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 }
  const stepper = new TrainingStep(model, { lora: config, adamw, maxGradNorm: 1 })
  const { state, loss, gradNorm } = stepper.run(initState(adapter), batches, { step: 1, learningRate: 0.01, seed })
  const moments = (await Promise.all(treeLeaves(state.m).map((t) => t.data()))).flatMap((x) => [...x])
  stepper.dispose()
  return { loss: await loss.item(), norm: await gradNorm.item(), moments }
}

/** An adapter whose second factors are not zero any more. */
const grown = (seed: number, config: LoraConfig): Adapter =>
  Object.fromEntries(
    Object.entries(initAdapter(model.config, config, seed)).map(([name, { loraA, loraB }]) => [
      name,
      { loraA, loraB: tensor(noise(`${name}.loraB`, loraB.size), { shape: loraB.shape }) },
    ]),
  )

/** Equal but for the order in which sums are added up. */
function expectEqual(outcomes: readonly Outcome[]): void {
  const [first] = outcomes
  for (const { loss, norm, moments } of outcomes) {
    expect(loss).toBeCloseTo(first!.loss, 5)
    expect(norm / first!.norm).toBeCloseTo(1, 5)
    moments.forEach((x, i) => expect(Math.abs(x - first!.moments[i]!)).toBeLessThan(1e-6))
  }
}

describe('steps', () => {
  test('are planned: micro-batches of each optimiser step, the last one smaller', () => {
    expect(countSteps(train, config)).toBe(9)
    expect(countSteps(train, { ...config, maxSteps: 4 })).toBe(4)
    const { batchSize, gradientAccumulationSteps, seed, shuffle } = config
    const plan = (changes: { shuffle?: boolean; epoch?: number }) =>
      planSteps(train, { batchSize, gradientAccumulationSteps, seed, shuffle, epoch: 0, ...changes })
    const steps = plan({ shuffle: false })
    expect(steps).toEqual([
      [
        [0, 1],
        [2, 3],
      ],
      [
        [4, 5],
        [6, 7],
      ],
      [[8]],
    ])
    expect(plan({}).flat(2).sort()).toEqual([...train.keys()])
    expect(plan({ epoch: 1 })).not.toEqual(plan({}))
  })

  test('the loss is the mean over the labelled tokens of the whole step, however they are spread', async () => {
    const plain = { ...lora, dropout: 0 }
    const expected = meanOf(await lossesByHand(train, initAdapter(model.config, plain, 3), plain))
    const outcomes: Outcome[] = []
    for (const micro of [
      [[0, 1, 2, 3, 4, 5, 6, 7, 8]],
      [[0], [1, 2, 3, 4, 5, 6, 7], [8]],
      [[3, 7], [0], [1, 2, 4, 5, 6, 8]],
    ]) {
      const batches = micro.map((indices) => collate(train, indices, { padId: 0 }))
      outcomes.push(await firstStep(plain, initAdapter(model.config, plain, 3), batches))
    }
    expectEqual(outcomes)
    expect(outcomes[0]!.loss).toBeCloseTo(expected, 5)
  })

  test('dropout falls on a sample the same way, however the samples are cut into batches, padded and grouped', async () => {
    const half = { ...lora, dropout: 0.5 }
    const outcomes: Outcome[] = []
    for (const batches of [
      [collate(train, [0, 1, 2, 3, 4, 5, 6, 7], { padId: 0 })],
      [collate(train, [0, 1, 2, 3], { padId: 0 }), collate(train, [4, 5, 6, 7], { padId: 0 })],
      [
        collate(train, [0, 1, 2], { padId: 0, batchSize: 4, lengthMultiple: 32 }),
        collate(train, [3, 4, 5, 6, 7], { padId: 7, groups: 4 }),
      ],
    ])
      outcomes.push(await firstStep(half, grown(3, half), batches))
    expectEqual(outcomes)
    const other = await firstStep(
      half,
      grown(3, half),
      [collate(train, [...train.keys()].slice(0, 8), { padId: 0 })],
      2,
    )
    expect(Math.abs(other.loss - outcomes[0]!.loss)).toBeGreaterThan(1e-3)
  })

  test('events say what was done, and the loss falls', async () => {
    const { events, result } = await run(
      inputs({ config: { ...config, epochs: 20, lora: { ...lora, r: 8, alpha: 16 } } }),
    )
    const steps = stepsOf(events)
    expect(steps).toHaveLength(60)
    expect(
      steps
        .slice(0, 3)
        .map(({ samples }) => samples)
        .reduce((a, b) => a + b),
    ).toBe(9)
    expect(
      steps
        .slice(0, 3)
        .map(({ targetTokens }) => targetTokens)
        .reduce((a, b) => a + b),
    ).toBe(train.reduce((n, s) => n + s.labels.filter((l) => l >= 0).length, 0))
    steps.slice(0, 6).forEach(({ epoch }, i) => expect(epoch).toBeCloseTo((i + 1) / 3, 12))
    expect(steps[0]!.learningRate).toBe(0.02)
    expect(steps[59]!.learningRate).toBeLessThan(1e-4)
    expect(meanOf(steps.slice(-3).map(({ loss }) => loss))).toBeLessThan(
      0.6 * meanOf(steps.slice(0, 3).map(({ loss }) => loss)),
    )
    expect(events.at(-1)).toMatchObject({ type: 'done', steps: 60 })
    expect(result).toMatchObject({ steps: 60, finished: true })
  })

  test('no sample, or settings out of range, are refused', async () => {
    await expect(run(inputs({ train: [] }))).rejects.toThrow('there is no training sample')
    await expect(run(inputs({ config: { ...config, batchSize: 0 } }))).rejects.toThrow(
      'batchSize is 0, expected an integer ≥ 1',
    )
  })

  test('a loss that is no number ends the run, naming the step', async () => {
    const adapter = initAdapter(model.config, lora, 1)
    const name = 'model.layers.0.self_attn.q_proj'
    const broken = {
      ...adapter,
      [name]: { ...adapter[name]!, loraB: tensor(new Float32Array(64).fill(NaN), { shape: [32, 2] }) },
    }
    await expect(run(inputs({ initialAdapter: broken }))).rejects.toThrow(
      `step 1: the loss is NaN; first in ${name}.loraB(f32[32,2]) (64 of 64 elements); check the model and the adapter`,
    )
  })
})

describe('randomness', () => {
  test('the same seed gives the same run, another seed another; dropout is part of it', async () => {
    const short = { ...config, epochs: 1, shuffle: false }
    const initialAdapter = () => initAdapter(model.config, lora, 1)
    const losses = async (change: Partial<TrainConfig>) =>
      stepsOf((await run(inputs({ config: { ...short, ...change }, initialAdapter: initialAdapter() }))).events).map(
        ({ loss }) => loss,
      )
    const first = await losses({ seed: 5 })
    expect(await losses({ seed: 5 })).toEqual(first)
    // Same adapter, same order of rows: only the dropout masks differ. B is zero in the first step, so they show from the second on.
    expect((await losses({ seed: 6 }))[2]).not.toBe(first[2])
    const off = { lora: { ...lora, dropout: 0 } }
    expect(await losses({ ...off, seed: 6 })).toEqual(await losses({ ...off, seed: 5 }))
  })
})

describe('resuming', () => {
  test('from every checkpoint ends in the very same adapter', async () => {
    const whole = await run(inputs(saving))
    const checkpoints = await listCheckpoints(dir)
    expect(checkpoints).toHaveLength(9)
    const expected = await dataOf(whole.result.adapter)
    for (const [i, folder] of checkpoints.entries()) {
      const rest = await run(inputs(await resuming(folder)))
      expect(stepsOf(rest.events).map(({ step }) => step)).toEqual(Array.from({ length: 8 - i }, (_, k) => i + 2 + k))
      expect(stepsOf(rest.events).map(({ loss }) => loss)).toEqual(
        stepsOf(whole.events)
          .slice(i + 1)
          .map(({ loss }) => loss),
      )
      expect(await dataOf(rest.result.adapter), `from step ${i + 1}`).toEqual(expected)
    }
  })

  test('after a signal: the running step is finished and saved', async () => {
    const controller = new AbortController()
    const longer = { ...config, saveEvery: 100 }
    const stopped = await run(
      inputs({ ...saving, config: longer, signal: controller.signal }),
      (event) => void (event.type === 'step' && event.step === 4 && controller.abort()),
    )
    expect(stopped.result).toMatchObject({ steps: 4, finished: false })
    expect(stopped.events.at(-1)).toEqual({ type: 'checkpoint', step: 4, path: join('checkpoints', 'step-00000004') })
    const [folder] = await listCheckpoints(dir)
    const rest = await run(inputs({ config: longer, ...(await resuming(folder!)) }))
    const whole = await run(inputs({ config: longer }))
    expect(await dataOf(rest.result.adapter)).toEqual(await dataOf(whole.result.adapter))
  })

  test('a signal in the last step: the run is done', async () => {
    const controller = new AbortController()
    const { events, result } = await run(
      inputs({ config: { ...config, maxSteps: 2 }, signal: controller.signal }),
      (event) => void (event.type === 'step' && event.step === 2 && controller.abort()),
    )
    expect(result.finished).toBe(true)
    expect(events.at(-1)!.type).toBe('done')
  })

  test('with layers recomputed, training is the same', async () => {
    const short = { ...config, maxSteps: 3 }
    const [kept, recomputed] = [
      await run(inputs({ config: short })),
      await run(inputs({ config: { ...short, gradientCheckpointing: true } })),
    ]
    stepsOf(recomputed.events).forEach(({ loss }, i) => expect(loss).toBeCloseTo(stepsOf(kept.events)[i]!.loss, 5))
  })
})

describe('evaluation', () => {
  test('is the mean over all labelled held-out tokens, without dropout, when it is due', async () => {
    const heldOut = samplesOf(11, 50)
    const { events, result } = await run(
      inputs({ heldOut, config: { ...config, evalEvery: 4, lora: { ...lora, dropout: 0.5 } } }),
    )
    const evaluations = events.filter((e) => e.type === 'eval')
    expect(evaluations.map(({ step }) => step)).toEqual([4, 8, 9])
    const { loss, perplexity } = evaluations.at(-1)!
    expect(loss).toBeCloseTo(meanOf(await lossesByHand(heldOut, result.adapter)), 4)
    expect(perplexity).toBeCloseTo(Math.exp(loss), 10)
    const each = await run(inputs({ heldOut }))
    expect(each.events.flatMap((e) => (e.type === 'eval' ? [e.step] : []))).toEqual([3, 6, 9])
  })
})

test('an evaluation in groups of rows is the same evaluation', async () => {
  const evaluator = new Evaluator(model, lora)
  const adapter = grown(3, lora)
  const [whole, grouped] = [
    await evaluator.run(train, adapter, { batchSize: 5, padId: 0 }),
    await evaluator.run(train, adapter, { batchSize: 5, padId: 0, groups: 3 }),
  ]
  expect(grouped.loss).toBeCloseTo(whole.loss, 5)
  expect(grouped).toMatchObject({ targetTokens: whole.targetTokens, samples: 9 })
  evaluator.dispose()
})

describe('the step computes only what LoRA needs', () => {
  /** The graphs that one training step hands to the device. */
  function graphsOf(targets: LoraConfig['targetModules'], change: Partial<Decoder> = {}): CompileGraph[] {
    const graphs: CompileGraph[] = []
    const compile = device.compile
    device.compile = (graph) => (graphs.push(graph), compile.call(device, graph))
    try {
      const settings: LoraConfig = { ...lora, dropout: 0, targetModules: targets }
      const state = initState(initAdapter(model.config, settings, 1))
      graphs.length = 0
      const stepper = new TrainingStep(
        { ...model, ...change },
        { lora: settings, adamw: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 }, maxGradNorm: 1 },
      )
      stepper.run(state, [collate(train, [0, 1, 2, 3, 4], { padId: 0 })], { step: 1, learningRate: 0.1, seed: 1 })
      stepper.dispose()
    } finally {
      device.compile = compile
    }
    return graphs
  }
  const dots = (graph: CompileGraph) => graph.nodes.filter(({ op }) => op === 'dot')
  const backwardLayers = (graph: CompileGraph) =>
    new Set(graph.nodes.flatMap(({ scope }) => (scope.includes('/grad') ? (/layer \d+/.exec(scope) ?? []) : [])))

  test('one program, no gradient of a base weight', () => {
    for (const targets of [['q_proj', 'v_proj'], 'all-linear'] as const) {
      const graphs = graphsOf(targets)
      expect(graphs).toHaveLength(1)
      const weights = new Set(
        [...weightShapes(model.config).values()].filter((shape) => shape.length === 2).map((shape) => shape.join()),
      )
      expect(
        graphs[0]!.nodes
          .filter(({ outputs }) => outputs.some(({ aval }) => weights.has(aval.shape.join())))
          .map(({ op }) => op),
      ).toEqual([])
      expect(graphs[0]!.nodes.some(({ op }) => op === 'linearCrossEntropyGradWeight')).toBe(false)
    }
  })

  test('every product is one that is needed: all linear layers', () => {
    const [graph] = graphsOf('all-linear')
    // Forward W, A and B; backward dB, dA and the gradient between them; and dx through W and A, but for the first
    // layer's q, k and v, below which nothing is trained.
    const modules = 21
    expect(dots(graph!).length).toBe(3 * modules + 3 * modules + 2 * (modules - 3))
  })

  test('backward stops below the first adapted layer', () => {
    const [graph] = graphsOf(['model.layers.2.self_attn.q_proj'])
    expect([...backwardLayers(graph!)]).toEqual(['layer 2'])
    // Forward 21 + 2; backward through down, gate, up and o of the last layer, then dB, d(Ax) and dA.
    expect(dots(graph!).length).toBe(23 + 4 + 3)
    expect([...backwardLayers(graphsOf(['layers.1.mlp.up_proj'])[0]!)].sort()).toEqual(['layer 1', 'layer 2'])
  })

  test('the head runs on labelled rows only', () => {
    const batch = collate(train, [0, 1, 2, 3, 4], { padId: 0 })
    const [graph] = graphsOf(['q_proj'])
    const heads = graph!.nodes.filter(({ op }) => op.startsWith('linearCrossEntropy'))
    expect(heads.map(({ op }) => op).sort()).toEqual(['linearCrossEntropy'])
    for (const { inputs: given } of heads) expect(given[0]!.aval.shape).toEqual([batch.labelRows.length, 32])
    expect(batch.labelRows.length).toBeLessThan(batch.batchSize * batch.seqLen)
    // Nothing of the vocabulary's width is made over all positions.
    expect(
      graph!.nodes.some(({ outputs }) => outputs.some(({ aval }) => aval.shape.at(-1) === 48 && aval.shape.length > 1)),
    ).toBe(false)
  })
})
