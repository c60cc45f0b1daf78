// Adapters with embeddings and heads of their own, whole or by rows, and those that LoftQ started: merged into folders and GGUF files,
// and refused as GGUF adapters.
import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { decode, logits, openModel, type Decoder } from '@jora/llama'
import {
  fitBase,
  fittedSource,
  importAdapter,
  isLowRank,
  loadAdapter,
  originalWeight,
  savePeftAdapter,
  startAdapter,
  withAdapter,
  type Adapter,
  type LoraConfig,
} from '@jora/lora'
import { add, jit, setDefaultDevice, tensor, treeMap, type Device, type Tensor } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { noise } from '../../llama/test/tiny-model'
import { checkGguf, checkMerged, checkPeft, exportGguf, exportGgufAdapter, mergeAdapter } from '../src/index'
import { tunedDecoder } from '../src/gguf/tuned'
import { tinyFamilies, writeFamily } from './gguf-models'

let root: string
let device: Device
beforeAll(async () => setDefaultDevice((device = await openCpuDevice({ threads: 1 }))))
afterAll(async () => {
  setDefaultDevice(undefined)
  await device.close()
})
beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'jora-replaced-'))))
afterEach(() => rmSync(root, { recursive: true }))

async function scoresOf(decoder: Decoder): Promise<Float32Array> {
  const forward = jit((tokens: Tensor) => logits(decoder, decode(decoder, { tokens }).hidden))
  const ids = [1, 5, 9, 7, 3, 8, 120, 40]
  const values = (await forward(
    tensor(Int32Array.from(ids), { shape: [1, ids.length], device }),
  ).data()) as Float32Array
  forward.dispose()
  return values
}
const largestGap = (a: Float32Array, b: Float32Array): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0)

const common: LoraConfig = { r: 2, alpha: 4, dropout: 0, targetModules: ['q_proj'], useRslora: false }
const kinds: Readonly<Record<string, LoraConfig>> = {
  'the embedding': { ...common, modulesToSave: ['embed_tokens'] },
  'embedding and head': { ...common, modulesToSave: ['embed_tokens', 'lm_head'] },
  'both, tied': { ...common, modulesToSave: ['embed_tokens'], ensureWeightTying: true },
  'rows of tokens': { ...common, trainableTokenIndices: [5, 120] },
  'other rows of the head': { ...common, trainableTokenIndices: { embed_tokens: [5, 120], lm_head: [7] } },
}

/** An adapter of these settings that is not what it begins as. */
async function writeAdapter(folder: string, base: Decoder, config: LoraConfig): Promise<void> {
  const moved = (name: string) => (x: Tensor) =>
    add(
      x,
      tensor(
        noise(name, x.size).map((v) => 0.1 * v),
        { shape: x.shape, device },
      ),
    )
  const fresh = await startAdapter(base, config, 1, device)
  const adapter: Adapter = Object.fromEntries(
    Object.entries(fresh).map(([name, parts]) => [name, treeMap(moved(name), parts)]),
  )
  await mkdir(folder)
  await savePeftAdapter(folder, adapter, config, { baseModel: 'tiny' })
}

