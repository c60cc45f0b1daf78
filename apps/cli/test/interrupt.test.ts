// The built program in its own process: signals, kills, and runs that end in the same adapter whatever happened.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isBuilt, jora, modelSource, spawnJora, workspace } from './harness'

const space = workspace()
afterAll(() => space.remove())

describe.skipIf(!isBuilt)('exit codes (needs a build)', () => {
  test.each<[string, string[], number, RegExp]>([
    ['done', ['data', '--help'], 0, /^$/],
    [
      'failed',
      ['data', 'preview', '--model', 'model', '--dataset', 'none.json'],
      1,
      /^error: --dataset none\.json: no such file\n$/,
    ],
    ['wrong usage', ['train', '--lora-rnk', '4'], 2, /^error: unknown option '--lora-rnk'/],
  ])('%s', async (_what, argv, code, err) => {
    const result = await spawnJora(argv, space.dir).ended
    expect(result).toMatchObject({ code, err: expect.stringMatching(err) })
  })
})

describe.skipIf(!isBuilt || !modelSource)('stopping and resuming (needs a build, ../shared)', () => {
  const train = (out: string, ...more: string[]) => [
    'train',
    '--model',
    'model',
    '--dataset',
    'rows.json',
    '--output-dir',
    out,
    '--batch-size',
    '2',
    '--gradient-accumulation-steps',
    '2',
    '--epochs',
    '8',
    '--save-every',
    '3',
    '--lr',
    '1e-3',
    ...more,
  ]
  const adapterOf = (out: string) => readFileSync(space.path(out, 'adapter_model.safetensors'))
  const steps = (out: string) =>
    readFileSync(space.path(out, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; step: number })
      .filter(({ type }) => type === 'step')
      .map(({ step }) => step)
  let whole: Buffer
  let seconds = 0

  beforeAll(async () => {
    const started = Date.now()
    const result = await spawnJora(train('whole'), space.dir).ended
    if (result.code !== 0) throw new Error(result.err)
    seconds = (Date.now() - started) / 1000
    whole = adapterOf('whole')
  })

  test('Ctrl-C ends with 130 after a checkpoint, and --resume ends as if nothing had been', async () => {
    const run = spawnJora(train('stopped', '--json'), space.dir)
    await run.says('saved')
    run.child.kill('SIGINT')
    const { code, out, err } = await run.ended
    expect({ code, err }).toMatchObject({ code: 130 })
    expect(JSON.parse(out)).toMatchObject({ finished: false, outputDir: 'stopped' })
    expect(err).toMatch(/stopped after step \d+ of 32; .*\n {2}.*jora(\.mjs)? train .* --json --resume\n$/)
    expect(existsSync(space.path('stopped', 'adapter_model.safetensors'))).toBe(false)
    const done = steps('stopped').length
    expect(readdirSync(space.path('stopped', 'checkpoints'))).toContain(`step-${String(done).padStart(8, '0')}`)

    const resumed = await spawnJora(train('stopped', '--resume'), space.dir).ended
    expect(resumed).toMatchObject({ code: 0 })
    expect(resumed.err).toMatch(new RegExp(`resuming from stopped/checkpoints/step-0*${done}\n`))
    expect(adapterOf('stopped').equals(whole)).toBe(true)
    expect(steps('stopped')).toEqual(Array.from({ length: 32 }, (_, i) => i + 1))
  })

  test('SIGTERM is taken as Ctrl-C; a second one ends at once', async () => {
    const run = spawnJora(train('twice'), space.dir)
    await run.says('step ')
    run.child.kill('SIGTERM')
    await run.says('stopping after this step')
    run.child.kill('SIGINT')
    const { code, signal, err } = await run.ended
    // The step may end before the second signal is heard. A shell calls death by SIGINT 130, too.
    expect({ ended: code === 130 || signal === 'SIGINT', err }).toMatchObject({ ended: true })
  })

  test('a reader that leaves early ends generate in order', async () => {
    const run = spawnJora(['generate', '--model', 'model', '--prompt', 'a', '--max-new-tokens', '300'], space.dir)
    run.child.stdout?.once('data', () => run.child.stdout?.destroy())
    // Not an abort: the device is inside a step when the pipe breaks.
    expect(await run.ended).toMatchObject({ signal: null, err: '' })
  })

  test.each([1, 2, 3])('kill -9 at any moment (%i), then --resume, gives the same bytes', async () => {
    rmSync(space.path('killed'), { recursive: true, force: true })
    const run = spawnJora(train('killed'), space.dir)
    await new Promise((resolve) => setTimeout(resolve, 1000 * seconds * (0.2 + 0.7 * Math.random())))
    run.child.kill('SIGKILL')
    await run.ended
    const { code, err } = await jora(
      train('killed', '--resume').map((word) =>
        ['model', 'rows.json', 'killed'].includes(word) ? space.path(word) : word,
      ),
    )
    expect({ code, err }).toMatchObject({ code: 0 })
    expect(adapterOf('killed').equals(whole)).toBe(true)
  })
})
