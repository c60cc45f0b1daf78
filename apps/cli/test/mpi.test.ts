// The built command as the ranks of a job: what it computes and writes, how it is stopped, how it ends, on one host and on two.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openSafetensors } from '@jora/tensor/safetensors'
import { missingMpi, mpirun, run, type Outcome } from '../../../packages/shard/test/mpi/harness'
import { createTwoHosts, missingTwoHosts, type TwoHosts } from '../../../packages/shard/test/mpi/two-hosts'
import { isBuilt, workspace } from './harness'

const space = workspace()
const { path } = space
afterAll(() => space.remove())

const words = (text: string): string[] => text.split(' ')
const jora = [process.execPath, join(import.meta.dirname, '../bin/jora.mjs')]

/**
 * Twenty-four steps, each some 50 ms: enough to be hit in the middle. AdamW divides by the size of a gradient: one that is nothing
 * but rounding would move its weight a whole step either way. An ε above rounding leaves such weights where they are.
 */
const train = (out: string, mesh: string, ...more: string[]): string[] => [
  ...jora,
  'train',
  '--model',
  path('model'),
  '--dataset',
  path('rows.json'),
  '--output-dir',
  path(out),
  '--mesh',
  mesh,
  ...words('--device cpu --batch-size 2 --gradient-accumulation-steps 2 --lr 1e-3 --epochs 6'),
  ...words('--eval-every 12 --save-every 5 --adam-epsilon 1e-6'),
  ...more,
]

interface Event {
  readonly type: string
  readonly step: number
  readonly loss: number
  readonly deviceBytes: readonly number[]
}
const eventsOf = (out: string): Event[] =>
  readFileSync(path(out, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Event)
const stepsOf = (out: string): Event[] => eventsOf(out).filter(({ type }) => type === 'step')

async function adapterOf(out: string): Promise<Map<string, Float32Array>> {
  await using file = await openSafetensors(path(out, 'adapter_model.safetensors'))
  const arrays = new Map<string, Float32Array>()
  for (const name of file.tensors.keys()) arrays.set(name, new Float32Array((await file.read(name)).slice().buffer))
  return arrays
}

/** Losses of every step and the whole adapter are those of the unbroken run of one process. */
async function expectWhole(out: string): Promise<void> {
  const [steps, whole] = [stepsOf(out), stepsOf('whole')]
  expect(steps.map(({ step }) => step)).toEqual(whole.map(({ step }) => step))
  steps.forEach(({ loss, step }, i) =>
    expect(Math.abs(loss / whole[i]!.loss - 1), `loss of step ${step}`).toBeLessThan(1e-4),
  )
  const [mine, theirs] = [await adapterOf(out), await adapterOf('whole')]
  let [off, learned] = [0, 0]
  for (const [name, values] of theirs) {
    values.forEach((value, i) => {
      off += (mine.get(name)![i]! - value) ** 2
      // B began at zero: what it is was learned.
      if (name.includes('lora_B')) learned += value ** 2
    })
  }
  expect(Math.sqrt(off / learned), 'adapter').toBeLessThan(1e-4)
}

/** Ids of the ranks that train into `out`, by rank; they are this machine's processes on either host. */
function ranksOf(out: string): Map<number, number> {
  const read = (pid: string, file: string) => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\0')
    } catch {
      return [] // It has ended meanwhile.
    }
  }
  const ranks = new Map<number, number>()
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const command = read(pid, 'cmdline')
    if (command[0] !== process.execPath || !command.includes(path(out))) continue
    const variable = read(pid, 'environ').find((line) => line.startsWith('OMPI_COMM_WORLD_RANK='))
    if (variable !== undefined) ranks.set(Number(variable.split('=')[1]), Number(pid))
  }
  return ranks
}

const parentOf = (pid: number): number =>
  Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1])

/** Runs a job, and does `act` once it has kept its first checkpoint; `seconds` are those from then to the end. */
async function afterFirstCheckpoint(command: readonly string[], act: () => void): Promise<Outcome> {
  let acted: number | undefined
  const watch = (output: string) => {
    if (acted !== undefined || !output.includes('saved  step 5')) return
    acted = performance.now()
    act()
  }
  const outcome = await run(command, { watch })
  if (acted === undefined) throw new Error(`no checkpoint was told of: ${outcome.stderr}`)
  return { ...outcome, seconds: (performance.now() - acted) / 1000 }
}