describe.each([
  ['llama, tied head, linear scaling', Object.keys(kinds)],
  ['llama', ['the embedding', 'other rows of the head']],
  ['gemma', ['the embedding', 'rows of tokens']],
])('%s', (family, names) => {
  test.each(names)('%s', async (name) => {
    const config = kinds[name]!
    const [modelDir, adapterDir] = [join(root, 'model'), join(root, 'adapter')]
    await writeFamily(modelDir, tinyFamilies[family]!)
    await using model = await openModel(modelDir)
    const base = await model.decoder(device, 'f32')
    await writeAdapter(adapterDir, base, config)
    const { adapter, config: read } = await loadAdapter(adapterDir, model.config, device)
    expect(read).toMatchObject(config)
    const expected = await scoresOf(withAdapter(base, adapter, read))
    expect(largestGap(expected, await scoresOf(base))).toBeGreaterThan(0.01)
    const lowRank = Object.fromEntries(Object.entries(adapter).filter(([, parts]) => isLowRank(parts)))
    expect(largestGap(expected, await scoresOf(withAdapter(base, lowRank, common)))).toBeGreaterThan(0.001)

    const outputDir = join(root, 'merged')
    const stayed = !model.config.tiedHead || name === 'both, tied' || name === 'rows of tokens'
    const result = await mergeAdapter({ modelDir, adapterDir, outputDir })
    expect(result.mergedModules).toBe(Object.keys(adapter).length)
    await checkMerged({ modelDir, adapterDir, outputDir })
    const json = JSON.parse(await readFile(join(outputDir, 'config.json'), 'utf8')) as Record<string, unknown>
    expect(json.tie_word_embeddings === false).toBe(!stayed || !model.config.tiedHead)
    await using merged = await openModel(outputDir)
    expect(merged.config.tiedHead).toBe(stayed && model.config.tiedHead)
    expect(largestGap(await scoresOf(await merged.decoder(device, 'f32')), expected)).toBeLessThan(1e-4)

    const output = join(root, 'merged.gguf')
    if (family === 'gemma' && !stayed) {
      await expect(exportGguf({ modelDir, adapterDir, output })).rejects.toThrow(
        "llama.cpp's gemma architecture has no head of its own beside the embedding",
      )
      return
    }
    await exportGguf({ modelDir, adapterDir, output, dtype: 'f32' })
    await checkGguf({ modelDir, adapterDir, output })
    await using gguf = await openModel(output)
    expect(largestGap(await scoresOf(await gguf.decoder(device, 'f32')), expected)).toBeLessThan(1e-4)

    await expect(exportGgufAdapter({ modelDir, adapterDir, output: join(root, 'adapter.gguf') })).rejects.toThrow(
      /has (model\.embed_tokens|lm_head)\.weight of its own.*llama\.cpp cannot hold; merge it/,
    )
    const copy = join(root, 'copy')
    await importAdapter({ inputDir: adapterDir, model: model.config, outputDir: copy })
    await checkPeft({ modelDir, adapterDir, outputDir: copy })
    for (const file of ['adapter_config.json', 'adapter_model.safetensors'])
      expect(await readFile(join(copy, file))).toEqual(await readFile(join(adapterDir, file)))
  })
})

test('an adapter that LoftQ started in two rounds is merged with its own base', async () => {
  const config: LoraConfig = {
    ...common,
    targetModules: 'all-linear',
    initLoraWeights: 'loftq',
    loftqConfig: { bits: 8, iterations: 2 },
  }
  const [modelDir, adapterDir, outputDir] = ['model', 'adapter', 'merged'].map((name) => join(root, name))
  await writeFamily(modelDir!, tinyFamilies.llama!)
  await using model = await openModel(modelDir!, { quantize: 'int8' })
  const taken = (await fitBase(model.weights, model.config, config))!
  const base = await model.decoder(device, 'f32', 'trained', fittedSource(model.weights, taken, config))
  const adapter = await startAdapter(base, config, 1, device, (name) => originalWeight(model.weights, name))
  await mkdir(adapterDir!)
  await savePeftAdapter(adapterDir!, adapter, config, { baseModel: 'tiny', taken })
  const expected = await scoresOf(withAdapter(base, adapter, config))
  await mergeAdapter({ modelDir: modelDir!, adapterDir, outputDir: outputDir! })
  await checkMerged({ modelDir: modelDir!, adapterDir, outputDir: outputDir! })
  await using merged = await openModel(outputDir!)
  expect(largestGap(await scoresOf(await merged.decoder(device, 'f32')), expected)).toBeLessThan(1e-4)
  await using plain = await openModel(modelDir!)
  const tuned = await tunedDecoder(plain, adapterDir, device)
  expect(largestGap(await scoresOf(tuned.decoder), expected)).toBeLessThan(1e-4)
  tuned.dispose()
  await expect(
    exportGgufAdapter({ modelDir: modelDir!, adapterDir: adapterDir!, output: join(root, 'adapter.gguf') }),
  ).rejects.toThrow(/was started by LoftQ, and makes up for what its own base lacks.*merge it/)
})
