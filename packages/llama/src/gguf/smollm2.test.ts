// A real GGUF file: SmolLM2-135M-Instruct in Q4_1 (tooling/models/fetch), its ids and greedy tokens as llama.cpp's.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { setDefaultDevice, type Device } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { Generator, openModel, type OpenModel } from '../index'
import goldens from '../../test/goldens/smollm2-q4_1.json' with { type: 'json' }

const root = join(import.meta.dirname, '../../../..')
const path = join(process.env.JORA_MODELS ?? join(root, '.models'), goldens.file)

describe.skipIf(!existsSync(path))(`SmolLM2 in Q4_1 (needs ${goldens.file}: node tooling/models/fetch.mjs)`, () => {
  let device: Device
  let model: OpenModel
  beforeAll(async () => {
    setDefaultDevice((device = await openCpuDevice()))
    model = await openModel(path)
  })
  afterAll(async () => {
    await model[Symbol.asyncDispose]()
    setDefaultDevice(undefined)
    await device.close()
  })

  test('configuration, template and stop ids come from the file', () => {
    expect(model.config).toMatchObject({ modelType: 'llama', vocabSize: 49_152, hiddenSize: 576, layers: 30, heads: 9 })
    expect(model.config).toMatchObject({ kvHeads: 3, headDim: 64, ropeTheta: 100_000, tiedHead: true })
    expect(model.chatTemplate).toContain('<|im_start|>')
    expect(model.stopIds).toContain(2)
  })

  test.each(goldens.texts)('ids of %j', ({ text, ids }) => {
    expect(model.tokenizer.encode(text, { addBos: false })).toEqual(ids)
  })

  test('greedy tokens', { timeout: 300_000 }, async () => {
    const generator = new Generator(await model.decoder(device, 'f32'), device)
    const [made] = await generator.generate([goldens.greedy.prompt], {
      maxNewTokens: goldens.greedy.ids.length,
      stopIds: [],
    })
    expect(made!.ids).toEqual(goldens.greedy.ids)
    generator.dispose()
  })
})
