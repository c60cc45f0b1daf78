// States of a run: only what the table says, whatever happens in whatever order.
import { describe, expect, test } from 'vitest'
import {
  allows,
  fold,
  newRun,
  outcomeOf,
  speedOf,
  transitions,
  type RunEvent,
  type RunSnapshot,
  type RunState,
} from '../portable'
import type { ControlEvent, TrainEvent } from './events'

/** Numbers in [0, 1), the same for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

const states = Object.keys(transitions) as RunState[]
const step = (n: number, more: object = {}): TrainEvent => ({
  type: 'step',
  step: n,
  epoch: n / 10,
  loss: 5 / n,
  learningRate: 1e-4,
  gradNorm: 1,
  tokens: 64,
  targetTokens: 32,
  samples: 1,
  stepMs: 10,
  deviceBytes: [],
  ...more,
})
const evaluation = (n: number, loss: number): TrainEvent => ({
  type: 'eval',
  step: n,
  loss,
  perplexity: Math.exp(loss),
})
const asked: ControlEvent['type'][] = ['queue', 'unqueue', 'start', 'requeue', 'pause', 'stop']
const ends: ControlEvent['type'][] = ['paused', 'stopped', 'failed', 'finished']

describe('fold', () => {
  test('the table leads to states that are in it, and every state can be reached', () => {
    const reached = new Set<RunState>(['queued'])
    for (const state of states) for (const next of Object.values(transitions[state])) reached.add(next)
    expect([...reached].sort()).toEqual([...states].sort())
  })

  test('random words of who asks never lead where the table does not', () => {
    const random = randomOf(7)
    for (let n = 0; n < 500; n++) {
      let run = fold(newRun, { type: 'queue', at: 1 })
      for (let i = 2; i < 30; i++) {
        const all = [...asked, ...ends]
        const type = all[Math.floor(random() * all.length)]!
        const before = run
        run = fold(run, { type, at: i })
        if (allows(before, type)) expect(run.state).toBe(transitions[before.state][type])
        else expect(run).toBe(before)
        if (run.pending !== null) expect(['starting', 'running']).toContain(run.state)
      }
    }
  })

  test('the two files come to the same however they are mixed', () => {
    const random = randomOf(11)
    for (let n = 0; n < 300; n++) {
      // Some attempts, and a file as the last of them left it: what earlier ones wrote, then its own.
      const control: RunEvent[] = [{ type: 'queue', at: 1 }]
      let at = 1
      const attempts = 1 + Math.floor(random() * 4)
      for (let i = 0; i < attempts; i++) {
        control.push({ type: 'start', at: (at += 10) })
        if (random() < 0.3) control.push({ type: random() < 0.5 ? 'pause' : 'stop', at: ++at })
        if (i < attempts - 1 || random() < 0.5)
          control.push({ type: ends[Math.floor(random() * ends.length)]!, at: ++at, message: `end ${i}` })
        if (i < attempts - 1) control.push({ type: 'queue', at: ++at })
      }
      const begun = random() < 0.5 ? at + 1 : 5
      const trained: RunEvent[] = [{ type: 'begin', at: begun, totalSteps: 9 }]
      for (let s = 1; s <= random() * 9; s++) trained.push(random() < 0.8 ? step(s) : evaluation(s, random()))
      if (random() < 0.3) trained.push({ type: 'error', message: 'x' })
      const whole = [...control, ...trained].reduce(fold, newRun)
      for (let k = 0; k < 5; k++) {
        const [left, right] = [[...control], [...trained]]
        const mixed: RunEvent[] = []
        while (left.length + right.length > 0)
          mixed.push((right.length === 0 || (left.length > 0 && random() < 0.5) ? left : right).shift()!)
        expect(mixed.reduce(fold, newRun)).toEqual(whole)
      }
    }
  })

  test('a run of a terminal ends by its last word, a watched one by the end of its process', () => {
    const told: RunEvent[] = [
      { type: 'begin', at: 0, totalSteps: 2 },
      step(1),
      step(2),
      { type: 'done', steps: 2, seconds: 1, peakDeviceBytes: [] },
    ]
    expect(told.reduce(fold, newRun).state).toBe('done')
    const queued = fold(fold(newRun, { type: 'queue', at: 0 }), { type: 'start', at: 0 })
    const watched = told.reduce(fold, queued)
    expect(watched).toMatchObject({ state: 'running', isTrained: true, step: 2, totalSteps: 2 })
    expect(fold(watched, { type: 'finished', at: 3 }).state).toBe('done')
    // Files of older versions have no `begin`.
    expect(fold(newRun, step(1)).state).toBe('running')
  })

  test('starting lasts until this start has begun, not an earlier one', () => {
    const lines: RunEvent[] = [{ type: 'begin', at: 20, totalSteps: 9 }, step(4), { type: 'error', message: 'no' }]
    const again: RunEvent[] = [
      { type: 'queue', at: 1 },
      { type: 'start', at: 10 },
      { type: 'failed', at: 30, message: 'no' },
      { type: 'queue', at: 40 },
      { type: 'start', at: 50 },
    ]
    const run = [...again, ...lines].reduce(fold, newRun)
    expect(run).toMatchObject({ state: 'starting', message: null, pending: null, step: 4 })
    expect(fold(run, { type: 'begin', at: 51, totalSteps: 9 }).state).toBe('running')
  })

  test('keeps the lowest held-out loss and the newest, however far back', () => {
    let run = fold(newRun, evaluation(1, 2))
    for (let s = 2; s < 5000; s++) run = fold(run, step(s, { deviceBytes: Array<number>(40).fill(1e9) }))
    expect(run).toMatchObject({ evalLoss: 2, best: { step: 1, loss: 2 } })
    run = fold(fold(run, evaluation(5000, 1.5)), evaluation(6000, 1.75))
    expect(run).toMatchObject({ evalLoss: 1.75, best: { step: 5000, loss: 1.5 } })
    expect(run.recent).toHaveLength(20)
    expect(speedOf(run)).toEqual({ tokensPerSecond: 6400, stepMs: 10 })
    expect(speedOf(newRun)).toEqual({ tokensPerSecond: null, stepMs: null })
  })
})

describe('the end of a process', () => {
  const running: RunSnapshot = { ...newRun, isWatched: true, state: 'running', startedAt: 10, begunAt: 20 }
  const end = { code: 1, isDone: false, hasCheckpoint: false }
  test.each([
    ['done', running, { ...end, code: 0, isDone: true }, { type: 'finished' }],
    [
      'done while it was to stop',
      { ...running, pending: 'stop' },
      { ...end, code: 130, isDone: true },
      { type: 'finished' },
    ],
    ['killed after it was done', running, { ...end, code: null, isDone: true }, { type: 'failed' }],
    ['paused', { ...running, pending: 'pause' }, { ...end, code: 130, hasCheckpoint: true }, { type: 'paused' }],
    ['paused before a checkpoint', { ...running, pending: 'pause' }, { ...end, code: 130 }, { type: 'stopped' }],
    ['interrupted', running, { ...end, code: 130 }, { type: 'stopped' }],
    ['with an error told', running, { ...end, told: 'no such GPU' }, { type: 'failed', message: 'no such GPU' }],
    ['with an error written', { ...running, error: 'NaN' }, end, { type: 'failed', message: 'NaN' }],
    [
      'with an error of an earlier start',
      { ...running, error: 'NaN', begunAt: 5 },
      end,
      { type: 'failed', message: 'It ended without a reason (code 1); its log may tell more.' },
    ],
    [
      'unseen, after a checkpoint',
      { ...running, last: 'checkpoint' },
      { ...end, code: undefined },
      { type: 'stopped' },
    ],
    ['unseen', running, { ...end, code: undefined }, { type: 'failed' }],
    [
      'by a signal',
      running,
      { ...end, code: null, signal: 'SIGKILL' },
      { type: 'failed', message: expect.stringContaining('ran out of memory') as string },
    ],
  ] as const)('%s', (_, run, how, outcome) => {
    expect(outcomeOf(run as RunSnapshot, how)).toMatchObject(outcome)
  })
})
