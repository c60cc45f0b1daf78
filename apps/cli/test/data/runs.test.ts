// jora runs: lists, compares, plots and writes runs.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { plot } from '../../src/ui/plot'
import { jora, workspace } from '../harness'

const space = workspace()
const { path } = space
afterAll(() => space.remove())

beforeAll(() => {
  for (const [name, rate] of [
    ['slow', 1e-4],
    ['fast', 1e-3],
  ] as const) {
    mkdirSync(path('runs', name), { recursive: true })
    const settings = { learningRate: rate, loraR: 8, epochs: 2 }
    writeFileSync(
      path('runs', name, 'run.json'),
      JSON.stringify({ startedAt: '2026-01-02T03:04:05Z', totalSteps: 40, settings }),
    )
    const steps = Array.from({ length: 40 }, (_, i) => ({
      type: 'step',
      step: i + 1,
      epoch: i / 20,
      loss: 3 * Math.exp(-rate * 300 * i),
      learningRate: rate,
      gradNorm: 1,
      tokens: 10,
      stepMs: 10,
    }))
    const rest = [
      { type: 'eval', step: 40, loss: 1.25, perplexity: 3.5, f1: 0.5 },
      { type: 'done', steps: 40, seconds: 1, peakDeviceBytes: [] },
    ]
    writeFileSync(
      path('runs', name, 'metrics.jsonl'),
      [...steps, ...rest].map((line) => `${JSON.stringify(line)}\n`).join(''),
    )
  }
})

test('lists the runs of a folder, and the settings in which they differ', async () => {
  const { code, out, err } = await jora(['runs', path('runs'), '--compare'])
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(out).toMatch(/^run +state +steps +loss +held out +best +scores\n/)
  expect(out).toMatch(/^fast +done +40\/40 +0\.0000 +1\.2500 +1\.2500 @ 40 +f1 50\.0%$/m)
  expect(out).toMatch(/^learningRate +0\.001 +0\.0001$/m)
  expect(out).not.toMatch(/loraR|numEpochs/)
  const { out: json } = await jora(['runs', path('runs'), '--json'])
  expect((JSON.parse(json) as { name: string; best: unknown }[])[0]).toMatchObject({
    name: 'fast',
    best: { step: 40, loss: 1.25 },
  })
})

test.each([60, 120])('plots in %i columns', async (width) => {
  const { code, out } = await jora(['runs', path('runs', 'slow'), '--plot', '--columns', String(width)])
  expect(code).toBe(0)
  const drawn = out.split('\n').filter((line) => line.includes('│'))
  expect(drawn).toHaveLength(11)
  for (const line of drawn) expect(line).toHaveLength(width)
  expect(drawn[0]).toMatch(/^3\.000 │[\u2801-\u28ff]/)
  expect(out).toMatch(new RegExp(`^ +step 1 +40$`, 'm'))
  // It falls: the last line has dots at its right end alone.
  expect(drawn.at(-1)).toMatch(/│\u2800+[\u2801-\u28ff]+$/)
})

test('a curve of one point, and one that is level, are drawn', () => {
  expect(plot([{ step: 3, value: 2 }], { width: 40, height: 5 })).toHaveLength(5)
  const level = plot(
    [1, 2, 3].map((step) => ({ step, value: 7 })),
    { width: 40, height: 5 },
  )
  expect(level.filter((line) => /[\u2801-\u28ff]/.test(line.slice(8)))).toHaveLength(1)
  expect(plot([], { width: 40, height: 5 })).toEqual(['nothing to plot'])
})

test('writes a run as CSV, as a page, and runs for TensorBoard', async () => {
  const one = await jora(['runs', path('runs', 'slow'), '--csv', path('slow.csv'), '--html', path('slow.html')])
  expect(one).toMatchObject({ code: 0, err: expect.stringContaining('slow.csv') })
  expect(readFileSync(path('slow.csv'), 'utf8').split('\n')).toHaveLength(42)
  expect(readFileSync(path('slow.html'), 'utf8')).toContain('<polyline')
  expect((await jora(['runs', path('runs'), '--tensorboard', path('events')])).code).toBe(0)
  for (const name of ['fast', 'slow'])
    expect(readFileSync(join(path('events'), name, 'events.out.tfevents.1767323045.jora')).length).toBeGreaterThan(1000)
})

test.each([
  [['nowhere'], /nowhere: no such folder/],
  [['runs', '--series', 'eval/bleu'], /--series: fast has no eval\/bleu; it has train\/loss, /],
  [['runs', '--csv', 'x.csv'], /--csv takes one run, and .*runs holds 2/],
])('%j is refused in plain words', async ([folder, ...more], message) => {
  const { code, err } = await jora(['runs', path(folder!), ...more])
  expect(code).toBe(2)
  expect(err).toMatch(message)
})
