// The queue, records of earlier versions, and runs of a terminal.
import { appendFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { isAlive, startOf } from '../src/process/alive'
import { Follower, Space, until } from './harness'
import './runs-harness'

test('a record of the first version is taken over with its state', async () => {
  const space = new Space()
  try {
    const folder = join(space.root, 'old')
    mkdirSync(folder)
    const record = {
      version: 1,
      name: 'old',
      kind: 'train',
      settings: space.settings(5, 100),
      state: 'paused',
      pending: null,
    }
    const more = {
      message: null,
      createdAt: '2026-01-01T00:00:00.000Z',
      startedAt: '2026-01-01T00:00:01.000Z',
      queuedAt: 1,
    }
    writeFileSync(
      join(folder, 'gui.json'),
      JSON.stringify({ ...record, ...more, process: null, server: null, seal: '' }),
    )
    const { client } = await space.start()
    const [run] = await client.runs()
    expect(run).toMatchObject({ name: 'old', state: 'paused', actions: ['resume'], startedAt: more.startedAt })
    await client.resume(run!.id)
    await until('it is done', async () => (await client.run(run!.id)).run.state === 'done')
  } finally {
    await space.remove()
  }
})

describe('the queue', () => {
  const space = new Space()
  afterAll(() => space.remove())

  test('runs one at a time, in order; what waits can be taken out; all clients see it', async () => {
    const { client } = await space.start()
    const heard: string[] = []
    const stream = client.follow({
      onEvent: (change) => heard.push(change.event === 'run' ? `${change.run.name} ${change.run.state}` : change.event),
    })
    await until('the stream begins', () => heard.includes('all'))
    const names = ['first', 'second', 'third']
    const runs = []
    for (const name of names)
      runs.push(await client.createRun({ kind: 'train', name, settings: space.settings(40, 100) }))
    const [first, second, third] = runs
    expect(third).toMatchObject({ state: 'queued', queuePosition: 2, actions: ['remove'] })
    await client.remove(third!.id)
    await until('second is done', () => heard.includes('second done'))
    // A busy machine may tell of `running` and `done` at once, so the order is read off the records.
    const [began, ended] = [(await client.run(second!.id)).run.startedAt!, (await client.run(first!.id)).run.updatedAt]
    expect(Date.parse(began)).toBeGreaterThanOrEqual(Date.parse(ended))
    expect(heard).toContain('removed')
    expect(existsSync(third!.folder)).toBe(false)
    await expect(client.run(third!.id)).rejects.toMatchObject({ code: 'not_found' })
    await expect(client.pause(second!.id)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('it is done'),
    })
    stream.close()
  })

  test('waits over a restart', async () => {
    const first = await space.start()
    await first.client.createRun({ kind: 'train', name: 'long', settings: space.settings(100, 50) })
    const { id } = await first.client.createRun({ kind: 'train', name: 'waits', settings: space.settings(10, 100) })
    await first.gui.close()
    const { client } = await space.start()
    expect((await client.run(id)).run).toMatchObject({ state: 'queued', queuePosition: 1 })
    await until('its turn comes', async () => (await client.run(id)).run.state === 'done')
  })

  test('names that are taken get a number, and settings are compared', async () => {
    const { client } = await space.start()
    const make = (loraR: number) =>
      client.createRun({ kind: 'train', name: 'same name', settings: space.settings(5, 100, { loraR }) })
    const [a, b] = [await make(4), await make(8)]
    expect([a, b].map(({ folder }) => folder.split('/').at(-1))).toEqual(['same-name', 'same-name-2'])
    expect([a, b].map(({ name }) => name)).toEqual(['same name', 'same name 2'])
    await until('both are done', async () => (await client.run(b.id)).run.state === 'done')
    const compared = await client.compare([a.id, b.id])
    expect(compared.differences).toEqual([{ key: 'loraR', values: [4, 8] }])
    expect(compared.runs.map(({ metrics }) => metrics.steps.step.length)).toEqual([5, 5])
  })
})

