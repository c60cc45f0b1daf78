// A run on a data set of the Hub beside a file, with weights and rows to hold out, against a small Hub on localhost.
import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { TestHub } from '../../../../packages/llama/src/hub/test-server'
import { jora, modelSource, workspace } from '../harness'

const space = workspace()
const { path } = space
const hub = new TestHub()
beforeAll(async () => {
  await hub.start()
  vi.stubEnv('HF_ENDPOINT', hub.endpoint)
  vi.stubEnv('HF_HOME', path('hub'))
  const rows = (name: string, count: number) =>
    Array.from({ length: count }, (_, i) => JSON.stringify({ instruction: `${name} ${i}?`, output: `${i}` })).join('\n')
  hub.repos['org/sums'] = {
    commit: 'c0ffee'.padEnd(40, '0'),
    files: { 'data/train-00000.jsonl': rows('hub', 8), 'data/test-00000.jsonl': rows('held out', 3) },
  }
  writeFileSync(path('own.jsonl'), rows('own', 4))
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await hub.stop()
  await space.remove()
})

describe.skipIf(!modelSource)('--dataset ID (needs the bundled model)', () => {
  test('trains on the Hub’s rows and a file’s, holds out another split, and evaluates on it', async () => {
    const model = ['--model', path('model'), '--device', 'cpu']
    const sets = ['--dataset', 'org/sums', '--dataset', path('own.jsonl'), '--dataset-weights', '0.5,2']
    const course = ['--num-epochs', '1', '--batch-size', '4', '--gradient-accumulation-steps', '1', '--lora-r', '2']
    const out = ['--output-dir', path('out'), '--eval-dataset', 'org/sums:test']
    const trained = await jora(['train', ...model, ...sets, ...course, ...out])
    expect(trained.err).toContain('downloading data/train-00000.jsonl')
    // Half of 8 and twice 4 make 12 samples, in 3 steps.
    expect(trained.err).toMatch(/12 samples \(3 held out\)/)
    expect(trained.code).toBe(0)
    const run = JSON.parse(readFileSync(path('out/run.json'), 'utf8')) as { dataset: { path: string } }
    expect(JSON.stringify(run)).toContain(`org/sums,${path('own.jsonl')}`)
    const scored = await jora([
      'eval',
      ...model,
      '--adapter',
      path('out'),
      '--dataset',
      'org/sums',
      '--no-exact-match',
      '--json',
    ])
    expect(JSON.parse(scored.out)).toMatchObject({ samples: 3 })
  })

  test('says what is wrong with a name, an unknown split, or weights', async () => {
    const train = (...more: string[]) => jora(['train', '--model', path('model'), '--output-dir', path('no'), ...more])
    const cases: [string[], number, string][] = [
      [['--dataset', 'nothing.json'], 1, '--dataset nothing.json: no such file'],
      [['--dataset', 'org/sums:validation'], 1, 'has no split validation: test, train'],
      [['--dataset', 'org/sums', '--dataset-weights', '1,2'], 1, '2 numbers for 1 data sets'],
      [['--dataset', 'org/sums', '--dataset-weights', 'twice'], 2, '--dataset-weights: got "twice"'],
      [['--dataset', 'org/sums', '--eval-dataset', 'none.jsonl'], 1, '--eval-dataset none.jsonl: no such file'],
    ]
    for (const [more, code, message] of cases) {
      const result = await train(...more)
      expect(result.err).toContain(message)
      expect(result.code).toBe(code)
    }
  })
})
