// The quickstart as users run it: the whole of it once, into a directory of an earlier one, and what it refuses.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { isBuilt, spawnJora, workspace } from './harness'

const space = workspace()
const { path } = space
afterAll(() => space.remove())

const asset = (name: string) => join(import.meta.dirname, '../assets', name)
/** run.json of a run on `modelPath` and a quickstart's rows. */
const runOf = (modelPath: string) =>
  JSON.stringify({ settings: { modelPath }, dataset: { path: 'somewhere/raft.jsonl' } })

const make = (name: string, files: Record<string, string>): string => {
  mkdirSync(path(name))
  for (const [file, content] of Object.entries(files)) writeFileSync(path(name, file), content)
  return path(name)
}

describe.skipIf(!isBuilt)('jora quickstart (needs a build)', () => {
  test.each<[string, Record<string, string>, string]>([
    ['a run of another model', { 'run.json': runOf('elsewhere'), 'metrics.jsonl': '{}\n' }, 'run.json'],
    ['a run without a record', { 'metrics.jsonl': '' }, 'metrics.jsonl'],
    ['a broken record', { 'run.json': '{' }, 'run.json'],
    ['files of another kind', { 'README.md': '# Mine\n' }, 'README.md'],
  ])('refuses a directory with %s, untouched', async (name, files, first) => {
    const folder = make(name, files)
    const result = await spawnJora(['quickstart', '--output-dir', folder], space.dir).ended
    expect(result).toMatchObject({
      code: 1,
      out: '',
      err: `error: ${folder} has another run or other files (${first}); choose another --output-dir\n`,
    })
    for (const [file, content] of Object.entries(files)) expect(readFileSync(join(folder, file), 'utf8')).toBe(content)
  })

  test('replaces an earlier one, retrieves, is stopped and goes on, learns, leaves rows, adapter, merged model and figures', async () => {
    const folder = make('quick', {
      'run.json': runOf(asset('tiny-llama')),
      'metrics.jsonl': '{"type":"step","step":1,"loss":9}\n',
      'notes.txt': 'mine',
    })
    mkdirSync(join(folder, 'merged'))
    writeFileSync(join(folder, 'merged/old.txt'), '')
    const first = spawnJora(['quickstart', '--output-dir', folder], space.dir)
    await first.says('step ')
    first.child.kill('SIGINT')
    const stopped = await first.ended
    expect(stopped.code).toBe(130)
    const [, step] = /stopped after step (\d+) of \d+; quickstart continues from there/.exec(stopped.err)!
    const result = await spawnJora(['quickstart', '--output-dir', folder, '--json'], space.dir).ended
    expect(result).toMatchObject({ code: 0 })
    expect(result.err).toContain(`going on from the checkpoint of step ${step}\n`)
    const lines = readFileSync(join(folder, 'metrics.jsonl'), 'utf8').trim().split('\n')
    const steps = lines.map((line) => JSON.parse(line) as { type: string; step: number })
    const trained = steps.flatMap(({ type, step: number }) => (type === 'step' ? [number] : []))
    expect(trained).toEqual(trained.map((_, i) => i + 1))
    expect(trained.length).toBeGreaterThan(Number(step))

    const figures = JSON.parse(readFileSync(join(folder, 'quickstart.json'), 'utf8')) as {
      exactMatch: { base: number; tuned: number }
      f1: { base: number; tuned: number }
      trainSeconds: number
      totalSeconds: number
    }
    expect(figures).toEqual({
      exactMatch: { base: expect.any(Number), tuned: expect.any(Number) },
      f1: { base: expect.any(Number), tuned: expect.any(Number) },
      heldOutRows: 175,
      trainSeconds: expect.any(Number),
      totalSeconds: expect.any(Number),
    })
    expect(JSON.parse(result.out)).toEqual(figures)
    expect(figures.exactMatch.tuned - figures.exactMatch.base).toBeGreaterThanOrEqual(0.5)
    expect(figures.trainSeconds).toBeGreaterThan(0)
    expect(figures.totalSeconds).toBeGreaterThan(figures.trainSeconds)

    expect(readdirSync(folder).sort()).toEqual([
      'README.md',
      'adapter_config.json',
      'adapter_model.safetensors',
      'checkpoints',
      'merged',
      'metrics.jsonl',
      'notes.txt',
      'prompt.json',
      'quickstart.json',
      'raft.jsonl',
      'run.json',
    ])
    expect(readdirSync(join(folder, 'merged')).sort()).toEqual([
      'config.json',
      'generation_config.json',
      'model.safetensors',
      'prompt.json',
      'tokenizer.json',
      'tokenizer_config.json',
    ])
    expect(readFileSync(join(folder, 'metrics.jsonl'), 'utf8')).not.toContain('"loss":9}')

    expect(result.err).toMatch(/^JORA quickstart · 1\.0M-parameter Llama · adapter 315k · \S/)
    expect(result.err).toContain(
      '710 questions to train on, 175 held out, about 35 documents that training never sees\n',
    )
    expect(result.err).toMatch(/context trees: 277k → 81k tokens \(3\.4× fewer\)/)
    // No held-out document is in a training context.
    const rows = readFileSync(join(folder, 'raft.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((l) => JSON.parse(l) as { split: string; context: { id: string }[] })
    const ids = (split: string) =>
      new Set(rows.filter((r) => r.split === split).flatMap((r) => r.context.map(({ id }) => id)))
    expect([...ids('train')].filter((id) => ids('test').has(id))).toEqual([])
    // One of the commands it names, on the merged model.
    const asked = ['eval', '--model', join(folder, 'merged'), '--dataset', join(folder, 'raft.jsonl'), '--split', '0.8']
    const again = await spawnJora([...asked, '--max-new-tokens', '64', '--limit', '20', '--json'], space.dir).ended
    expect(again.code).toBe(0)
    expect((JSON.parse(again.out) as { exactMatch: number }).exactMatch).toBeGreaterThan(0.3)
  }, 1_500_000)
})
