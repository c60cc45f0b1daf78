// checkMerged and checkPeft: what is whole passes; a flipped byte, a swapped name, an edited file does not.
import { mkdtempSync, rmSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parseConfig } from '@jora/llama'
import { importAdapter, type LoraConfig } from '@jora/lora'
import { openSafetensors } from '@jora/tensor/safetensors'
import { entry, tinyConfig, tinyWeights, writeTinyModel } from '../../llama/test/tiny-model'
import { writeTinyAdapter } from '../../lora/test/tiny-adapter'
import { checkMerged, checkPeft, ExportError, mergeAdapter } from './index'

const lora: LoraConfig = { r: 3, alpha: 6, dropout: 0, targetModules: ['q_proj', 'v_proj'], useRslora: false }
const model = parseConfig(tinyConfig)

let root: string
let folders: { modelDir: string; adapterDir: string; outputDir: string }
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'jora-check-'))
  folders = { modelDir: join(root, 'model'), adapterDir: join(root, 'adapter'), outputDir: join(root, 'out') }
  const positions = { name: 'positions', dtype: 'I64' as const, shape: [2], data: new Uint8Array(16).fill(3) }
  const weights = tinyWeights().map(({ name, shape, data }) => entry(name, shape, data))
  await writeTinyModel(folders.modelDir, tinyConfig, [...weights, positions])
  await writeFile(join(folders.modelDir, 'tokenizer.json'), '{"t": 1}')
  await writeFile(join(folders.modelDir, 'LICENSE'), 'free')
  await writeTinyAdapter(folders.adapterDir, model, lora)
})
afterEach(() => rmSync(root, { recursive: true }))

const out = (name: string) => join(folders.outputDir, name)

/** Changes one bit of a byte of a tensor, counted from its start. */
async function flip(path: string, tensor: string, byte: number): Promise<void> {
  const { offset } = await openSafetensors(path).then(async (file) => {
    await file.close()
    return file.range(tensor)
  })
  const bytes = await readFile(path)
  bytes[offset + byte]! ^= 1
  await writeFile(path, bytes)
}

/** Rewrites a file as latin-1 text, which keeps every byte. */
const edit = async (path: string, change: (text: string) => string) =>
  writeFile(path, change(await readFile(path, 'latin1')), 'latin1')

/** Each of two names in place of the other. */
const swap = (a: string, b: string) => (text: string) =>
  text.replaceAll(/[\w.]+/g, (word) => (word === a ? b : word === b ? a : word))

