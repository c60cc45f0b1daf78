// Runs that are made, removed, paused, stopped, killed and resumed at random moments, by servers that end or are killed at
// others: no process is left that nobody knows of, no run in a state that cannot be, no metric lost.
//
// JORA_MOMENTS=500 JORA_SEED=7 tries more of them, and others.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allows, controlFile, fold, metricsFile, newRun, type ControlEvent, type TrainEvent } from '@jora/lora'
import { ApiError, type Run } from '../src/client'
import { startOf } from '../src/process/alive'
import { fake, Space, until } from './harness'
import { bundleServer, ServerProcess } from './server-process'

const moments = Number(process.env.JORA_MOMENTS ?? 60)
const seed = Number(process.env.JORA_SEED ?? 1)
const concurrency = 2

/** Numbers in [0, 1), the same for the same seed. */
function randomOf(state: number): () => number {
  let s = state >>> 0
  return () => {
    s = (s + 0x6d2b79f5) >>> 0
    let t = Math.imul(s ^ (s >>> 15), 1 | s)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

interface Noted {
  readonly pid: number
  readonly folder: string
  readonly event?: TrainEvent
}

const space = new Space()
const ledger = join(space.dir, 'ledger')
const runsFolder = join(space.root, 'jora-runs')
let file: string
let server: ServerProcess

const jsonLines = <T>(path: string): T[] =>
  existsSync(path)
    ? readFileSync(path, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as T)
    : []
const folders = (): string[] =>
  existsSync(runsFolder) ? readdirSync(runsFolder).map((name) => join(runsFolder, name)) : []
const markOf = (folder: string) =>
  (JSON.parse(readFileSync(join(folder, 'gui.json'), 'utf8')) as { process: { pid: number } | null }).process
/** Processes of runs that still run. */
async function living(): Promise<number[]> {
  const pids = [...new Set(jsonLines<Noted>(ledger).map(({ pid }) => pid))]
  const starts = await Promise.all(pids.map(startOf))
  return pids.filter((_, i) => starts[i] !== undefined)
}
/** Of them, those that are no run's. */
async function orphans(): Promise<number[]> {
  // Processes first: one that ends meanwhile is none.
  const pids = await living()
  const known = new Set(
    folders().flatMap((folder) => (existsSync(join(folder, 'gui.json')) ? [markOf(folder)?.pid] : [])),
  )
  const unknown = pids.filter((pid) => !known.has(pid))
  const still = new Set(await living())
  return unknown.filter((pid) => still.has(pid))
}

function checkControl(folder: string): void {
  let run = newRun
  for (const event of jsonLines<ControlEvent>(join(folder, controlFile))) {
    if (run.isWatched && !allows(run, event.type))
      throw new Error(`${folder}: ${event.type} happened to a run that was ${run.state}`)
    run = fold(run, event)
  }
}

/** What metrics.jsonl must hold by the ledger: if its last process took back what it does again, and if it did not come to that. */
function chainsOf(folder: string): TrainEvent[][] {
  let [before, chain, saved]: [TrainEvent[], TrainEvent[], number] = [[], [], 0]
  for (const { event } of jsonLines<Noted>(ledger).filter((line) => line.folder === folder)) {
    if (event === undefined) {
      before = chain
      chain = chain.filter((old) => old.type !== 'done' && old.type !== 'error' && old.step <= saved)
    } else chain.push(event)
    if (event?.type === 'checkpoint') saved = event.step
  }
  return [chain, before]
}

const start = () =>
  ServerProcess.start(file, {
    roots: [space.root],
    stateDir: join(space.dir, 'state'),
    command: [process.execPath, fake],
    concurrency,
  })

beforeAll(async () => {
  process.env.JORA_FAKE_LEDGER = ledger
  file = await bundleServer()
  server = await start()
})
afterAll(async () => {
  delete process.env.JORA_FAKE_LEDGER
  await server.end('SIGTERM')
  for (const pid of await living()) process.kill(pid, 'SIGKILL')
  await space.remove()
  rmSync(file, { force: true })
})

test(`${moments} random moments (seed ${seed})`, { timeout: 60_000 + moments * 2_000 }, async () => {
  const random = randomOf(seed)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
  const did: Record<string, number> = {}
  let made = 0

  const create = () =>
    server.client.createRun({
      kind: 'train',
      name: pick(['a', 'b', `run ${++made}`]),
      settings: space.settings(10 + Math.floor(random() * 60), 150, {
        evalEvery: 5,
        ...(random() < 0.1 && { gpu: pick(['stubborn', 'broken']) }),
      }),
    })
  /** What can be done to it by what the page shows; it may have changed since. */
  const act = (run: Run) => {
    const action = pick(run.actions)
    did[action] = (did[action] ?? 0) + 1
    return server.client[action](run.id)
  }
  const killRun = (run: Run) => {
    const mark = markOf(run.folder)
    if (mark) process.kill(mark.pid, 'SIGKILL')
  }
  const moment = async (): Promise<void> => {
    const runs = await server.client.runs()
    const open = runs.filter(({ state }) => state !== 'done')
    const able = runs.filter(({ actions }) => actions.length > 0)
    const active = runs.filter(({ state }) => state === 'running' || state === 'starting')
    const what = random()
    if (open.length < 3 || (what < 0.2 && open.length < 8)) return void (await create())
    if (what < 0.65 && able.length > 0) return void (await act(pick(able)))
    if (what < 0.8 && active.length > 0) return killRun(pick(active))
    const signal = what < 0.9 ? 'SIGTERM' : 'SIGKILL'
    did[signal] = (did[signal] ?? 0) + 1
    await server.end(signal)
    server = await start()
  }

  for (let n = 0; n < moments; n++) {
    // Often in the middle of what the one before began.
    await new Promise((resolve) => setTimeout(resolve, random() < 0.5 ? random() * 20 : random() * 250))
    await moment().catch((error: NodeJS.ErrnoException) => {
      // Between looking and acting, things happen; nothing else may.
      const isLate = error instanceof ApiError && (error.code === 'conflict' || error.code === 'not_found')
      if (!isLate && error.code !== 'ESRCH') throw error
    })
    if (n % 5 === 0) {
      await until('no process is unknown', async () => (await orphans()).length === 0, 6000)
      folders().forEach(checkControl)
      expect((await living()).length).toBeLessThanOrEqual(concurrency + 1)
    }
  }

  // The rest comes to its end, and can be gone on with to the last step.
  await until(
    'all runs have ended',
    async () => {
      const runs = await server.client.runs()
      for (const { id, actions, state, hasCheckpoint } of runs)
        if (state === 'paused' || (state === 'stopped' && hasCheckpoint && actions.includes('resume')))
          await server.client.resume(id)
        else if (state === 'queued' && runs.filter((run) => run.state === 'queued').length > 3)
          await server.client.remove(id).catch(() => {})
      return runs.every(({ state }) => state === 'done' || state === 'failed' || state === 'stopped')
    },
    60_000,
  )
  await until('no process lives', async () => (await living()).length === 0, 10_000)
  const runs = await server.client.runs()
  // What became of a run is told before it is written.
  await until('no run has a process', () => runs.every(({ folder }) => !markOf(folder)), 10_000)
  expect(new Set(runs.map(({ name }) => name)).size).toBe(runs.length)
  for (const run of runs) {
    checkControl(run.folder)
    const written = jsonLines<TrainEvent>(join(run.folder, metricsFile))
    const steps = written.flatMap((event) => (event.type === 'step' ? [event.step] : []))
    expect(steps).toEqual(steps.map((_, i) => i + 1))
    // What its processes have noted elsewhere is there; the last line may have come before its note.
    const isWhole = chainsOf(run.folder).some(
      (chain) => written.length - chain.length <= 1 && isDeepStrictEqual(written.slice(0, chain.length), chain),
    )
    expect(isWhole, `${run.folder} has lost lines`).toBe(true)
    const { steps: columns, evals } = await server.client.metrics(run.id)
    expect(columns.step).toEqual(steps)
    expect(evals.step).toEqual(steps.length >= 5 ? [5] : [])
    const { step, evalLoss, totalSteps, state } = (await server.client.run(run.id)).run
    expect({ step, evalLoss }).toEqual({ step: steps.at(-1) ?? 0, evalLoss: steps.length >= 5 ? 0.5 : null })
    if (state === 'done') expect(step).toBe(totalSteps)
  }
  expect(runs.filter(({ state }) => state === 'done').length).toBeGreaterThan(0)
  console.log(
    `moments: ${JSON.stringify(did)}; ${runs.length} runs, ${runs.filter(({ state }) => state === 'done').length} done`,
  )
})
