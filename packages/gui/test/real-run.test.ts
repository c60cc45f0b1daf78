// The main path with the built command line: rows are looked at, a run trains, pauses, resumes in another server, and is taken home.
import { crc32 } from 'node:zlib'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { RunSettings } from '../src/api'
import { Follower, isBuilt, launcher, Space, until } from './harness'

const command = [process.execPath, launcher] as const

/** The files of a zip that stores them as they are. */
function unzip(bytes: Buffer): Map<string, Buffer> {
  const files = new Map<string, Buffer>()
  const end = bytes.lastIndexOf(Buffer.from('PK\u0005\u0006', 'latin1'))
  let at = bytes.readUInt32LE(end + 16)
  for (let n = bytes.readUInt16LE(end + 10); n > 0; n--) {
    const [crc, size] = [bytes.readUInt32LE(at + 16), bytes.readUInt32LE(at + 24)]
    const [name, more, note] = [28, 30, 32].map((offset) => bytes.readUInt16LE(at + offset)) as [number, number, number]
    const local = bytes.readUInt32LE(at + 42)
    const begin = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28)
    const content = bytes.subarray(begin, begin + size)
    expect(crc32(content)).toBe(crc)
    files.set(bytes.toString('utf8', at + 46, at + 46 + name), content)
    at += 46 + name + more + note
  }
  return files
}

describe.skipIf(!isBuilt)('the built command line (needs a build)', () => {
  const space = new Space()
  afterAll(() => space.remove())
  const settings: RunSettings = {
    model: space.model,
    dataset: space.questions,
    maxSeqLength: 256,
    onOverflow: 'drop',
    batchSize: 1,
    gradientAccumulationSteps: 1,
    maxSteps: 60,
    loraR: 4,
    device: 'cpu',
  }

  test('a dataset is inspected, previewed token by token, and estimated', async () => {
    const { client, gui } = await space.start({ command })
    const bad = join(space.root, 'bad.jsonl')
    writeFileSync(bad, '{"instruction":"a","output":"b"}\n{"instruction":"a"}\n{\n{"messages":[]}\n[1]\n')
    const [whole, broken] = await Promise.all([client.inspect(space.questions, 2), client.inspect(bad)])
    expect(whole).toMatchObject({ format: 'alpaca', rows: 1200, errorCount: 0, errors: [], hint: null })
    expect(whole.first).toHaveLength(2)
    expect(broken).toMatchObject({ format: 'alpaca', rows: 5, errorCount: 4 })
    expect(broken.errors.map(({ row, line, key }) => [row, line, key])).toEqual([
      [2, 2, 'output'],
      [3, 3, null],
      [4, 4, expect.anything()],
      [5, 5, null],
    ])
    expect(broken.hint).toContain('one a line')

    const preview = await client.preview(settings, 3)
    expect(preview.row).toBe(4)
    expect(new Set(preview.tokens.map(({ kind }) => kind))).toEqual(new Set(['prompt', 'answer', 'end']))
    expect(preview.tokens.every(({ kind, learned }) => learned === (kind === 'answer' || kind === 'end'))).toBe(true)
    expect(preview.lengths.histogram.reduce((a, b) => a + b, 0)).toBe(preview.statistics.samples)
    await expect(client.preview({ ...settings, dataset: bad })).rejects.toMatchObject({
      code: 'bad_request',
      message: expect.stringContaining('row 2'),
    })

    const [estimate, devices] = [await client.estimate({ ...settings, mesh: 'model=2' }), await client.devices()]
    expect(estimate).toMatchObject({ steps: 60, device: 'cpu', memory: { devices: 2, checkpointing: false } })
    expect(estimate.memory.activationBytes).toBeGreaterThan(0)
    expect(estimate.memory.fits).toBe(true)
    // Rank 4 beside q_proj and v_proj of 4 layers, with two moments, in float32; B is split over the devices.
    expect(estimate.memory.stateBytes).toBe(4 * 2 * (128 + 64) * 4 * 3 * 4)
    expect(estimate.mesh.devices.map(({ at }) => at.model)).toEqual([0, 1])
    expect(devices.devices[0]).toMatchObject({ kind: 'cpu' })
    await gui.close()
  })

  test('a run: events, pause, another server, resume, an answer, the adapter, an export', async () => {
    const first = await space.start({ command })
    const { id } = await first.client.createRun({ kind: 'train', name: 'real', settings })
    const one = new Follower(first.client, id)
    await until('it trains', () => one.steps.length >= 5, 60_000)
    await first.client.pause(id)
    await first.gui.close()
    one.stream.close()

    const second = await space.start({ command })
    const two = new Follower(second.client, id, one.stream.lastId)
    await until('it is paused', () => two.run?.state === 'paused', 30_000)
    expect(two.run).toMatchObject({ hasCheckpoint: true, hasAdapter: false, totalSteps: 60 })
    await second.client.resume(id)
    await until('it is done', () => two.run?.state === 'done', 90_000)
    const { steps, evals, done } = await second.client.metrics(id)
    expect(steps.step).toEqual(Array.from({ length: 60 }, (_, i) => i + 1))
    expect(evals.loss.length).toBeGreaterThan(0)
    expect(done).toMatchObject({ steps: 60 })
    two.stream.close()

    const texts = { base: '', tuned: '' }
    const ends: string[] = []
    const documents = [
      { title: 'Chad', text: 'The capital of Chad is N’Djamena.' },
      { title: 'Peru', text: 'The capital of Peru is Lima.' },
    ]
    for await (const event of second.client.chat({
      runId: id,
      text: 'What is the capital of Peru?',
      documents,
      retrieve: 1,
      maxNewTokens: 8,
    })) {
      if (event.type === 'token') texts[event.side] += event.text
      else ends.push(event.type)
      if (event.type === 'context') expect(event.documents).toMatchObject([{ index: 1, title: 'Peru' }])
    }
    expect(ends).toEqual(['loading', 'context', 'prompt', 'done', 'done'])
    expect(texts.base).toContain('Lima')
    // Leaving ends the answer; the next is not kept waiting.
    for await (const event of second.client.chat({ runId: id, text: 'Say much.', sides: ['base'], maxNewTokens: 512 }))
      if (event.type === 'prompt') break
    const again = []
    for await (const event of second.client.chat({ runId: id, text: 'Hi', sides: ['tuned'], maxNewTokens: 2 }))
      again.push(event.type)
    expect(again.at(-1)).toBe('done')

    const get = async (url: string) =>
      Buffer.from(await (await fetch(url, { headers: { cookie: second.cookie } })).arrayBuffer())
    const zip = unzip(await get(second.client.downloadUrl(id)))
    expect([...zip.keys()]).toEqual(['adapter_config.json', 'adapter_model.safetensors', 'README.md'])
    const weights = await get(second.client.runFileUrl(id, 'adapter_model.safetensors'))
    expect(zip.get('adapter_model.safetensors')!.equals(weights)).toBe(true)

    const job = await second.client.exportRun(id, { format: 'gguf-lora' })
    await until('it is exported', async () => (await second.client.job(job.id)).state !== 'running')
    const { state, result } = await second.client.job(job.id)
    expect(state).toBe('done')
    const gguf = await get(second.client.runFileUrl(id, result!.file as string))
    expect(gguf.toString('latin1', 0, 4)).toBe('GGUF')
    await second.gui.close()
  })
})
