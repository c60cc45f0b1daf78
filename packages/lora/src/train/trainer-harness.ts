// What the tests of trainer share.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest'
import { treeSamples, type Batch, type Sample, type Tree } from '@jora/data'
import { decode, logits, parseConfig, type Decoder } from '@jora/llama'
import { jit, setDefaultDevice, tensor, treeLeaves, type Device, type Tensor } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { noise, tinyConfig, tinyWeights } from '../../../llama/test/tiny-model'
import {
  defaultTrainConfig,
  initAdapter,
  initState,
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

export const lora: LoraConfig = { r: 2, alpha: 4, dropout: 0.1, targetModules: ['q_proj', 'v_proj'], useRslora: false }
export const config: TrainConfig = {
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
export const samplesOf = (count: number, from = 0): Sample[] =>
  Array.from({ length: count }, (_, row) => {
    const length = 6 + ((row * 5) % 8)
    const ids = Int32Array.from(noise(`row${from + row}`, length), (x) => 3 + Math.floor(((x + 1) / 2) * 40))
    return { ids, labels: ids.map((id, i) => (i < length - 1 - (row % 4) ? -100 : id)), row }
  })
export const train = samplesOf(9)

/** Ids that a name decides. */
export const draw = (name: string, length: number): Int32Array =>
  Int32Array.from(noise(name, length), (x) => 3 + Math.floor(((x + 1) / 2) * 40))

/** Rows of many lengths, from 5 to 110 tokens, the last few learned. */
export const mixed: Sample[] = Array.from({ length: 14 }, (_, row) => {
  const ids = draw(`mixed ${row}`, 5 + ((row * 37) % 106))
  return { ids, labels: ids.map((id, i) => (i < ids.length - 2 - (row % 3) ? -100 : id)), row }
})

/** Trees of one to four branches on contexts of many lengths. */
export const trees: Sample[] = Array.from({ length: 10 }, (_, row) => {
  const context = draw(`context ${row}`, 4 + ((row * 29) % 60))
  const branches = Array.from({ length: 1 + (row % 4) }, (_, question) => {
    const ids = draw(`branch ${row} ${question}`, 4 + question)
    return { ids, labels: ids.map((id, i) => (i < 2 ? -100 : id)), contextLength: context.length, question }
  })
  const tree: Tree = { context, branches, row }
  return treeSamples(tree, 128)
}).flat()

export let device: Device
export let model: Decoder
/** What the tests of a file need, made before them and removed after; each file calls it, as hooks belong to a file. */
export function setUp(): void {
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
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'jora-trainer-'))))
  afterEach(() => rmSync(dir, { recursive: true }))
}

export let dir: string

export const inputs = (change: Partial<TrainInputs> = {}): TrainInputs => ({
  model,
  config,
  train,
  heldOut: [],
  padId: 0,
  ...change,
})
/** Checkpoints in `dir`, as trainLora keeps them. */
export const savingAs = (own: LoraConfig): Pick<TrainInputs, 'saveCheckpoint'> => ({
  saveCheckpoint: (state, progress) =>
    saveCheckpoint(dir, state, { ...progress, fingerprint: 'f' }, own, { baseModel: 'tiny' }),
})
export const saving = savingAs(lora)
export const resuming = async (folder: string, own = lora): Promise<Pick<TrainInputs, 'resume'>> => ({
  resume: await loadCheckpoint(folder, model.config, own, 'f'),
})

export async function run(
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
export const dataOf = async (adapter: Adapter) =>
  Promise.all(treeLeaves(adapter).map(async (t) => new Uint8Array((await t.data()).buffer.slice(0))))
export const stepsOf = (events: readonly TrainEvent[]) => events.filter((e): e is StepEvent => e.type === 'step')

/** −log p of every labelled token, in float64 from the model's logits. */
export async function lossesByHand(samples: readonly Sample[], adapter: Adapter, config = lora): Promise<number[]> {
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
export const meanOf = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length

/** What a first step made of its batches: its scalars, and the first moments, which are its gradient. */
export interface Outcome {
  readonly loss: number
  readonly norm: number
  readonly moments: readonly number[]
}

export async function firstStep(
  config: LoraConfig,
  adapter: Adapter,
  batches: readonly Batch[],
  seed = 1,
): Promise<Outcome> {
  const adamw = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 }
  const stepper = new TrainingStep(model, { lora: config, adamw, maxGradNorm: 1 })
  const { state, loss, gradNorm } = stepper.run(initState(adapter), batches, { step: 1, learningRate: 0.01, seed })
  const moments = (await Promise.all(treeLeaves(state.m).map((t) => t.data()))).flatMap((x) => [...x])
  stepper.dispose()
  return { loss: await loss.item(), norm: await gradNorm.item(), moments }
}

/** An adapter whose second factors are not zero any more. */
export const grown = (seed: number, config: LoraConfig): Adapter =>
  Object.fromEntries(
    Object.entries(initAdapter(model.config, config, seed)).map(([name, { loraA, loraB }]) => [
      name,
      { loraA, loraB: tensor(noise(`${name}.loraB`, loraB.size), { shape: loraB.shape }) },
    ]),
  )

/** Equal but for the order in which sums are added up. */
export function expectEqual(outcomes: readonly Outcome[]): void {
  const [first] = outcomes
  for (const { loss, norm, moments } of outcomes) {
    expect(loss).toBeCloseTo(first!.loss, 5)
    expect(norm / first!.norm).toBeCloseTo(1, 5)
    moments.forEach((x, i) => expect(Math.abs(x - first!.moments[i]!)).toBeLessThan(1e-6))
  }
}
