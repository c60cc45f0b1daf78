// Watching a run: the best evaluation, patience, checkpoints that are kept, and a resumed run that ends as the whole one.
import { cpSync, readdirSync, rmSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ConfigError, JoraConfig, type EvalEvent, type JoraSettings, type TrainEvent } from '../../index'
import { openModel, type OpenModel } from '@jora/llama'
import {
  adapterBytes,
  configOf,
  datasetPath,
  device,
  metrics,
  modelPath,
  out,
  root,
  train,
  setUp,
} from '../train-lora-harness'
import { isExhausted, watch, watchedFrom } from './watching'

setUp()

const evaluation = (step: number, loss: number, f1?: number): EvalEvent => ({
  type: 'eval',
  step,
  loss,
  perplexity: Math.exp(loss),
  ...(f1 === undefined ? {} : { f1 }),
})

describe('the best evaluation', () => {
  const after = (metric: 'loss' | 'f1', events: readonly EvalEvent[], minDelta = 0) =>
    events.reduce((watched, event) => watch(watched, event, { minDelta }), watchedFrom({ metric }))

  test('is the lowest loss, or the highest score; a tie leaves the first', () => {
    const events = [evaluation(1, 3, 0.1), evaluation(2, 1, 0.5), evaluation(3, 2, 0.5), evaluation(4, 1, 0.2)]
    expect(after('loss', events)).toEqual({ metric: 'loss', best: { step: 2, value: 1 }, waited: 2 })
    expect(after('f1', events)).toEqual({ metric: 'f1', best: { step: 2, value: 0.5 }, waited: 2 })
  })

  test('smaller gains are the best too, but do not renew the patience', () => {
    const events = [evaluation(1, 3), evaluation(2, 2.9), evaluation(3, 2.8)]
    expect(after('loss', events, 0.2)).toMatchObject({ best: { step: 3, value: 2.8 }, waited: 2 })
    expect(isExhausted({ metric: 'loss', best: null, waited: 2 }, { patience: 2 })).toBe(true)
    expect(isExhausted({ metric: 'loss', best: null, waited: 200 }, {})).toBe(false)
  })

  test('is none before the first step, and none that is not finite or was not measured', () => {
    expect(after('loss', [evaluation(0, 1), evaluation(1, NaN), evaluation(2, 5)])).toMatchObject({
      best: { step: 2 },
      waited: 0,
    })
    expect(after('f1', [evaluation(1, 1, 0.3), evaluation(2, 0.5)])).toMatchObject({ best: { step: 1 }, waited: 1 })
  })

  test('a checkpoint that went by another metric begins anew', () => {
    const earlier = { metric: 'loss', best: { step: 1, value: 2 }, waited: 3 } as const
    expect(watchedFrom({ metric: 'loss' }, earlier)).toBe(earlier)
    expect(watchedFrom({ metric: 'f1' }, earlier)).toEqual({ metric: 'f1', best: null, waited: 0 })
  })
})

/** A rate so high that the held-out loss is soon at its lowest. */
const watched = (change: Partial<JoraSettings> = {}) =>
  configOf({
    epochs: 8,
    learningRate: 0.05,
    loraDropout: 0,
    evalEvery: 2,
    saveEvery: 3,
    patience: 3,
    loadBest: true,
    saveTotalLimit: 1,
    evalOnStart: true,
    evalMetrics: ['exact_match', 'f1'],
    evalSamples: 2,
    evalMaxNewTokens: 4,
    ...change,
  })

const fleeting = new Set(['programs', 'stepMs', 'seconds', 'answerSeconds', 'deviceBytes', 'peakDeviceBytes'])
/** Events without times. */
const course = (events: readonly TrainEvent[]): Record<string, unknown>[] =>
  events.map((event) => Object.fromEntries(Object.entries(event).filter(([key]) => !fleeting.has(key))))
const evals = (events: readonly TrainEvent[]) => events.filter((event): event is EvalEvent => event.type === 'eval')
const checkpoints = (dir: string) => readdirSync(join(dir, 'checkpoints'))

