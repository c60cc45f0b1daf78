// Runs over the API, with a command line that only writes metrics: events, replay, queue, pause, stop, restarts.
import { spawn } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { ApiError } from '../src/client'
import { isAlive, startOf } from '../src/process/alive'
import { startRun } from '../src/runs/run-process'
import { fake, Follower, Space, until } from './harness'
import { upTo } from './runs-harness'

describe('events', () => {
  const space = new Space()
  afterAll(() => space.remove())

  test('100 a second reach two clients in order, without falling behind, and replay from any', async () => {
    const { client } = await space.start()
    const run = await client.createRun({ kind: 'train', name: 'fast', settings: space.settings(300, 100) })
    const [one, two] = [new Follower(client, run.id), new Follower(client, run.id)]
    await until('the run is running', () => one.steps.length > 0)
    let worst = 0
    await until('the run is done', async () => {
      const written = readFileSync(join(run.folder, 'metrics.jsonl'), 'utf8').split('\n').length - 1
      await new Promise((resolve) => setTimeout(resolve, 300))
      worst = Math.max(worst, written - one.events.filter(({ event }) => event === 'metric').length)
      return one.run?.state === 'done' && two.run?.state === 'done'
    })
    // What was written 0.3 s ago has arrived, give or take what else this machine does.
    expect(worst).toBeLessThanOrEqual(50)
    expect(one.steps).toEqual(upTo(300))
    expect(two.steps).toEqual(upTo(300))
    expect(one.run).toMatchObject({ step: 300, totalSteps: 300, hasAdapter: true, actions: [], evalLoss: null })

    const columns = await client.metrics(run.id)
    expect(columns.steps.step).toEqual(upTo(300))
    expect(columns.steps.deviceBytes.map(({ length }) => length)).toEqual([300, 300])
    expect(columns.done).toMatchObject({ steps: 300 })
    // From the middle, and from the end of what came in bulk.
    const middle = new Follower(client, run.id, '150')
    await until('the rest is there', () => middle.events.length >= 152)
    expect(middle.events.find(({ event }) => event === 'metric')).toMatchObject({
      position: 150,
      metric: { step: 151 },
    })
    const end = new Follower(client, run.id, columns.next)
    await until('the state is there', () => end.run !== undefined)
    expect(end.events.some(({ event }) => event === 'metric')).toBe(false)
    for (const follower of [one, two, middle, end]) follower.stream.close()
  })

  test('an id of other lines is no place to go on from: all comes anew', async () => {
    const { client } = await space.start()
    const [run] = await client.runs()
    const lost = new Follower(client, run!.id, '150-abc')
    await until('it is told', () => lost.events.length > 300)
    expect(lost.events.find(({ event }) => event !== 'run')).toEqual({ event: 'rewind', position: 0 })
    expect(lost.steps).toEqual(upTo(300))
    lost.stream.close()
  })

  test('10,000 steps come as columns within 200 ms', async () => {
    const { client } = await space.start()
    const folder = join(space.root, 'long')
    mkdirSync(folder)
    const line = (step: number) =>
      JSON.stringify({
        type: 'step',
        step,
        epoch: step / 1000,
        loss: 1 / step,
        learningRate: 1e-4,
        gradNorm: 1,
        tokens: 512,
        targetTokens: 50,
        samples: 8,
        stepMs: 100,
        deviceBytes: [1e9],
      })
    writeFileSync(join(folder, 'metrics.jsonl'), `${upTo(10_000).map(line).join('\n')}\n`)
    writeFileSync(join(folder, 'run.json'), '{"totalSteps":10000}')
    await until('it is found', async () => (await client.runs()).some(({ name }) => name === 'long'))
    const { id } = (await client.runs()).find(({ name }) => name === 'long')!
    // Processor time of server and client, which are this process: other tests run beside this one.
    const worked = () => Object.values(process.cpuUsage()).reduce((a, b) => a + b) / 1000
    const times: number[] = []
    for (let n = 0; n < 8; n++) {
      const began = worked()
      expect((await client.metrics(id)).steps.loss).toHaveLength(10_000)
      times.push(worked() - began)
    }
    expect(Math.min(...times)).toBeLessThan(200)
  })
})

