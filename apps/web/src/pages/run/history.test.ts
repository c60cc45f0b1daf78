// Columns that grow by events are those that come in bulk; evaluations find their place among the steps.
import { expect, test } from 'vitest'
import type { Metric, MetricsColumns } from '@jora/gui/client'
import { addMetric, curvesOf } from './history'

const empty = (): MetricsColumns => ({
  from: 0,
  next: '0',
  steps: {
    step: [],
    epoch: [],
    loss: [],
    learningRate: [],
    gradNorm: [],
    tokens: [],
    targetTokens: [],
    samples: [],
    stepMs: [],
    deviceBytes: [],
  },
  evals: { step: [], loss: [], perplexity: [], exactMatch: [] },
  checkpoints: [],
})
const step = (number: number, deviceBytes: number[], loss: number | null = number): Metric => ({
  type: 'step',
  step: number,
  epoch: 0,
  loss,
  learningRate: 0.1,
  gradNorm: 1,
  tokens: 10,
  targetTokens: 2,
  samples: 1,
  stepMs: 5,
  deviceBytes,
})

test('columns stay of one length, also when a device comes or goes', () => {
  const columns = empty()
  addMetric(columns, step(1, [100]))
  addMetric(columns, step(2, [110, 50]))
  addMetric(columns, step(3, []))
  expect(columns.steps.step).toEqual([1, 2, 3])
  expect(columns.steps.deviceBytes).toEqual([
    [100, 110, null],
    [null, 50, null],
  ])
})

test('evaluations, checkpoints, the end and an error', () => {
  const columns = empty()
  addMetric(columns, { type: 'eval', step: 2, loss: 0.5, perplexity: 1.6 })
  addMetric(columns, { type: 'checkpoint', step: 2, path: 'checkpoints/step-00000002' })
  addMetric(columns, { type: 'done', steps: 2, seconds: 3, peakDeviceBytes: [9] })
  addMetric(columns, { type: 'error', message: 'stopped' })
  expect(columns.evals.exactMatch).toEqual([null])
  expect(columns.checkpoints).toHaveLength(1)
  expect([columns.done?.seconds, columns.error]).toEqual([3, 'stopped'])
})

test('an evaluation between or before the steps has a place on the axis', () => {
  const columns = empty()
  for (const metric of [step(1, [1], null), step(3, [1])]) addMetric(columns, metric)
  for (const at of [0, 3]) addMetric(columns, { type: 'eval', step: at, loss: 7 + at, perplexity: 1 })
  const { x, loss, heldOut, deviceBytes } = curvesOf(columns)
  expect(x).toEqual([0, 1, 3])
  expect(loss).toEqual([null, null, 3])
  expect(heldOut).toEqual([7, null, 10])
  expect(deviceBytes).toEqual([[null, 1, 1]])
})
