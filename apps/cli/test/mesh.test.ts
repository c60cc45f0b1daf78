// The command line on a mesh of one process: what is said of it, what is refused, and commands that give what one device gives.
import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import { startCommand } from '@jora/shard/mpi'
import { jora, modelSource, workspace } from './harness'

const space = workspace()
const { path } = space
afterAll(() => space.remove())

const words = (text: string): string[] => text.split(' ')
const common = ['--model', path('model'), '--dataset', path('rows.json'), '--device', 'cpu']
const train = (out: string, ...more: string[]) =>
  jora([
    'train',
    ...common,
    '--output-dir',
    path(out),
    ...words('--batch-size 2 --gradient-accumulation-steps 2 --lr 1e-3 --max-steps 4'),
    ...more,
  ])
const lossesOf = (out: string): number[] =>
  readFileSync(path(out, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .flatMap((line) => {
      const event = JSON.parse(line) as { type: string; loss: number }
      return event.type === 'step' || event.type === 'eval' ? [event.loss] : []
    })

describe('estimate', () => {
  const totalOf = async (mesh: string): Promise<number> => {
    const about = '--shape llama-2-7b --seq 2048 --gradient-checkpointing on --gradient-accumulation-steps 1 --json'
    const { code, out, err } = await jora(['estimate', '--mesh', mesh, ...words(about)])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    return (JSON.parse(out) as { estimates: { totalBytes: number }[] }).estimates[0]!.totalBytes
  }

  test('a device of four takes at most 0.30 of what one alone takes', async () => {
    expect((await totalOf('model=4')) / (await totalOf('model=1'))).toBeLessThanOrEqual(0.3)
  })
})

describe.skipIf(!modelSource)('a mesh of CPU devices (needs ../shared)', () => {
  test('train says where it computes and what comes next, and learns as one device does', async () => {
    expect(await train('one')).toMatchObject({ code: 0 })
    const { code, err } = await train('four', '--mesh', 'data=2,model=2')
    expect(code).toBe(0)
    expect(err).toMatch(/ · 4 steps · mesh data=2,model=2 of \S.*, 1 thread$/m)
    expect(err).toMatch(/^step +1\/4 {2}loss \d+\.\d{4} {2}lr 1\.00e-3 {2}[\d.k]+ tokens\/s {2}ETA /m)
    expect(err).toMatch(/^saved +step 4 /m)
    expect(err).toContain(`--adapter ${path('four')} --mesh data=2,model=2 --instruction`)
    expect(err).toContain(`--split 0.8 --mesh data=2,model=2\n`)
    const [one, four] = [lossesOf('one'), lossesOf('four')]
    expect(four).toHaveLength(5)
    four.forEach((loss, i) => expect(Math.abs(loss / one[i]! - 1)).toBeLessThan(1e-4))
  })

  test('train --explain', async () => {
    const { code, err } = await train('explained', '--mesh', 'data=2,model=2', '--explain')
    expect(code).toBe(0)
    const lines = err.split('\n')
    const from = lines.findIndex((line) => line.startsWith('What each device'))
    const to = lines.findIndex((line) => line.startsWith('step '))
    // How many segments there are is the partitioner's affair.
    expect(lines.slice(from, to).filter((line) => !line.includes('segments'))).toMatchSnapshot()
  })

  test('train --explain on one device says that there is nothing to say', async () => {
    const { err } = await train('alone', '--explain', '--max-steps', '1')
    expect(err).toContain('one device: no tensor is split, and nothing is sent\n')
  })

  test('eval gives the figures of one device', async () => {
    const evaluate = async (...mesh: string[]) => {
      const argv = ['eval', ...common, '--limit', '6', '--max-new-tokens', '4', '--json']
      const { code, out, err } = await jora([...argv, ...mesh])
      expect({ code, err }).toMatchObject({ code: 0 })
      return JSON.parse(out) as { loss: number; targetTokens: number; exactMatch: number }
    }
    const { loss, targetTokens, exactMatch } = await evaluate()
    for (const mesh of ['model=2', 'data=2,model=2']) {
      const split = await evaluate('--mesh', mesh)
      expect(split).toMatchObject({ targetTokens, exactMatch })
      expect(Math.abs(split.loss / loss - 1)).toBeLessThan(1e-5)
    }
  })

  test('generate gives the text of one device', async () => {
    const generate = async (...more: string[]) => {
      const argv = ['generate', '--model', path('model'), '--device', 'cpu', '--prompt', '-', '--max-new-tokens', '12']
      const { code, out, err } = await jora([...argv, '--json', ...more], { stdin: 'a b c d' })
      expect({ code, err }).toEqual({ code: 0, err: '' })
      return JSON.parse(out) as { text: string; tokens: number[] }
    }
    const one = await generate()
    expect(one.tokens.length).toBeGreaterThan(3)
    expect(await generate('--mesh', 'model=4')).toEqual(one)
    expect(await generate('--mesh', 'data=2,model=2')).toEqual(one)
  })

  const heads = (JSON.parse(readFileSync(path('model', 'config.json'), 'utf8')) as { num_attention_heads: number })
    .num_attention_heads
  test.each<[string, string[], string]>([
    [
      'heads that do not divide',
      ['--mesh', 'model=3'],
      `mesh data=1,model=3: a model with ${heads} attention heads cannot be split over 3 devices; use model=2 or model=4`,
    ],
    [
      'fewer samples a step than parts',
      ['--mesh', 'data=8'],
      'mesh has data=8, but a step has 4 samples (batch size 2, 2 micro-steps); use data=4 or less, or larger steps',
    ],
    [
      'a launcher that is not there',
      ['--mesh', 'model=4', '--launcher', 'mpi'],
      `launcher is mpi, but no launcher started this process; start it as ${startCommand(4, '…')}`,
    ],
  ])('refused with 2, before anything is written: %s', async (_, flags, message) => {
    writeFileSync(path('refused'), '') // No directory: it could not be written to.
    expect(await train('refused', ...flags)).toEqual({ code: 2, out: '', err: `error: ${message}\n` })
  })
})
