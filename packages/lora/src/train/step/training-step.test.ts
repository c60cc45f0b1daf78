// Programs of a step: made before they are needed, and their updates layer by layer.
import { describe, expect, test } from 'vitest'
import { collate } from '@jora/data'
import { add, jit, tensor, treeLeaves, treeMap, type Tensor } from '@jora/tensor'
import { initAdapter, initState, TrainingStep } from '../../index'
import { eachLayer } from './each-layer'
import type { TrainState } from './train-state'
import { dataOf, lora, mixed, model, setUp, train } from '../trainer-harness'

setUp()

const adamw = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 }
const stepOf = (sumsBatches?: boolean) => new TrainingStep(model, { lora, adamw, maxGradNorm: 1, sumsBatches })
const place = { step: 1, learningRate: 0.02, seed: 3 }
const batchOf = (rows: number[]) => collate(mixed, rows, { padId: 0 })

describe.each([
  ['of one batch', undefined, [[3]]],
  ['of several batches', true, [[3], [1, 2]]],
] as const)('the program of a step %s', (_, sums, rows) => {
  const batches = rows.map((some) => batchOf([...some]))

  test('is made without a run, and the step computes what it would have', async () => {
    const outcome = async (prepares: boolean) => {
      const stepper = stepOf(sums)
      const state = initState(initAdapter(model.config, lora, 1))
      if (prepares) {
        stepper.prepare(state, batches, place)
        expect(stepper.compiled).toBe(rows.length)
        stepper.prepare(state, batches, place)
      }
      const result = stepper.run(state, batches, place)
      expect(stepper.compiled).toBe(rows.length)
      const found = [await result.loss.item(), await result.gradNorm.item(), await dataOf(result.state.adapter)]
      stepper.dispose()
      return found
    }
    expect(await outcome(true)).toEqual(await outcome(false))
  })
})

test('a shape that had a step is not compiled again', () => {
  const stepper = stepOf()
  const batches = [collate(train, [0, 1], { padId: 0 })]
  const { state } = stepper.run(initState(initAdapter(model.config, lora, 1)), batches, place)
  stepper.prepare(state, batches, place)
  expect(stepper.compiled).toBe(1)
  stepper.dispose()
})

test('each layer is updated by itself, and the state keeps its order and what its slots have', async () => {
  const module = (x: number) => ({ loraA: tensor([x]), loraB: tensor([10 * x]) })
  const of = (...layers: number[]) =>
    Object.fromEntries(layers.flatMap((i) => ['q', 'v'].map((p) => [`model.layers.${i}.${p}_proj`, module(i + 1)])))
  const adapter = { ...of(1, 0), lm_head: module(5) }
  const state = { adapter, m: of(1, 0) } as TrainState
  const seen: string[][] = []
  const run = jit((s: TrainState) =>
    eachLayer(s, adapter, (some, grads) => {
      seen.push(Object.keys(some.adapter))
      expect(Object.keys(grads)).toEqual(Object.keys(some.adapter))
      return { ...some, adapter: treeMap((value, grad) => add(value, grad), some.adapter, grads) }
    }),
  )
  const after = run(state)
  expect(seen).toEqual([
    ['model.layers.1.q_proj', 'model.layers.1.v_proj'],
    ['model.layers.0.q_proj', 'model.layers.0.v_proj'],
    ['lm_head'],
  ])
  expect(Object.keys(after.adapter)).toEqual(Object.keys(adapter))
  expect(Object.keys(after.m!)).toEqual(Object.keys(state.m!))
  const values = (leaves: readonly Tensor[]) => Promise.all(leaves.map((leaf) => leaf.item()))
  expect(await values(treeLeaves(after.adapter))).toEqual([4, 40, 4, 40, 2, 20, 2, 20, 10, 100])
  run.dispose()
})