describe('a run that is watched', () => {
  test('ends when patience does, and leaves the best adapter, its checkpoint and the newest', async () => {
    const summary = await train(watched())
    const events = await metrics()
    const measured = evals(events)
    expect(measured[0]).toMatchObject({ step: 0, answers: 2 })
    for (const { exactMatch, f1, answerSeconds } of measured) {
      expect([exactMatch, f1].every((score) => score! >= 0 && score! <= 1)).toBe(true)
      expect(answerSeconds).toBeGreaterThan(0)
    }
    const best = measured.slice(1).reduce((a, b) => (b.loss < a.loss ? b : a))
    expect(summary).toMatchObject({ finished: true, best: { step: best.step, value: best.loss } })
    expect(summary.steps).toBeLessThan(summary.totalSteps)
    expect(measured.at(-1)!.step).toBe(best.step + 2 * 3)
    const names = [best.step, summary.steps].map((step) => `step-${String(step).padStart(8, '0')}`)
    expect(checkpoints(out)).toEqual(names)
    expect(await adapterBytes(out)).toEqual(await adapterBytes(join(out, 'checkpoints', names[0]!)))
    expect(events.at(-1)).toMatchObject({
      type: 'done',
      stoppedEarly: true,
      kept: { step: best.step, metric: 'loss', value: best.loss },
    })
  })

  test('stopped after any step and resumed, it is the same run', async () => {
    await train(watched())
    const whole = course(await metrics())
    const bytes = await adapterBytes(out)
    const steps = whole.filter(({ type }) => type === 'step').length
    for (const at of [1, 4, steps - 1, steps]) {
      const dir = join(root, `stopped-${at}`)
      const stop = new AbortController()
      const onEvent = (event: TrainEvent) => {
        if (event.type === 'step' && event.step === at) stop.abort()
      }
      const first = await train(watched(), dir, { signal: stop.signal, onEvent })
      expect(first.finished).toBe(false)
      await train(watched(), dir, { resume: 'auto' })
      const isStep = ({ type }: Record<string, unknown>) => type !== 'checkpoint'
      expect(course(await metrics(dir)).filter(isStep)).toEqual(whole.filter(isStep))
      expect(await adapterBytes(dir)).toEqual(bytes)
    }
  })

  test('killed before its first checkpoint, it begins again, with one evaluation before the first step', async () => {
    const dir = join(root, 'again')
    await train(watched({ maxSteps: 1 }), dir)
    rmSync(join(dir, 'checkpoints'), { recursive: true })
    await train(watched({ maxSteps: 1 }), dir, { resume: 'auto' })
    expect(evals(await metrics(dir)).map(({ step }) => step)).toEqual([0, 1])
  })

  test('goes by a score where it is told to', async () => {
    const summary = await train(watched({ metricForBest: 'f1', patience: 1 }))
    const [, first, second] = evals(await metrics())
    expect(summary.best).toEqual(second!.f1! > first!.f1! ? expect.anything() : { step: first!.step, value: first!.f1 })
  })

  test('a best checkpoint that is gone is named', async () => {
    const config = watched({ saveTotalLimit: undefined })
    const { best } = await train(config)
    const copy = join(root, 'copy')
    cpSync(out, copy, { recursive: true })
    const folder = join(copy, 'checkpoints', `step-${String(best!.step).padStart(8, '0')}`)
    rmSync(folder, { recursive: true })
    await expect(train(config, copy, { resume: 'auto' })).rejects.toThrow(`${folder} is not a checkpoint`)
  })
})

describe('refused before anything is loaded', () => {
  test.each<[Partial<JoraSettings>, RegExp]>([
    [{ metricForBest: 'f1' }, /metricForBest is f1, expected loss or one of evalMetrics \(none\)/],
    [{ evalMetrics: ['bleu'] as never }, /evalMetrics is \["bleu"\], expected some of exact_match, f1, denotation/],
    [{ patience: 0 }, /patience is 0, expected an integer ≥ 1/],
    [{ saveTotalLimit: 0 }, /saveTotalLimit is 0, expected an integer ≥ 1/],
  ])('%j', (change, message) => {
    expect(() => new JoraConfig({ modelPath, ...change })).toThrow(message)
  })

  test.each([{ patience: 2 }, { loadBest: true }, { evalMetrics: ['f1'] as const }, { evalOnStart: true }])(
    '%j without held-out rows',
    async (change) => {
      const refusal = await train(configOf({ ...change, split: 1 })).catch((error: Error) => error)
      expect(refusal).toBeInstanceOf(ConfigError)
      expect((refusal as Error).message).toBe(
        `${Object.keys(change)[0]} needs held-out rows, and there are none: split is 1, and no row is marked as test`,
      )
    },
  )

  test('a score that no held-out question has', async () => {
    await expect(train(configOf({ evalMetrics: ['denotation'] }))).rejects.toThrow(
      /evalMetrics denotation: none of the 2 held-out questions that are asked has such a score/,
    )
  })

  test('what does not fit data, mesh, adapter or checkpoint is refused before the weights are read', async () => {
    await train(configOf({ maxSteps: 1 }))
    await using opened = await openModel(modelPath)
    const decoder = () => Promise.reject(new Error('the weights are read'))
    const model = Object.create(opened, { decoder: { value: decoder } }) as OpenModel
    const refusal = (change: Partial<JoraSettings>, dir = join(root, 'refused'), resume?: 'auto') =>
      train(configOf(change), dir, { model, device, resume }).catch((error: Error) => error.message)
    expect(await refusal({})).toBe('the weights are read')
    expect(await refusal({ patience: 2, split: 1 })).toMatch(/^patience needs held-out rows/)
    expect(await refusal({ initAdapter: out, loraR: 8 })).toMatch(/has r 4, alpha 8, .*; the run has r 8/)
    expect(await refusal({ learningRate: 1 }, out, 'auto')).toMatch(/was made with other settings/)
    const split = train(configOf({ mesh: 'data=16' }), join(root, 'refused'), { model })
    await expect(split).rejects.toThrow(/mesh has data=16, but a step has 4 samples/)
  })

  test('a file that marks its own test rows needs no split', async () => {
    const rows = JSON.parse(await readFile(datasetPath, 'utf8')) as object[]
    const marked = join(root, 'marked.json')
    await writeFile(marked, JSON.stringify(rows.map((row, i) => ({ ...row, split: i < 8 ? 'train' : 'test' }))))
    const { generateAlpacaDataset, trainLora } = await import('../../index')
    const config = configOf({ split: 1, patience: 2, maxSteps: 1 })
    const { finished } = await trainLora(config, await generateAlpacaDataset(marked, 'train', config), out)
    expect(finished).toBe(true)
  })
})

test('a recipe gives defaults, and what is given wins', () => {
  const { settings } = new JoraConfig({ modelPath, recipe: 'raft', loraR: 4 })
  expect(settings).toMatchObject({
    targetModules: 'all-linear',
    loraR: 4,
    loraAlpha: 32,
    learningRate: 5e-4,
    gradientAccumulationSteps: 2,
    epochs: 2,
  })
  expect(new JoraConfig({ modelPath }).settings).toMatchObject({ recipe: 'paper', loraAlpha: 16, epochs: 7 })
})
