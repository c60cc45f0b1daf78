// Real GGUF files (tooling/models/fetch): their configuration, ids of mixed texts and greedy tokens as llama.cpp's.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { disposeTree, setDefaultDevice, type Device } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { Generator, openModel, type OpenModel } from '../index'
import gemma from '../../test/goldens/gemma3-q4_k_m.json' with { type: 'json' }
import smollm from '../../test/goldens/smollm2-q4_1.json' with { type: 'json' }

const root = join(import.meta.dirname, '../../../..')
const files = [
  {
    name: 'SmolLM2 135M in Q4_1',
    goldens: smollm,
    config: {
      modelType: 'llama',
      vocabSize: 49_152,
      hiddenSize: 576,
      layers: 30,
      heads: 9,
      kvHeads: 3,
      headDim: 64,
      ropeTheta: 100_000,
      tiedHead: true,
    },
    template: '<|im_start|>',
    stopId: 2,
    sameInBytes: 24,
  },
  {
    name: 'Gemma 3 270M in Q4_K_M',
    goldens: gemma,
    config: {
      modelType: 'gemma3_text',
      vocabSize: 262_144,
      hiddenSize: 640,
      layers: 18,
      heads: 4,
      kvHeads: 1,
      headDim: 256,
      ropeTheta: 1_000_000,
      localRopeTheta: 10_000,
      tiedHead: true,
      queryScale: 1 / 16,
    },
    template: undefined,
    stopId: 1,
    sameInBytes: 19,
  },
]

describe.each(files)('$name', ({ goldens, config, template, stopId, sameInBytes }) => {
  const path = join(process.env.JORA_MODELS ?? join(root, '.models'), goldens.file)
  const missing = !existsSync(path)
  const why = `needs ${goldens.file}: node tooling/models/fetch.mjs`
  let device: Device
  let model: OpenModel
  beforeAll(async () => {
    if (missing) return
    setDefaultDevice((device = await openCpuDevice()))
    model = await openModel(path)
  })
  afterAll(async () => {
    if (missing) return
    await model[Symbol.asyncDispose]()
    setDefaultDevice(undefined)
    await device.close()
  })

  test('configuration, template and stop ids come from the file', (ctx) => {
    ctx.skip(missing, why)
    expect(model.config).toMatchObject(config)
    if (template === undefined) expect(model.chatTemplate).toBeUndefined()
    else expect(model.chatTemplate).toContain(template)
    expect(model.stopIds).toContain(stopId)
  })

  test('ids of mixed texts', (ctx) => {
    ctx.skip(missing, why)
    const wrong = goldens.texts.flatMap(({ text, ids }) => {
      const found = model.tokenizer.encode(text, { addBos: false })
      return found.join() === ids.join() ? [] : [{ text, found, ids }]
    })
    expect(wrong).toEqual([])
    expect(goldens.texts).toHaveLength(200)
  })

  /** Greedy tokens behind the golden's prompt, `dtype` being what is computed in. */
  async function greedy(dtype: 'f32' | 'int8'): Promise<readonly number[]> {
    const decoder = await model.decoder(device, dtype, 'asked')
    const generator = new Generator(decoder, device)
    const { prompt, ids } = goldens.greedy
    const [made] = await generator.generate([prompt], { maxNewTokens: ids.length, stopIds: [] })
    generator.dispose()
    disposeTree(decoder.weights)
    return made!.ids
  }

  test('greedy tokens', { timeout: 300_000 }, async (ctx) => {
    ctx.skip(missing, why)
    expect(await greedy('f32')).toEqual(goldens.greedy.ids)
  })

  test('greedy tokens in 8 bits', { timeout: 300_000 }, async (ctx) => {
    ctx.skip(missing, why)
    // After them the log probabilities of two tokens of Gemma's are 0.03 apart, less than 8 bits of activations tell apart.
    expect((await greedy('int8')).slice(0, sameInBytes)).toEqual(goldens.greedy.ids.slice(0, sameInBytes))
  })
})
