// The model's own weights trained: all of them, or those of chosen layers.
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openModel } from '@jora/llama'
import { optimizers, tensor, type Tensor } from '@jora/tensor'
import { apartOf } from '../src/adapter/apart'
import { defaultLoraConfig, load, type JoraSettings } from '../src/index'
import { configOf, metrics, modelPath, out, root, setUp, train } from '../src/train/train-lora-harness'

setUp()

const wholeOf = (change: Partial<JoraSettings> = {}) =>
  configOf({ finetuningType: 'full', learningRate: 0.003, loraR: 16, loraAlpha: 16, ...change })

/** Tensors of a model's folder by name. */
async function tensorsOf(folder: string): Promise<Map<string, Buffer>> {
  await using model = await openModel(folder, { local: true })
  const found = new Map<string, Buffer>()
  for (const name of model.weights.entries.keys()) found.set(name, Buffer.from(await model.weights.read(name)))
  return found
}

const changedOf = (before: ReadonlyMap<string, Buffer>, after: ReadonlyMap<string, Buffer>): string[] =>
  [...before].filter(([name, bytes]) => !bytes.equals(after.get(name)!)).map(([name]) => name)

describe('all weights', () => {
  test('are learned, and saved as a model that is asked like any other', async () => {
    const { finished } = await train(wholeOf())
    expect(finished).toBe(true)
    const losses = (await metrics()).flatMap((event) => (event.type === 'step' ? [event.loss] : []))
    expect(losses.at(-1)!).toBeLessThan(losses[0]! - 0.5)
    const [before, after] = [await tensorsOf(modelPath), await tensorsOf(out)]
    expect([...after.keys()].sort()).toEqual([...before.keys()].sort())
    expect(changedOf(before, after).sort()).toEqual([...before.keys()].sort())
    expect(existsSync(join(out, 'adapter_config.json'))).toBe(false)
    const { base } = JSON.parse(await readFile(join(out, 'prompt.json'), 'utf8')) as { base?: unknown }
    expect(base).toBeUndefined()
    await using answering = await load(out)
    expect((await answering.answer('Say it.', { maxNewTokens: 2 }).whole()).ids.length).toBeGreaterThan(0)
  })

  test('go on from a checkpoint as if they had never stopped', async () => {
    await train(wholeOf())
    const straight = await tensorsOf(out)
    const other = join(root, 'other')
    const stop = new AbortController()
    await train(wholeOf(), other, { signal: stop.signal, onEvent: ({ type }) => type === 'step' && stop.abort() })
    const { steps } = await train(wholeOf(), other, { resume: 'auto' })
    expect(steps).toBeGreaterThan(1)
    expect(changedOf(straight, await tensorsOf(other))).toEqual([])
  })
})

test('only the chosen layers change, bit for bit', async () => {
  await train(wholeOf({ finetuningType: 'freeze', trainableLayers: 1, epochs: 1 }))
  const changed = changedOf(await tensorsOf(modelPath), await tensorsOf(out))
  expect(changed.length).toBeGreaterThan(5)
  expect(changed.every((name) => name.startsWith('model.layers.1.'))).toBe(true)
})

test('modules and layers that are not there, ranks of modules that are not adapted, are refused before weights are read', async () => {
  await expect(train(wholeOf({ finetuningType: 'freeze', trainableModules: ['mlp', 'experts'] }))).rejects.toThrow(
    'trainableModules "experts" is in none of the trained layers; a layer has input_layernorm, self_attn.q_proj',
  )
  await expect(train(wholeOf({ finetuningType: 'freeze', layersToTransform: [5] }))).rejects.toThrow(
    'layersToTransform has 5, expected numbers of the model’s layers, 0 to 1'.replace('’', "'"),
  )
  await expect(train(configOf({ rankPattern: { k_proj: 8 } }))).rejects.toThrow(
    'rankPattern "k_proj" matches none of the adapted modules, which are q_proj, v_proj',
  )
  expect(existsSync(out)).toBe(false)
})

test('adamw_8bit keeps the moments of an embedding in f32, as transformers asks bitsandbytes to', () => {
  const matrix = () => ({ weight: tensor(new Float32Array(8192), { shape: [64, 128] }) })
  const params = { 'model.embed_tokens': matrix(), 'model.layers.0.mlp.up_proj': matrix(), lm_head: matrix() }
  const { apart } = apartOf({ optimizer: 'adamw_8bit', lora: { ...defaultLoraConfig, whole: {} } })
  const { packed } = optimizers.adamw_8bit.init(params, { apart })
  const groups = Object.values(packed as Record<string, { readonly m: Tensor | { readonly codes: Tensor } }>)
  const sizes = groups.map(({ m }) => ('codes' in m ? ['8 bits', 4 * m.codes.size] : ['f32', m.size]))
  expect(sizes).toEqual([
    ['8 bits', 2 * 8192],
    ['f32', 8192],
  ])
})

test('the card says that the model itself was trained', async () => {
  await train(wholeOf({ epochs: 1 }))
  const card = await readFile(join(out, 'README.md'), 'utf8')
  expect(card).toContain('A fine-tuned model')
  expect(card).toContain('all weights')
  expect(card).not.toMatch(/lora/i)
})
