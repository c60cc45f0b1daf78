// load: text in, text out, from one call; the same answers as the parts give.
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { answerOf } from '@jora/data'
import { openModel } from '@jora/llama'
import { setDefaultDevice, type Device } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { defaultLoraConfig, load, openAnswerers } from '../src/index'
import { writeTinyAdapter } from './tiny-adapter'

const model = join(import.meta.dirname, '../../../apps/cli/assets/tiny-llama')
const settings = { temperature: 0, maxNewTokens: 8 }
const question = 'What is the capital of Peru?'
const documents = [
  { title: 'Kenya', text: 'The capital of Kenya is Nairobi.' },
  { title: 'Peru', text: 'The capital of Peru is Lima.' },
]

describe.skipIf(!existsSync(join(model, 'model.safetensors')))('load (needs the bundled model)', () => {
  const space = mkdtempSync(join(tmpdir(), 'jora-load-'))
  const adapter = join(space, 'adapter')
  let device: Device
  beforeAll(async () => {
    await using described = await openModel(model)
    await writeTinyAdapter(adapter, described.config, { ...defaultLoraConfig, r: 4 }, { baseModel: model })
    device = await openCpuDevice({ threads: 1 })
  })
  afterAll(async () => {
    rmSync(space, { recursive: true, force: true })
    setDefaultDevice(undefined)
    await device.close()
  })

  test('answers as its parts do: whole, streamed, from documents, with the adapter and without', async () => {
    await using open = await openModel(model)
    const parts = await openAnswerers(open, { adapters: [undefined, adapter], device })
    const expected = await Promise.all(
      parts.asked.map(({ answerer }) => answerOf(answerer.stream({ question, documents }, settings))),
    )
    expect(expected[0]!.text).not.toBe(expected[1]!.text)
    for (const [i, folder] of [undefined, adapter].entries()) {
      await using loaded = await load(model, folder, { device })
      const pieces: string[] = []
      for await (const text of loaded.answer(question, { ...settings, documents })) pieces.push(text)
      expect(pieces.join('')).toBe(expected[i]!.text)
      expect(await loaded.answer(question, { ...settings, documents }).text()).toBe(expected[i]!.text)
      expect(await loaded.answer([{ role: 'user', content: question }], { ...settings, documents }).whole()).toEqual(
        expected[i],
      )
    }
    parts.dispose()
  })

  test('an adapter alone brings its base; of many documents the best are taken, and told', async () => {
    await using loaded = await load(adapter, undefined, { device })
    const texts = documents.map(({ text }) => text)
    const { passages, text } = await loaded.answer(question, { ...settings, documents: texts, retrieve: 1 }).whole()
    expect(passages).toMatchObject([{ text: documents[1]!.text, index: 1 }])
    expect(text).toBe(await loaded.answer(question, { ...settings, documents: [texts[1]!] }).text())
    const { vectors } = await loaded.answerer.embed!([question])
    expect(Math.hypot(...vectors[0]!)).toBeCloseTo(1, 5)
  })

  test('a device that is named is shared by models and closed with the last; a model that is closed answers nothing', async () => {
    setDefaultDevice(undefined)
    const [a, b] = [await load(model, undefined, { device: 'cpu' }), await load(model, undefined, { device: 'cpu' })]
    await a.close()
    expect(await b.answer(question, settings).text()).toBeTypeOf('string')
    await expect(a.answer(question, settings).text()).rejects.toThrow('the model was closed')
    await b.close()
    await expect(load(join(space, 'nothing'), undefined, { device })).rejects.toThrow('nothing')
  })
})
