// The trainer: exact means, reproducible dropout, exact resumption, evaluation, and what the step's graph leaves out.
import { describe, expect, test } from 'vitest'
import { collate, planSteps } from '@jora/data'
import { tensor } from '@jora/tensor'
import { countSteps, initAdapter, type TrainConfig } from '../index'
import {
  lora,
  config,
  train,
  model,
  inputs,
  run,
  stepsOf,
  lossesByHand,
  meanOf,
  type Outcome,
  firstStep,
  grown,
  expectEqual,
  setUp,
} from './trainer-harness'

setUp()

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
