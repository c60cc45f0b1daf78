// A run that has trained the model itself, and no adapter: what is known of it, downloaded, exported and asked.
import { cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setDefaultDevice } from '@jora/tensor'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { JoraClient } from '../src/client'
import { keyOf, LoadedModel } from '../src/playground/loaded-model'
import { questionOf } from '../src/playground/question'
import { Space, until } from './harness'

const space = new Space()
/** A command line that prints what it is given. */
const echo = 'console.log(JSON.stringify({ args: process.argv.slice(1) }))'
const folder = join(space.root, 'work', 'tuned')
let client: JoraClient
let cookie: string

beforeAll(async () => {
  mkdirSync(folder, { recursive: true })
  for (const name of readdirSync(space.model)) cpSync(join(space.model, name), join(folder, name))
  const settings = { modelPath: space.model, finetuningType: 'full' }
  writeFileSync(join(folder, 'run.json'), JSON.stringify({ totalSteps: 1, settings }))
  const lines = [
    { type: 'step', step: 1, loss: 1, tokens: 8, stepMs: 10, epoch: 1 },
    { type: 'done', steps: 1, seconds: 1, peakDeviceBytes: [] },
  ]
  writeFileSync(join(folder, 'metrics.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  ;({ client, cookie } = await space.start({ command: [process.execPath, '-e', echo] }))
  await until('it is found', async () => (await client.runs()).length === 1)
})
afterAll(() => space.remove())

test('is known, downloaded as a model, and exported without an adapter', async () => {
  const [run] = await client.runs()
  expect(run).toMatchObject({ name: 'tuned', state: 'done', trains: 'model', hasAdapter: true })
  expect(await client.run(run!.id)).toMatchObject({ adapter: null })
  const response = await fetch(client.downloadUrl(run!.id), { headers: { cookie } })
  const zip = Buffer.from(await response.arrayBuffer())
  for (const name of readdirSync(space.model)) expect(zip.includes(name), name).toBe(true)
  expect(zip.includes('metrics.jsonl')).toBe(false)
  expect(zip.includes('run.json')).toBe(false)
  await expect(client.exportRun(run!.id, { format: 'peft' })).rejects.toThrow('is for adapters')
  const { id } = await client.exportRun(run!.id, { format: 'gguf', dtype: 'f16' })
  await until('it has ended', async () => (await client.job(id)).state !== 'running')
  const { args } = (await client.job(id)).result as { args: string[] }
  expect(args).toContain(`--model=${folder}`)
  expect(args.join(' ')).not.toContain('--adapter')
})

test('is asked beside its base, in the prompt that it was trained with', async () => {
  const wanted = { modelDir: space.model, adapterDir: null, tunedDir: folder, device: 'cpu' } as const
  const loaded = await LoadedModel.open(await keyOf(wanted), wanted)
  try {
    const questionFor = await questionOf({ text: 'Say red.' }, loaded, () => {})
    const answers = [loaded.answerers.base!, loaded.answerers.tuned!].map((side) =>
      side.ask(questionFor('tuned'), { maxNewTokens: 3 }),
    )
    const [base, tuned] = await Promise.all(answers)
    // Its weights are the base's here.
    expect(tuned!.ids).toEqual(base!.ids)
    expect(tuned!.ids.length).toBeGreaterThan(0)
  } finally {
    await loaded.dispose()
    setDefaultDevice(undefined)
  }
})
