// A GGUF file as the base of exports: as a folder for transformers, merged into another GGUF file, each type.
import { mkdtempSync, rmSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { configJson, decode, logits, openModel, parseConfig } from '@jora/llama'
import { loadAdapter, loraLinear } from '@jora/lora'
import { jit, setDefaultDevice, tensor, type Device, type Tensor } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { checkGguf, checkMerged, exportGguf, measureLoss, mergeAdapter } from '../src/index'
import { entry, tinyWeights, writeTinyModel } from '../../llama/test/tiny-model'
import { allTargets, familyConfig, tinyFamilies, writeFamily, writeRandomAdapter } from './gguf-models'

let root: string
let device: Device
beforeAll(async () => setDefaultDevice((device = await openCpuDevice({ threads: 1 }))))
afterAll(async () => {
  setDefaultDevice(undefined)
  await device.close()
})
beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'jora-gguf-base-'))))
afterEach(() => rmSync(root, { recursive: true }))

const ids = [1, 5, 9, 7, 3, 8, 120, 40]
async function scoresOf(path: string, adapterDir?: string): Promise<Float32Array> {
  await using model = await openModel(path)
  const base = await model.decoder(device, 'f32')
  const lora = adapterDir === undefined ? undefined : await loadAdapter(adapterDir, model.config, device)
  const decoder = lora ? { ...base, linear: loraLinear(lora.adapter, lora.config) } : base
  const forward = jit((tokens: Tensor) => logits(decoder, decode(decoder, { tokens }).hidden))
  const scores = forward(tensor(Int32Array.from(ids), { shape: [1, ids.length], device }))
  const values = (await scores.data()) as Float32Array
  forward.dispose()
  return values
}
const largestGap = (a: Float32Array, b: Float32Array): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0)

test.each(Object.keys(tinyFamilies))(
  '%s: its config.json can be written again, and its GGUF become a folder',
  async (name) => {
    const [folder, path, again] = [join(root, 'model'), join(root, 'model.gguf'), join(root, 'again')]
    const { config, tokenizer } = tinyFamilies[name]!
    expect(parseConfig(configJson(parseConfig(config)))).toEqual(parseConfig(config))
    await writeFamily(folder, { config, tokenizer: { ...tokenizer, decoder: { type: 'ByteLevel' } } })
    await exportGguf({ modelDir: folder, output: path, dtype: 'f32' })
    await mergeAdapter({ modelDir: path, outputDir: again })
    await checkMerged({ modelDir: path, outputDir: again })
    expect(largestGap(await scoresOf(again), await scoresOf(path))).toBeLessThan(1e-5)
    await using from = await openModel(path)
    await using model = await openModel(again)
    for (const text of ['Hello world', ' two  spaces\nand 1234 digits', 'naïve 日本 🙂'])
      expect(model.tokenizer.encode(text)).toEqual(from.tokenizer.encode(text))
  },
)

test('an adapter merged into a quantised base is added to what its blocks hold, and rounded once', async () => {
  const [folder, base, adapterDir] = [join(root, 'model'), join(root, 'base.gguf'), join(root, 'adapter')]
  const family = tinyFamilies['llama, llama3 scaling, biases']!
  await writeFamily(folder, family)
  await exportGguf({ modelDir: folder, output: base, dtype: 'q8_0' })
  await writeRandomAdapter(adapterDir, familyConfig(family), allTargets, 0.3)
  const exact = await scoresOf(base, adapterDir)
  const merged = { modelDir: base, adapterDir }

  const file = (dtype: string) => join(root, `${dtype}.gguf`)
  const gaps: Record<string, number> = {}
  for (const dtype of ['f32', 'q8_0', 'q6_k', 'q4_k_m', 'q4_0'] as const) {
    await exportGguf({ ...merged, output: file(dtype), dtype })
    await checkGguf({ ...merged, output: file(dtype) })
    gaps[dtype] = largestGap(await scoresOf(file(dtype)), exact)
  }
  expect(gaps.f32).toBeLessThan(1e-4)
  expect(gaps.q8_0).toBeLessThan(0.8)
  expect(gaps.q4_0!).toBeGreaterThan(gaps.q8_0!)

  const output = join(root, 'merged')
  await mergeAdapter({ ...merged, outputDir: output, dtype: 'f32' })
  await checkMerged({ ...merged, outputDir: output })
  expect(largestGap(await scoresOf(output), exact)).toBeLessThan(1e-4)
  expect(JSON.parse(await readFile(join(output, 'config.json'), 'utf8'))).toMatchObject({
    architectures: ['LlamaForCausalLM'],
    torch_dtype: 'float32',
    rope_scaling: { rope_type: 'llama3', factor: 8 },
  })

  const texts = ['the land and the hand', 'and then an other']
  const { before, after, tokens } = await measureLoss({ ...merged, gguf: file('f32'), texts, device })
  expect(Math.abs(before - after)).toBeLessThan(1e-4)
  expect(tokens).toBeGreaterThan(20)
  const rounded = await measureLoss({ ...merged, gguf: file('q4_0'), texts, device })
  expect(rounded.before).toBeCloseTo(before, 5)
  expect(Math.abs(rounded.after - before)).toBeGreaterThan(1e-4)
})

test('a GGUF file is not written over itself', async () => {
  const [folder, path] = [join(root, 'model'), join(root, 'model.gguf')]
  await writeFamily(folder, tinyFamilies.llama!)
  await exportGguf({ modelDir: folder, output: path })
  const before = await readFile(path)
  await expect(exportGguf({ modelDir: path, output: path, dtype: 'q8_0', overwrite: true })).rejects.toThrow(
    /is the model's own file; choose another/,
  )
  expect(before.equals(await readFile(path))).toBe(true)
})

test('of a model that sees pictures too, the text part is read, and written by itself', async () => {
  const [folder, whole, output] = [join(root, 'text'), join(root, 'whole'), join(root, 'merged')]
  const { config, tokenizer } = tinyFamilies.gemma3!
  await writeFamily(folder, { config, tokenizer })
  const { model_type: _type, ...text } = config
  const entries = tinyWeights(config).map(({ name, shape, data }) => entry(`language_model.${name}`, shape, data))
  const vision = entry('vision_tower.vision_model.embeddings.weight', [2, 2], new Float32Array(4))
  await writeTinyModel(whole, { model_type: 'gemma3', text_config: text, vision_config: {} }, [...entries, vision])
  await writeFile(join(whole, 'tokenizer.json'), JSON.stringify(tokenizer))
  const expected = await scoresOf(folder)
  expect(largestGap(await scoresOf(whole), expected)).toBe(0)
  await mergeAdapter({ modelDir: whole, outputDir: output })
  await checkMerged({ modelDir: whole, outputDir: output })
  expect(largestGap(await scoresOf(output), expected)).toBe(0)
  expect(JSON.parse(await readFile(join(output, 'config.json'), 'utf8'))).toMatchObject({
    model_type: 'gemma3_text',
    architectures: ['Gemma3ForCausalLM'],
  })
})