describe('a run', () => {
  const space = new Space()
  afterAll(() => space.remove())

  test('pauses with a checkpoint, outlives the server, resumes where it was, and stops', async () => {
    const first = await space.start()
    const { id, folder } = await first.client.createRun({ kind: 'train', settings: space.settings(2000, 100) })
    await until('it runs', async () => (await first.client.run(id)).run.step > 10)
    await first.gui.close()
    const before = readFileSync(join(folder, 'metrics.jsonl'), 'utf8').length
    await until('it goes on alone', () => readFileSync(join(folder, 'metrics.jsonl'), 'utf8').length > before)

    const second = await space.start()
    const follower = new Follower(second.client, id)
    await until('it is found', () => follower.run?.state === 'running')
    expect(follower.run?.actions).toEqual(['pause', 'stop'])
    expect(await second.client.pause(id)).toMatchObject({ pending: 'pause', actions: ['stop'] })
    await until('it is paused', () => follower.run?.state === 'paused')
    expect(follower.run).toMatchObject({ pending: null, hasCheckpoint: true, actions: ['resume'] })
    // The restarted server got no report of the end: it found out.
    const at = follower.run!.step
    // As a kill leaves it: steps behind the checkpoint.
    appendFileSync(
      join(folder, 'metrics.jsonl'),
      `${JSON.stringify({ type: 'step', step: at + 1, stepMs: 1, tokens: 1 })}\n`,
    )
    await until('they are told', () => follower.steps.at(-1) === at + 1)
    expect(await second.client.resume(id)).toMatchObject({ state: expect.stringMatching(/queued|running/) })
    await until('it goes on', () => follower.steps.length > at + 5)
    expect(follower.events).toContainEqual({ event: 'rewind', position: at + 1 })
    expect(follower.steps).toEqual(upTo(follower.steps.length))

    await second.client.stop(id)
    await until('it is stopped', () => follower.run?.state === 'stopped', 5000)
    expect(follower.run).toMatchObject({ actions: ['resume'], message: null })
    follower.stream.close()
    expect((await second.client.log(id)).text).toContain('fake run of 2000 steps')
    await second.gui.close()
  })

  test('that hears no Ctrl-C is stopped within 5 seconds, and the other client is told', async () => {
    const { client, gui } = await space.start()
    const { id } = await client.createRun({ kind: 'train', settings: space.settings(9999, 50, { gpu: 'stubborn' }) })
    const other = new Follower(client, id)
    await until('it runs', () => other.steps.length > 0)
    const began = performance.now()
    expect(await client.stop(id)).toMatchObject({ pending: 'stop', actions: [] })
    await until('the other is told', () => other.run?.state === 'stopped', 5000)
    expect(performance.now() - began).toBeLessThan(5000)
    other.stream.close()
    await gui.close()
  })

  test('that fails says why', async () => {
    const { client, gui } = await space.start()
    const { id } = await client.createRun({ kind: 'train', settings: space.settings(9, 50, { gpu: 'broken' }) })
    await until('it failed', async () => (await client.run(id)).run.state === 'failed')
    const { run, settings } = await client.run(id)
    expect(run.message).toBe('--gpu: no adapter is called “broken”')
    expect(settings).toMatchObject({ gpu: 'broken', model: space.model })
    await gui.close()
  })

  test('that died with its server is told from what it wrote', async () => {
    const first = await space.start()
    const { id, folder } = await first.client.createRun({
      kind: 'train',
      settings: space.settings(9999, 50, { gpu: 'stubborn' }),
    })
    await until('it runs', async () => (await first.client.run(id)).run.step > 0)
    const { process: mark } = JSON.parse(readFileSync(join(folder, 'gui.json'), 'utf8')) as { process: { pid: number } }
    await first.gui.close()
    process.kill(mark.pid, 'SIGKILL')
    const second = await space.start()
    await until('it failed', async () => (await second.client.run(id)).run.state === 'failed')
    expect((await second.client.run(id)).run).toMatchObject({
      message: expect.stringContaining('It ended without a reason'),
      actions: ['resume'],
    })
  })

  test('of another server that lives is shown, and left to it', async () => {
    const first = await space.start()
    const { id } = await first.client.createRun({ kind: 'train', settings: space.settings(9999, 50) })
    await until('it runs', async () => (await first.client.run(id)).run.step > 0)
    for (const stateDir of ['state', 'another']) {
      const { client, gui } = await space.start({ stateDir: join(space.dir, stateDir) })
      expect((await client.run(id)).run).toMatchObject({
        state: 'running',
        actions: [],
        message: expect.stringContaining('another jora gui'),
      })
      await expect(client.stop(id)).rejects.toMatchObject({ code: 'conflict' })
      await gui.close()
    }
    await first.client.stop(id)
    await until('it is stopped', async () => (await first.client.run(id)).run.state === 'stopped')
  })

  test('of a folder that came from elsewhere is neither started nor ended by what its record says', async () => {
    const record = {
      version: 1,
      name: 'brought',
      kind: 'train',
      settings: space.settings(5, 100),
      pending: 'stop',
      message: null,
      createdAt: new Date().toISOString(),
      startedAt: null,
      queuedAt: 0,
      server: null,
      seal: 'made up',
    }
    const bystander = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
    const processes = [
      null,
      { pid: 2 ** 22 - 7, start: '1' },
      { pid: bystander.pid, start: await startOf(bystander.pid!) },
    ]
    const states = ['queued', 'running', 'running']
    for (const [i, state] of states.entries()) {
      const folder = join(space.root, `brought-${i}`)
      mkdirSync(folder)
      writeFileSync(
        join(folder, 'gui.json'),
        JSON.stringify({ ...record, state, process: processes[i], createdAt: `202${i}-01-01T00:00:00.000Z` }),
      )
      symlinkSync('/etc/passwd', join(folder, 'gui.log'))
    }
    const { client } = await space.start()
    const brought = (await client.runs()).filter(({ name }) => name === 'brought').reverse()
    expect(brought.map(({ state, actions }) => [state, actions])).toEqual([
      ['stopped', ['resume']],
      ['stopped', ['resume']],
      ['running', []],
    ])
    const { id } = brought[0]!
    expect((await client.log(id)).text).toBe('')
    // What is asked for is run, but its log goes nowhere else.
    await client.resume(id)
    await until('it failed', async () => (await client.run(id)).run.state === 'failed')
    expect((await client.run(id)).run.message).toContain('It could not be started')
    expect(bystander.exitCode ?? bystander.signalCode).toBe(null)
    bystander.kill('SIGKILL')
  })
})

