// A length curriculum: the order of lengths, every sample once an epoch, exact resumption, few programs.
import { reach, type Sample } from '@jora/data'
import { describe, expect, test } from 'vitest'
import { listCheckpoints, type TrainConfig } from '../../index'
import { config, dataOf, dir, inputs, mixed, resuming, run, saving, setUp, stepsOf, trees } from '../trainer-harness'
import { planRun } from './run-plan'

setUp()

const of = (change: Partial<TrainConfig>): TrainConfig => ({
  ...config,
  epochs: 3,
  lengthCurriculum: 'first',
  ...change,
})
const planned = (samples: readonly Sample[], change: Partial<TrainConfig> = {}) =>
  planRun(samples, of(change), { rowTokens: samples === trees ? 128 : undefined, padId: 0, groups: 1, mostShapes: 3 })

describe.each([
  ['samples', mixed],
  ['trees', trees],
] as const)('%s', (_name, samples) => {
  /** Lengths of the samples of each step, in units that count as equal. */
  const lengthsOf = (plan: ReturnType<typeof planned>, epoch: number) =>
    plan.stepsOf(epoch).map((step) => step.flat(2).map((index) => Math.ceil(reach(samples[index]!) / 32)))
  const isRising = (steps: readonly (readonly number[])[]) =>
    steps.every((step, i) => i === 0 || Math.min(...step) >= Math.max(...steps[i - 1]!))

  test.each(['first', 'every'] as const)('come from short to long (%s), each once an epoch', (lengthCurriculum) => {
    const plan = planned(samples, { lengthCurriculum })
    for (const epoch of [0, 1, 2]) {
      const indices = plan.stepsOf(epoch).flat(3)
      expect(indices.sort((a, b) => a - b)).toEqual([...samples.keys()])
      expect(isRising(lengthsOf(plan, epoch)), `epoch ${epoch}`).toBe(lengthCurriculum === 'every' || epoch === 0)
    }
    expect(planned(samples, { lengthCurriculum }).stepsOf(0)).toEqual(plan.stepsOf(0))
    expect(planned(samples, { lengthCurriculum, seed: 9 }).stepsOf(0)).not.toEqual(plan.stepsOf(0))
  })

  test('a run that stopped goes on to the same bytes, with at most three programs', async () => {
    const given = inputs({
      ...saving,
      train: samples,
      heldOut: samples.slice(0, 3),
      config: of({ epochs: 2, lengthCurriculum: 'first' }),
      rowTokens: samples === trees ? 128 : undefined,
    })
    const whole = await run(given)
    const { programs } = whole.events.findLast((event) => event.type === 'done')!
    expect(programs).toBeLessThanOrEqual(3)
    const tokens = stepsOf(whole.events).map((step) => step.tokens / step.samples)
    expect(tokens[0]!).toBeLessThan(Math.max(...tokens))
    const folders = await listCheckpoints(dir)
    for (const folder of [folders[0]!, folders[Math.floor(folders.length / 2)]!]) {
      const rest = await run({ ...given, saveCheckpoint: undefined, ...(await resuming(folder)) })
      expect(await dataOf(rest.result.adapter)).toEqual(await dataOf(whole.result.adapter))
    }
  })
})

test('samples of the same length keep the order of the file where nothing is shuffled', () => {
  const order = planned(mixed, { shuffle: false, lengthCurriculum: 'every' }).stepsOf(1).flat(3)
  const bucket = (index: number) => Math.ceil(reach(mixed[index]!) / 32)
  expect(order).toEqual([...mixed.keys()].sort((a, b) => bucket(a) - bucket(b) || a - b))
})
