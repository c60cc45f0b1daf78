// Settings files of the command line and bodies of the page's API, mutated by a seed: exit codes and statuses hold, and
// what is said is meant for the person who wrote the file.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { jora } from '../../apps/cli/test/harness'
import { Space, type TestServer } from '../../packages/gui/test/harness'
import { Dice, mutateJson, mutateText } from './mutate'
import { internal } from './verdict'

const count = Number(process.env.JORA_FUZZ ?? 300)
const first = Number(process.env.JORA_FUZZ_SEED ?? 1)
const seeds = Array.from({ length: count }, (_, i) => first + i)

const yaml = `# a run
dataset: rows.jsonl
output-dir: out
lora-r: 8
lora_alpha: 16
loraDropout: 0.05
target-modules: [q_proj, v_proj]
use-rslora: true
learning-rate: 1e-4
lr-scheduler: cosine
num-epochs: 2
max-seq-length: 128
on-overflow: drop
split: 0.8
seed: 7
rank-pattern: { q_proj: 4 }
`

describe('a settings file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'jora-fuzz-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  test('is refused with its name and exit code 2, or read', { timeout: 600_000 }, async () => {
    const faults: string[] = []
    for (const seed of seeds) {
      const file = join(folder, 'run.yaml')
      writeFileSync(file, mutateText(yaml, new Dice(seed)))
      // The model does not exist: a file that is read ends there, before anything is loaded or written.
      const { code, out, err } = await jora(['train', '--config', file, '--model', join(folder, 'none')])
      const said = err.split('\n').filter((line) => line.startsWith('error: '))
      if (out !== '' || said.length !== 1 || internal.test(err) || (code !== 1 && code !== 2))
        faults.push(`seed ${seed}: exit code ${code}: ${err.slice(0, 400)}`)
    }
    expect(faults).toEqual([])
  })
})

describe('the API of the page', () => {
  const space = new Space()
  let server: TestServer
  beforeAll(async () => {
    server = await space.start()
  })
  afterAll(() => space.remove())

  const bodies = (): readonly (readonly [path: string, body: unknown])[] => [
    ['/api/runs', { kind: 'train', name: 'a run', settings: space.settings(2, 50, { loraR: 8, learningRate: 1e-4 }) }],
    ['/api/mesh', { model: space.model, mesh: 'data=1,model=2' }],
    ['/api/estimate', { settings: space.settings(2, 50, { maxSeqLength: 64 }) }],
    ['/api/datasets/inspect', { path: space.rows }],
    ['/api/datasets/preview', { model: space.model, dataset: space.rows, settings: {} }],
    ['/api/hub/download', { id: 'org/model' }],
    ['/api/chat', { model: space.model, messages: [{ role: 'user', content: 'Hi' }] }],
  ]

  test('answers a body of any form with a status below 500 and a reason', { timeout: 600_000 }, async () => {
    const faults: string[] = []
    for (const seed of seeds) {
      const dice = new Dice(seed)
      const [path, body] = dice.pick(bodies())
      // A run that starts and a Hub that is asked are other tests' work: here the body has to be wrong.
      const mutated = mutateJson(body, dice)
      const broken = typeof mutated === 'object' && mutated !== null && !Array.isArray(mutated)
      const sent = broken ? { ...mutated, nobodyKnowsThis: seed } : mutated
      const response = await fetch(`${server.gui.address}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', cookie: server.cookie, origin: server.gui.address },
        body: JSON.stringify(sent) ?? 'undefined',
      })
      const text = await response.text()
      if (response.status >= 500 || (response.status >= 400 && !/"message":"[^"]+/.test(text)) || internal.test(text))
        faults.push(`seed ${seed}: ${path}: ${response.status} ${text.slice(0, 300)}`)
    }
    expect(faults).toEqual([])
    const { runs } = JSON.parse(
      await (await fetch(`${server.gui.address}/api/runs`, { headers: { cookie: server.cookie } })).text(),
    ) as { runs: unknown[] }
    expect(runs).toEqual([])
    expect(readFileSync(space.rows, 'utf8')).toContain('Say red.')
  })
})
