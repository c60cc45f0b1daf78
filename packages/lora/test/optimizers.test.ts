// Optimisers, averages and noise in the trainer: checkpoints that go on as if nothing had been, and what they evaluate and keep.
import { describe, expect, test } from 'vitest'
import { collate } from '@jora/data'
import { disposeTree } from '@jora/tensor'
import {
  ConfigError,
  Evaluator,
  initAdapter,
  initState,
  JoraConfig,
  listCheckpoints,
  readAdapter,
  TrainingStep,
  type EvalEvent,
  type StepConfig,
  type TrainConfig,
  lowRankOf,
} from '../src/index'
import {
  config,
  dataOf,
  device,
  dir,
  inputs,
  lora,
  model,
  resuming,
  run,
  samplesOf,
  savingAs,
  train,
  setUp,
} from '../src/train/trainer-harness'

setUp()

const heldOut = samplesOf(4, 100)
const kinds: Readonly<Record<string, Partial<TrainConfig>>> = {
  SGD: { optimizer: 'sgd', learningRate: 0.1 },
  // At rank 128 the moments of both parts of every module are packed.
  'AdamW in 8 bits': { optimizer: 'adamw_8bit', lora: { ...lora, r: 128 }, learningRate: 0.005 },
  Lion: { optimizer: 'lion', learningRate: 0.002 },
  Muon: { optimizer: 'muon' },
  'schedule-free AdamW': { optimizer: 'schedule_free_adamw', scheduler: 'constant', warmupSteps: 2 },
  'AdamW with a moving average, LoRA+, noise and restarts': {
    emaDecay: 0.8,
    loraPlusRatio: 4,
    neftuneAlpha: 5,
    scheduler: 'cosine_with_restarts',
    cycles: 3,
  },
}

describe.each(Object.entries(kinds))('%s', (_name, change) => {
  test('learns; stopped at a checkpoint and resumed it is the same run, whose held-out loss is that of the adapter kept', async () => {
    const changed = { ...config, ...change }
    const whole = await run(inputs({ config: changed, heldOut, ...savingAs(changed.lora) }))
    const evaluated = whole.events.filter((event): event is EvalEvent => event.type === 'eval').at(-1)!
    const evaluator = new Evaluator(model, changed.lora)
    const { loss } = await evaluator.run(heldOut, whole.result.adapter, { batchSize: 8, padId: 0 })
    expect(evaluated.loss).toBeCloseTo(loss, 6)
    const before = await evaluator.run(train, initAdapter(model.config, changed.lora, config.seed), {
      batchSize: 8,
      padId: 0,
    })
    const after = await evaluator.run(train, whole.result.adapter, { batchSize: 8, padId: 0 })
    expect(after.loss).toBeLessThan(before.loss)
    evaluator.dispose()
    const kept = await dataOf(whole.result.adapter)

    const folders = await listCheckpoints(dir)
    const resumed = await run(inputs({ config: changed, heldOut, ...(await resuming(folders[3]!, changed.lora)) }))
    expect(await dataOf(resumed.result.adapter)).toEqual(kept)
    // What a checkpoint's folder holds as an adapter is what is evaluated.
    const { adapter } = await readAdapter(folders.at(-1)!, model.config)
    const files = Object.values(lowRankOf(adapter)).flatMap(({ loraA, loraB }) => [loraA, loraB])
    expect(files.map((values) => new Uint8Array(values.buffer.slice(0)))).toEqual(kept)
  })
})

describe('noise on the embeddings', () => {
  const adamw = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 }
  const lossOf = async (change: Partial<StepConfig>, step = 1, place = 1) => {
    const plain = { ...lora, dropout: 0 }
    const stepper = new TrainingStep(model, { lora: plain, adamw, maxGradNorm: 1, ...change }, device)
    const batch = collate(train, [0, 1, 2].slice(0, place + 1), { padId: 0 })
    const state = initState(initAdapter(model.config, plain, 1, device))
    const result = stepper.run(state, [batch], { step, learningRate: 0, seed: 7 })
    const loss = await result.loss.item()
    disposeTree(result.state)
    stepper.dispose()
    return loss
  }

  test('changes the loss, by the step, and the same each time; less of it changes less', async () => {
    const [none, some, again, next, little] = [
      await lossOf({}),
      await lossOf({ neftuneAlpha: 5 }),
      await lossOf({ neftuneAlpha: 5 }),
      await lossOf({ neftuneAlpha: 5 }, 2),
      await lossOf({ neftuneAlpha: 0.005 }),
    ]
    expect(some).toBe(again)
    expect(some).not.toBe(none)
    expect(next).not.toBe(some)
    expect(Math.abs(little - none)).toBeLessThan(Math.abs(some - none) / 50)
  })
})

test.each([
  [{ optimizer: 'muon', useDora: true }, 'optimizer is muon beside useDora'],
  [{ optimizer: 'schedule_free_adamw', emaDecay: 0.9 }, 'emaDecay is 0.9 beside schedule_free_adamw'],
  [{ loraPlusRatio: 0.5 }, 'loraPlusRatio is 0.5, expected a number ≥ 1'],
  [
    { optimizer: 'adam' as 'adamw' },
    'optimizer is adam, expected adamw, adamw_8bit, sgd, lion, schedule_free_adamw or muon',
  ],
] as const)('%j is refused before anything is loaded', (change, message) => {
  const refused = () => new JoraConfig({ modelPath: 'm', ...change })
  expect(refused).toThrow(ConfigError)
  expect(refused).toThrow(message)
})
