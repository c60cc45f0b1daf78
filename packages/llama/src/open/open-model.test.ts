// Opening a model: each file once, what its files say, and what is odd about them.
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { cp, readFile, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { setDefaultDevice, type Device, type Tensor } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { llamaLike } from '../../../data/test/tiny-tokenizers'
import { entry, noise, tinyConfig, tinyWeights, writeTinyModel } from '../../test/tiny-model'
import { describeModel, openModel } from '../index'

let folder: string
let device: Device
beforeAll(async () => setDefaultDevice((device = await openCpuDevice({ threads: 1 }))))
afterAll(async () => {
  setDefaultDevice(undefined)
  await device.close()
})
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'jora-open-'))))
afterEach(() => rmSync(folder, { recursive: true }))

const tokenizer = llamaLike()
const vocabSize = Object.keys(tokenizer.model.vocab).length
const config = { ...tinyConfig, vocab_size: vocabSize }
const entries = (raw: typeof config = config) =>
  tinyWeights(raw).map(({ name, shape, data }) => entry(name, shape, data))
const writeModel = async (weights = entries(), raw: object = config) => {
  await writeTinyModel(folder, raw as typeof config, weights)
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer))
}

test('gives config, tokenizer, stop ids, weights and a decoder', async () => {
  await writeModel()
  await writeFile(join(folder, 'generation_config.json'), '{"eos_token_id": [2, 9]}')
  await using model = await openModel(folder)
  expect(model.config).toMatchObject({ vocabSize, eosTokenIds: [2, 9] })
  expect(model.tokenizer.vocabSize).toBe(vocabSize)
  expect(model.stopIds).toContain(9)
  expect(model.ref).toMatchObject({ dir: folder, name: folder })
  expect(model.warnings).toEqual([])
  expect(model.weights.entries.get('model.norm.weight')).toEqual({
    shape: [32],
    type: 'F32',
    file: join(folder, 'model.safetensors'),
  })
  const { weights, dtype } = await model.decoder(device)
  expect(dtype).toBe('f32')
  expect(Object.keys(weights)).toEqual(tinyWeights(config).map(({ name }) => name))
})

test('is open without a tokenizer as long as nobody asks for it', async () => {
  await writeTinyModel(folder)
  await using model = await openModel(folder)
  expect(() => model.tokenizer).toThrow(/tokenizer\.json: no such file/)
})

test('the digest is that of runs made before', async () => {
  await writeModel()
  const path = join(folder, 'model.safetensors')
  const { size } = await stat(path)
  const bytes = await readFile(path)
  const hash = createHash('sha256')
    .update(await readFile(join(folder, 'config.json')))
    .update(String(size))
  for (let i = 0; i < 64; i++) {
    const at = Math.floor((size * i) / 64)
    hash.update(bytes.subarray(at, at + 16_384))
  }
  await using model = await openModel(folder)
  expect(await model.digest()).toBe(hash.digest('hex'))
})

describe('what is odd', () => {
  test('a stale index beside model.safetensors: the single file counts, with a warning', async () => {
    await writeModel()
    await writeFile(
      join(folder, 'model.safetensors.index.json'),
      JSON.stringify({ weight_map: { 'model.norm.weight': 'model-00001-of-00002.safetensors' } }),
    )
    await using model = await openModel(folder)
    expect(model.weights.entries.get('model.norm.weight')?.file).toBe(join(folder, 'model.safetensors'))
    expect(model.warnings).toEqual([
      expect.stringMatching(/index\.json is not read: model\.safetensors is beside it and is used/),
    ])
  })

  const tied = { ...config, tie_word_embeddings: true }
  const embedding = () => tinyWeights(config).find(({ name }) => name === 'model.embed_tokens.weight')!
  const withHead = (data: Float32Array) => [
    ...entries(tied).filter(({ name }) => name !== 'lm_head.weight'),
    entry('lm_head.weight', [vocabSize, 32], data),
  ]

  test('a head beside a tied embedding that differs from it is used, with a warning', async () => {
    const own = noise('another head', vocabSize * 32)
    await writeModel(withHead(own), tied)
    await using model = await openModel(folder)
    expect(model.config.tiedHead).toBe(false)
    expect(model.warnings).toEqual([expect.stringMatching(/lm_head\.weight that differs from the embedding/)])
    const { weights } = await model.decoder(device)
    expect(await (weights['lm_head.weight'] as Tensor).data()).toEqual(own)
  })

  test('one that is the same is the embedding', async () => {
    await writeModel(withHead(embedding().data), tied)
    await using model = await openModel(folder)
    expect(model.config.tiedHead).toBe(true)
    expect(model.warnings).toEqual([])
  })
})

describe('what is refused', () => {
  test.each([NaN, Infinity, -Infinity])('a weight of %f, by name', async (value) => {
    const weights = tinyWeights(config).map(({ name, shape, data }) => {
      if (name === 'model.layers.1.mlp.up_proj.weight') data[77] = value
      return entry(name, shape, data)
    })
    await writeModel(weights)
    await using model = await openModel(folder)
    await expect(model.decoder(device)).rejects.toThrow(
      /model\.safetensors: model\.layers\.1\.mlp\.up_proj\.weight has values that are not finite/,
    )
  })

  const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n'
  test.each(['model.safetensors', 'config.json', 'tokenizer.json'])('%s as a Git LFS pointer', async (name) => {
    await writeModel()
    await writeFile(join(folder, name), pointer)
    await expect(openModel(folder)).rejects.toThrow(
      /is a Git LFS pointer, not the (file|weights): fetch .*git lfs pull/,
    )
  })

  test('a text with a token beyond the embedding: token, id, rows and what to do', async () => {
    const raw = { ...config, vocab_size: vocabSize - 1 }
    await writeModel(entries(raw), raw)
    const last = Object.entries(tokenizer.model.vocab).find(([, id]) => id === vocabSize - 1)![0]
    const { tokenizer: held } = await describeModel(folder)
    expect(() => held.encode(last)).toThrow(
      new RegExp(
        `has id ${vocabSize - 1}, but the model's embedding has ${vocabSize - 1} rows .*resize_token_embeddings`,
      ),
    )
  })

  test('a folder that is none, with local; a file', async () => {
    await expect(openModel('no/folder', { local: true })).rejects.toThrow('model folder no/folder does not exist')
    await writeModel()
    await cp(join(folder, 'config.json'), join(folder, 'a.json'))
    await expect(openModel(join(folder, 'a.json'), { local: true })).rejects.toThrow(
      /is a file, expected a model folder/,
    )
  })
})
