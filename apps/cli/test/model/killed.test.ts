// A run that watches answers, killed at random moments and resumed each time, is the run that was never killed.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bundle, type Program } from '../../../../packages/shard/test/mpi/harness'
import { jora, modelSource, workspace } from '../harness'

const space = workspace()
let program: Program
beforeAll(async () => {
  program = await bundle(join(import.meta.dirname, '../../src/main.ts'))
  // The CPU's worker, beside the bundle, loads its packages from where they are installed.
  const worker = join(import.meta.dirname, '../../../../packages/tensor/src/backend-onnx/worker.mjs')
  writeFileSync(join(dirname(program.file), 'worker.mjs'), `import ${JSON.stringify(pathToFileURL(worker).href)}\n`)
})
afterAll(async () => {
  await space.remove()
  program.remove()
})

const kills = 4
const flags =
  '--batch-size 2 --gradient-accumulation-steps 2 --epochs 6 --save-every 3 --eval-every 2 --lr 2e-2 --lora-r 4 --device cpu ' +
  '--eval-metrics exact_match,f1 --eval-samples 2 --eval-max-new-tokens 3 --eval-on-start --patience 3 --load-best --save-total-limit 2'
const train = (out: string) => [
  'train',
  `--model=${space.path('model')}`,
  `--dataset=${space.path('rows.json')}`,
  `--output-dir=${space.path(out)}`,
  ...flags.split(' '),
]

type Event = Readonly<Record<string, unknown>>
const events = (out: string): Event[] =>
  existsSync(space.path(out, 'metrics.jsonl'))
    ? readFileSync(space.path(out, 'metrics.jsonl'), 'utf8')
        .split('\n')
        .filter((line) => line.endsWith('}'))
        .map((line) => JSON.parse(line) as Event)
    : []
const fleeting = new Set(['programs', 'stepMs', 'seconds', 'answerSeconds', 'deviceBytes', 'peakDeviceBytes'])
/** Without what depends on time and memory. */
const course = (out: string) =>
  events(out).map((event) => Object.fromEntries(Object.entries(event).filter(([key]) => !fleeting.has(key))))

describe.skipIf(!modelSource)('kill -9 (needs the bundled model)', () => {
  test('at random moments, again and again, changes nothing of what is left', async () => {
    const whole = await jora(train('whole'))
    expect({ code: whole.code, err: whole.err }).toMatchObject({ code: 0 })
    expect(whole.err).toMatch(/^eval {3}step 0 .* {2}exact match \d.* {2}F1 \d.* {2}\(2 answers in \d/m)
    expect(whole.err).toMatch(/^ended after step \d+ of 24: 3 evaluations without a better held-out loss$/m)
    expect(whole.err).toMatch(/^the adapter is that of step \d+, whose held-out loss was the best: \d/m)
    const lines = events('whole').length

    for (let killed = 0; ;) {
      const before = events('killed').length
      const child = spawn(process.execPath, [program.file, ...train('killed'), '--resume'], { stdio: 'ignore' })
      const ended = once(child, 'exit')
      if (killed < kills) {
        // While some line after a few more is computed or written.
        const until = before + 1 + Math.floor((Math.random() * (lines - before)) / 2)
        while (events('killed').length < until && child.exitCode === null)
          await new Promise((resolve) => setTimeout(resolve, 2))
        await new Promise((resolve) => setTimeout(resolve, 30 * Math.random()))
        child.kill('SIGKILL')
        killed++
      }
      const [code] = (await ended) as [number | null]
      if (code !== null) {
        expect(code).toBe(0)
        break
      }
    }
    expect(course('killed')).toEqual(course('whole'))
    const file = (out: string) => readFileSync(space.path(out, 'adapter_model.safetensors'))
    expect(file('killed').equals(file('whole'))).toBe(true)
    const kept = (out: string) => readdirSync(space.path(out, 'checkpoints'))
    expect(kept('killed')).toEqual(kept('whole'))
  }, 120_000)
})