describe('a run that starts', () => {
  const space = new Space()
  afterAll(() => space.remove())

  test('cannot be removed from its first moment on, and leaves no process behind when it is stopped', async () => {
    const ledger = join(space.dir, 'ledger')
    process.env.JORA_FAKE_LEDGER = ledger
    const { client, gui } = await space.start()
    try {
      for (let n = 0; n < 12; n++) {
        const { id, folder } = await client.createRun({ kind: 'train', settings: space.settings(500, 100) })
        await new Promise((resolve) => setTimeout(resolve, n * 8))
        const removed = await client.remove(id).catch((error: ApiError) => error)
        if (removed instanceof ApiError) {
          expect(removed).toMatchObject({
            code: 'conflict',
            message: expect.stringMatching(/it is (starting|running)/),
          })
          await client.stop(id)
          await until('it is stopped', async () => (await client.run(id)).run.state === 'stopped')
        } else expect(existsSync(folder)).toBe(false)
      }
      const pids = existsSync(ledger)
        ? readFileSync(ledger, 'utf8')
            .split('\n')
            .filter(Boolean)
            .map((line) => (JSON.parse(line) as { pid: number }).pid)
        : []
      for (const pid of new Set(pids)) await until('its process has ended', async () => !(await startOf(pid)))
    } finally {
      delete process.env.JORA_FAKE_LEDGER
      await gui.close()
    }
  })

  test('waits to be let go, and does nothing when its server goes before that', async () => {
    const { mark, ended, cancel } = await startRun([process.execPath, fake], ['train'], space.root, space.dir)
    expect(await isAlive(mark!)).toBe(true)
    cancel()
    expect(await ended).toEqual({ code: 130, signal: null })
    expect(readFileSync(join(space.root, 'gui.log'), 'utf8')).toBe('')
  })
})