const lastCheckpoint = (out: string): string => readdirSync(path(out, 'checkpoints')).sort().at(-1)!

/** A checkpoint is there, it is whole, and going on from it ends as if nothing had been. */
async function expectResumable(out: string): Promise<void> {
  expect(existsSync(path(out, 'adapter_model.safetensors'))).toBe(false)
  const { code, stderr } = await run(train(out, 'model=1', '--resume'))
  expect({ code, stderr }).toMatchObject({ code: 0 })
  await expectWhole(out)
}

const needs = [isBuilt ? '' : 'a build', missingMpi].filter((part) => part !== '')

beforeAll(async () => {
  if (needs.length > 0) return
  const { code, stderr } = await run(train('whole', 'model=1'))
  if (code !== 0) throw new Error(stderr)
})

describe.skipIf(needs.length > 0)(
  `jora under mpirun${needs.length > 0 ? ` (needs ${needs.join(' and ')})` : ''}`,
  () => {
    describe('trains as one process does, and rank 0 writes', () => {
      test.each([
        [2, 'model=2'],
        [4, 'data=2,model=2'],
      ])('%i ranks, %s', async (ranks, mesh) => {
        const out = `ranks-${ranks}`
        const { code, stdout, stderr } = await run([...mpirun(ranks), ...train(out, mesh, '--json')])
        expect({ code, stderr }).toMatchObject({ code: 0 })
        await expectWhole(out)
        expect(JSON.parse(stdout)).toMatchObject({ outputDir: path(out), steps: 24, finished: true })
        expect(stderr.match(/saved  step 5 /g)).toHaveLength(1)
        for (const { deviceBytes } of stepsOf(out)) {
          expect(deviceBytes).toHaveLength(ranks)
          for (const bytes of deviceBytes) expect(bytes).toBeGreaterThan(0)
        }
        expect(readdirSync(path(out)).sort()).toEqual(readdirSync(path('whole')).sort())
        const checkpoints = [5, 10, 15, 20, 24].map((step) => `step-${String(step).padStart(8, '0')}`)
        expect(readdirSync(path(out, 'checkpoints')).sort()).toEqual(checkpoints)
      })

      test('one process goes on from a checkpoint of four', async () => {
        const from = path('ranks-4', 'checkpoints/step-00000020')
        const { code, stderr } = await run(train('from-4', 'model=1', '--resume', from))
        expect({ code, stderr }).toMatchObject({ code: 0 })
        expect(stepsOf('from-4').map(({ step }) => step)[0]).toBe(21)
        const last = (out: string) => stepsOf(out).at(-1)!.loss
        expect(Math.abs(last('from-4') / last('whole') - 1)).toBeLessThan(1e-4)
      })
    })

    test('eval and generate speak once, and say what one process says', async () => {
      const both = ['--model', path('model'), '--adapter', path('whole'), '--device', 'cpu']
      const text = [...jora, 'generate', ...both, '--prompt', 'a b c', '--max-new-tokens', '6', '--json']
      const alone = await run(text)
      const job = await run([...mpirun(2), ...text, '--mesh', 'model=2'])
      expect({ code: job.code, stderr: job.stderr }).toEqual({ code: 0, stderr: '' })
      expect(JSON.parse(job.stdout)).toEqual(JSON.parse(alone.stdout))
      const figures = [...jora, 'eval', ...both, '--dataset', path('rows.json'), '--no-exact-match', '--json']
      const [one, two] = [await run(figures), await run([...mpirun(2), ...figures, '--mesh', 'data=2'])]
      const loss = ({ stdout }: Outcome) => (JSON.parse(stdout) as { loss: number }).loss
      expect(Math.abs(loss(two) / loss(one) - 1)).toBeLessThan(1e-5)
    })

    describe('an error that all ranks meet is told once', () => {
      test.each<[string, number, string, string[], number, string]>([
        [
          'no --mesh',
          4,
          'model=1',
          [],
          2,
          'mesh data=1,model=1 has 1 position, which 4 processes cannot share; start one process, or use --mesh model=4 or data=4',
        ],
        [
          'processes that do not fill the mesh',
          3,
          'model=4',
          [],
          2,
          'mesh data=1,model=4 has 4 positions, which 3 processes cannot share; start 4 processes, or use --mesh model=3 or data=3',
        ],
        [
          'an unknown flag',
          2,
          'model=2',
          ['--lora-rnk', '4'],
          2,
          "unknown option '--lora-rnk' (did you mean --lora-r?)",
        ],
        ['a run that is there', 2, 'model=2', ['--output-dir', path('whole')], 1, `${path('whole')} already has a run`],
      ])('%s', async (_, ranks, mesh, flags, code, message) => {
        const outcome = await run([...mpirun(ranks), ...train('none', mesh, ...flags)])
        expect(outcome.code).toBe(code)
        expect(outcome.stderr.match(/error: /g)).toHaveLength(1)
        expect(outcome.stderr).toContain(`error: ${message}`)
      })
    })

    test('an error that another rank meets is told by its name', async () => {
      const script = `[ $OMPI_COMM_WORLD_RANK = 1 ] && cd /; exec "$@"`
      const command = [...train('none', 'model=2'), '--dataset', 'rows.json']
      const { code, stderr } = await run([...mpirun(2), '--wdir', space.dir, 'sh', '-c', script, 'sh', ...command])
      expect(code).toBe(1)
      expect(stderr).toMatch(/^error: rank 1 on host \S+: --dataset rows\.json: no such file$/m)
      expect(stderr.match(/error: /g)).toHaveLength(1)
    })

    describe('stops in order', () => {
      test.each<[string, NodeJS.Signals, (ranks: Map<number, number>) => number]>([
        ['SIGTERM to one rank', 'SIGTERM', (ranks) => ranks.get(1)!],
        ['SIGINT to one rank', 'SIGINT', (ranks) => ranks.get(0)!],
        ['SIGUSR2 to mpirun, which hands it on', 'SIGUSR2', (ranks) => parentOf(ranks.get(0)!)],
      ])('%s', async (what, signal, target) => {
        const out = what.replaceAll(/\W+/g, '-')
        const { code, stderr, seconds } = await afterFirstCheckpoint([...mpirun(2), ...train(out, 'model=2')], () =>
          process.kill(target(ranksOf(out)), signal),
        )
        expect(code).toBe(130)
        expect(seconds).toBeLessThan(10)
        const [, step] = /stopped after step (\d+) of 24;.*\n {2}mpirun … .*jora(\.mjs)? train/.exec(stderr) ?? []
        expect(lastCheckpoint(out)).toBe(`step-${step!.padStart(8, '0')}`)
        if (signal === 'SIGTERM') await expectResumable(out) // the others leave the same, by the same code
      })

      test('mpirun that is told to end leaves the ranks some seconds; the last checkpoint stays', async () => {
        const { code, seconds } = await afterFirstCheckpoint([...mpirun(2), ...train('ended', 'model=2')], () =>
          process.kill(parentOf(ranksOf('ended').get(0)!), 'SIGTERM'),
        )
        expect(code).not.toBe(0)
        expect(seconds).toBeLessThan(10)
        await expectResumable('ended')
      })
    })
  },
)

const needsTwo = [...needs, missingTwoHosts].filter((part) => part !== '')

describe.skipIf(needsTwo.length > 0)(
  `two hosts${needsTwo.length > 0 ? ` (needs ${needsTwo.join(' and ')})` : ''}`,
  () => {
    let hosts: TwoHosts
    beforeAll(() => {
      hosts = createTwoHosts()
    })
    afterAll(() => hosts?.destroy())

    test('train as one process does', async () => {
      const { code, stderr } = await run([...hosts.mpirun(1), ...train('hosts', 'model=2')])
      expect({ code, stderr }).toMatchObject({ code: 0 })
      await expectWhole('hosts')
    })

    test('a rank that is killed ends the job, and the checkpoint goes on', async () => {
      const { code, seconds } = await afterFirstCheckpoint([...hosts.mpirun(1), ...train('killed', 'data=2')], () =>
        process.kill(ranksOf('killed').get(1)!, 'SIGKILL'),
      )
      expect(code).not.toBe(0)
      expect(seconds).toBeLessThan(10)
      await expectResumable('killed')
    })
  },
)
