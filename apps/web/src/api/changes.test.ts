// What the page knows after each change, and what it says of it.
import { describe, expect, test } from 'vitest'
import type { Run } from '@jora/gui/client'
import { ApiError } from '@jora/gui/client'
import { adviceFor, adviceForRun } from './advice'
import { applyChange, newsOf, nothingKnown } from './changes'

const run = (id: string, createdAt: string, over: Partial<Run> = {}): Run => ({
  id,
  name: id,
  folder: `/runs/${id}`,
  source: 'gui',
  kind: 'train',
  state: 'running',
  pending: null,
  actions: [],
  message: null,
  queuePosition: null,
  createdAt,
  startedAt: null,
  updatedAt: createdAt,
  model: null,
  dataset: null,
  device: null,
  step: 7,
  totalSteps: null,
  epoch: null,
  loss: null,
  evalLoss: null,
  tokensPerSecond: null,
  etaSeconds: null,
  trains: 'adapter',
  hasAdapter: false,
  note: null,
  canDelete: false,
  hasCheckpoint: false,
  ...over,
})
const [old, young] = [run('old', '2026-01-01T00:00:00Z'), run('young', '2026-01-02T00:00:00Z')]

describe('applyChange', () => {
  const known = applyChange(nothingKnown, { event: 'all', runs: [old, young], jobs: [] })
  test('all there is, newest first', () => {
    expect(known.complete).toBe(true)
    expect(known.runs.map(({ id }) => id)).toEqual(['young', 'old'])
  })
  test('a run that is known changes in its place; a new one comes in by its age; a removed one goes', () => {
    const changed = applyChange(known, { event: 'run', run: { ...old, step: 8 } })
    expect(changed.runs.map(({ step }) => step)).toEqual([7, 8])
    const more = applyChange(changed, { event: 'run', run: run('newest', '2026-01-03T00:00:00Z') })
    expect(more.runs[0]?.id).toBe('newest')
    expect(applyChange(more, { event: 'removed', id: 'young' }).runs.map(({ id }) => id)).toEqual(['newest', 'old'])
  })
})

test('changes of state are news, steps are not', () => {
  expect(newsOf(old, { ...old, step: 8 })).toBeUndefined()
  expect(newsOf(undefined, old)).toBeUndefined()
  expect(newsOf(old, { ...old, pending: 'stop' })).toBe('old: asked to stop after the step it is in.')
  expect(newsOf(old, { ...old, state: 'stopped' })).toBe('old was stopped at step 7.')
  expect(newsOf({ ...old, state: 'starting' }, old)).toBe('old continues.')
  expect(newsOf({ ...old, state: 'starting', step: 0 }, { ...old, step: 0 })).toBe('old has started.')
  expect(newsOf({ ...old, state: 'queued' }, { ...old, state: 'starting' })).toBe('old is starting.')
})

describe('advice', () => {
  test('a failure of a run is told with what helps', () => {
    expect(adviceForRun('device: out of memory')[0]).toMatch(/batch size/)
    expect(adviceForRun('loss is not finite at step 3')[0]).toMatch(/learning rate/)
    expect(adviceForRun('rows.jsonl row 12: expected an output')[0]).toMatch(/Correct the row/)
    // What is named by the way is not what is wrong.
    expect(adviceForRun('checkpoints/x was made with other settings (model, dataset, …)')[0]).toMatch(/new run/)
    expect(adviceForRun('--gpu: no adapter is called “broken”')[0]).toMatch(/GPUs that the page lists/)
    expect(adviceForRun('trainer_state.json is missing')[0]).toMatch(/log below/)
    expect(adviceForRun('/data/rows.jsonl cannot be written: the disk is full (ENOSPC)')[0]).toMatch(/space/)
    expect(adviceForRun(null)).toHaveLength(1)
  })
  test('a refusal too', () => {
    expect(adviceFor(new ApiError('unauthenticated', '', 401))).toMatch(/address/)
    expect(adviceFor(new ApiError('bad_request', '', 400))).toBeUndefined()
  })
})