describe('a merged model', () => {
  const merge = (change: Partial<Parameters<typeof mergeAdapter>[0]> = {}) => mergeAdapter({ ...folders, ...change })
  const differs = async (message: RegExp) => {
    const checked = checkMerged(folders)
    await expect(checked).rejects.toThrow(message)
    await expect(checked).rejects.toBeInstanceOf(ExportError)
  }

  test.each([
    [undefined, 2 ** -24],
    ['bf16', 2 ** -7],
    ['f16', 2 ** -10],
  ] as const)('as it was written passes, as %s', async (dtype, most) => {
    const { totalBytes } = await merge({ dtype, maxShardBytes: 20_000 })
    const { tensors, bytes, maxError } = await checkMerged(folders)
    expect({ tensors, bytes }).toEqual({ tensors: 31, bytes: totalBytes })
    expect(maxError).toBeLessThanOrEqual(most)
    expect(maxError > 0).toBe(dtype !== undefined)
  })

  test('of the model alone passes', async () => {
    await mergeAdapter({ modelDir: folders.modelDir, outputDir: folders.outputDir })
    const { modelDir, outputDir } = folders
    expect(await checkMerged({ modelDir, outputDir })).toMatchObject({ maxError: 0 })
    await differs(/model\.layers\.0\.self_attn\.q_proj\.weight differs from W \+ scale·B·A at element 0: /)
  })

  test.each([
    ['model.embed_tokens.weight', 4 * 1500 + 3, /embed_tokens\.weight differs from W \+ scale·B·A at element 1500: /],
    ['model.layers.2.self_attn.q_proj.weight', 4 * 7, /layers\.2\.self_attn\.q_proj\.weight .* at element 7: /],
    ['lm_head.weight', 4 * (48 * 32 - 1) + 1, /lm_head\.weight .* at element 1535: /],
    ['positions', 9, /positions differs from the model's/],
  ])('one bit of %s', async (name, byte, message) => {
    await merge()
    await flip(out('model.safetensors'), name, byte)
    await differs(message)
  })

  test('tensors that changed names, or are missing', async () => {
    await merge()
    const [k, v] = ['model.layers.1.self_attn.k_proj.weight', 'model.layers.1.self_attn.v_proj.weight']
    await edit(out('model.safetensors'), swap(k, v))
    await differs(/model\.layers\.1\.self_attn\.[kv]_proj\.weight differs from W \+ scale·B·A at element 0: /)
    await edit(out('model.safetensors'), swap(k, v))
    await checkMerged(folders)
    await edit(out('model.safetensors'), (text) => text.replace('"positions"', '"locations"'))
    await differs(/out: positions is missing$/)
    await edit(out('model.safetensors'), (text) => text.replace('"locations"', '"positions"'))
    await edit(out('model.safetensors'), (text) => text.replace(k, k.replace('k_proj', 'kkproj')))
    await expect(checkMerged(folders)).rejects.toThrow(/lacks 1 of 30 weights, first .*k_proj\.weight/)
  })

  test('shards: one of another merge, one that is gone', async () => {
    await merge({ maxShardBytes: 20_000 })
    const last = 'model-00003-of-00006.safetensors'
    await writeTinyAdapter(folders.adapterDir, model, { ...lora, alpha: 7 })
    await merge({ maxShardBytes: 20_000, outputDir: join(root, 'other') })
    await writeTinyAdapter(folders.adapterDir, model, lora)
    await writeFile(out(last), await readFile(join(root, 'other', last)))
    await differs(/model-00003-of-00006\.safetensors: model\.layers\.\d\.self_attn\.[qv]_proj\.weight differs/)
    await rm(out(last))
    await expect(checkMerged(folders)).rejects.toThrow(/names model-00003-of-00006\.safetensors, which is not in/)
  })

  test('an index that names another file', async () => {
    await merge({ maxShardBytes: 20_000 })
    const named = '"lm_head.weight": "model-00006-of-00006.safetensors"'
    await edit(out('model.safetensors.index.json'), (text) => {
      expect(text).toContain(named)
      return text.replace(named, named.replace('00006-', '00001-'))
    })
    await differs(/index\.json: lm_head\.weight should be in model-00001-of-.*, but is in model-00006-of-/)
  })

  test.each([
    ['tokenizer.json', (text: string) => text.replace('1', '2'), /tokenizer\.json is not the model's/],
    ['LICENSE', () => '', /LICENSE is not the model's/],
    [
      'config.json',
      (text: string) => text.replace('"rope_theta":10000', '"rope_theta":20000'),
      /out\/config\.json describes another model than .*model\/config\.json/,
    ],
  ])('an edited %s', async (name, change, message) => {
    await merge()
    await edit(out(name), change)
    await differs(message)
  })

  test('a tokenizer that is gone', async () => {
    await merge()
    await rm(out('tokenizer.json'))
    await differs(/tokenizer\.json is not the model's/)
  })
})

describe('a PEFT adapter', () => {
  beforeEach(() => importAdapter({ inputDir: folders.adapterDir, model, outputDir: folders.outputDir }))
  const weights = 'adapter_model.safetensors'
  const differs = async (message: RegExp) => {
    await expect(checkPeft(folders)).rejects.toThrow(message)
    await expect(checkPeft(folders)).rejects.toBeInstanceOf(ExportError)
  }

  test('as it was written passes', async () => {
    const { tensors, bytes, maxError } = await checkPeft(folders)
    expect({ tensors, bytes, maxError }).toEqual({ tensors: 12, bytes: 4 * 3 * 3 * (32 + 32 + 32 + 16), maxError: 0 })
  })

  test('one bit', async () => {
    await flip(out(weights), 'base_model.model.model.layers.1.self_attn.v_proj.lora_B.weight', 4 * 5)
    await differs(/out: loraB of model\.layers\.1\.self_attn\.v_proj is .* at element 5, expected /)
  })

  test('tensors that changed names', async () => {
    const name = (layer: number) => `base_model.model.model.layers.${layer}.self_attn.q_proj.lora_A.weight`
    await edit(out(weights), swap(name(0), name(2)))
    await differs(/out: loraA of model\.layers\.0\.self_attn\.q_proj is .* at element 0, expected /)
  })

  test('another scale, other modules', async () => {
    const settings = out('adapter_config.json')
    await edit(settings, (text) => text.replace('"lora_alpha": 6', '"lora_alpha": 5'))
    await differs(/out: the scale of model\.layers\.0\.self_attn\.q_proj is 1\.66\d*, expected 2$/)
    await writeTinyAdapter(folders.outputDir, model, { ...lora, targetModules: ['q_proj'] })
    await differs(/out: module model\.layers\.0\.self_attn\.v_proj is missing$/)
    await writeTinyAdapter(folders.outputDir, model, { ...lora, targetModules: ['q_proj', 'v_proj', 'o_proj'] })
    await differs(/out: module model\.layers\.0\.self_attn\.o_proj is not of the adapter$/)
  })
})