test('a run of a terminal is shown while it writes, and can be downloaded', async () => {
  const space = new Space()
  try {
    const { client } = await space.start()
    const folder = join(space.root, 'work', 'out')
    mkdirSync(folder, { recursive: true })
    const step = (n: number) =>
      `${JSON.stringify({ type: 'step', step: n, loss: 1, tokens: 8, stepMs: 10, epoch: 1 })}\n`
    writeFileSync(join(folder, 'run.json'), JSON.stringify({ totalSteps: 3, settings: { modelPath: 'm' } }))
    writeFileSync(join(folder, 'metrics.jsonl'), step(1))
    await until('it is found', async () => (await client.runs()).length === 1)
    const [run] = await client.runs()
    expect(run).toMatchObject({ name: 'out', source: 'terminal', state: 'running', actions: [], step: 1, model: 'm' })
    const follower = new Follower(client, run!.id)
    await until('its step is told', () => follower.steps.length === 1)
    appendFileSync(join(folder, 'metrics.jsonl'), step(2) + step(3).slice(0, 20))
    await until('the next is', () => follower.steps.length === 2)
    appendFileSync(join(folder, 'metrics.jsonl'), step(3).slice(20))
    appendFileSync(join(folder, 'metrics.jsonl'), '{"type":"done","steps":3,"seconds":1,"peakDeviceBytes":[]}\n')
    await until('it is done', () => follower.run?.state === 'done')
    expect(follower.steps).toEqual([1, 2, 3])
    await expect(client.stop(run!.id)).rejects.toMatchObject({ code: 'conflict' })
    follower.stream.close()
  } finally {
    await space.remove()
  }
})

test('a process is known by its id and its start', async () => {
  const start = (await startOf(process.pid))!
  expect(await isAlive({ pid: process.pid, start })).toBe(true)
  expect(await isAlive({ pid: process.pid, start: 'another' })).toBe(false)
  expect(await startOf(2 ** 30)).toBeUndefined()
})

test('a run is called otherwise and noted of, one of a terminal too; what was made here can be deleted with its files', async () => {
  const space = new Space()
  try {
    const out = join(space.root, 'out')
    mkdirSync(out)
    writeFileSync(join(out, 'run.json'), JSON.stringify({ totalSteps: 9, settings: { modelPath: 'm' } }))
    writeFileSync(join(out, 'metrics.jsonl'), '{"type":"done","steps":9,"seconds":1}\n')
    const { client } = await space.start()
    const { id, folder } = await client.createRun({ kind: 'train', settings: space.settings(1000, 50), name: 'mine' })
    await until('it runs', async () => (await client.run(id)).run.state === 'running')
    await expect(client.deleteRun(id)).rejects.toThrow('can be deleted')
    await client.stop(id)
    await until('it has stopped', async () => (await client.run(id)).run.state === 'stopped')
    expect(await client.label(id, { name: 'The first', note: 'Too slow.' })).toMatchObject({
      name: 'The first',
      note: 'Too slow.',
      canDelete: true,
      folder,
    })
    expect(await client.label(id, { name: '' })).toMatchObject({ name: 'mine', note: 'Too slow.' })

    const terminal = (await client.runs()).find((run) => run.source === 'terminal')!
    await client.label(terminal.id, { note: 'From the terminal' })
    const again = await space.start({ stateDir: join(space.dir, 'other') })
    expect((await again.client.run(terminal.id)).run).toMatchObject({ name: 'out', note: 'From the terminal' })
    await expect(client.deleteRun(terminal.id)).rejects.toThrow('made here')

    await client.deleteRun(id)
    expect([existsSync(folder), existsSync(out)]).toEqual([false, true])
    expect((await client.runs()).map((run) => run.id)).toEqual([terminal.id])
  } finally {
    await space.remove()
  }
})
