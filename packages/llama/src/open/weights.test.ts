// Checkpoints: single files, shards (in subfolders too), 16-bit weights, and a clear error for everything that is wrong.
import { mkdtempSync, rmSync, truncateSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { cast, setDefaultDevice, type Device, type Tensor } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { serializeSafetensors, writeSafetensors } from '@jora/tensor/safetensors'
import { entry, tinyConfig, tinyWeights, toBf16, writeTinyModel } from '../../test/tiny-model'
import { HubError } from '../hub'
import { loadModel, ModelError, openModel, parseConfig, weightShapes } from '../index'

let device: Device
beforeAll(async () => {
  device = await openCpuDevice({ threads: 1 })
  setDefaultDevice(device)
})
afterAll(async () => {
  setDefaultDevice(undefined)
  await device.close()
})

let folder: string
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'jora-weights-'))))
afterEach(() => rmSync(folder, { recursive: true }))

const file = () => join(folder, 'model.safetensors')
const entries = () => tinyWeights().map(({ name, shape, data }) => entry(name, shape, data))
const rejects = async (message: RegExp) => expect(loadModel(folder)).rejects.toThrow(message)

/** Writes the weights as shards, `place(i)` naming the file of weight i, and the index. */
async function writeShards(place: (index: number) => string): Promise<Record<string, string>> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'config.json'), JSON.stringify(tinyConfig))
  const all = entries()
  const map = Object.fromEntries(all.map(({ name }, i) => [name, place(i)]))
  for (const shard of new Set(Object.values(map))) {
    await mkdir(dirname(join(folder, shard)), { recursive: true })
    await writeSafetensors(
      join(folder, shard),
      all.filter(({ name }) => map[name] === shard),
    )
  }
  await writeIndex(map)
  return map
}
const writeIndex = (map: unknown) =>
  writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify({ metadata: {}, weight_map: map }))

describe('shapes', () => {
  test('are those of the config', () => {
    const shapes = weightShapes(parseConfig({ ...tinyConfig, num_hidden_layers: 1, head_dim: 16 }))
    expect(Object.fromEntries(shapes)).toEqual({
      'model.embed_tokens.weight': [48, 32],
      'model.layers.0.input_layernorm.weight': [32],
      'model.layers.0.self_attn.q_proj.weight': [64, 32],
      'model.layers.0.self_attn.k_proj.weight': [32, 32],
      'model.layers.0.self_attn.v_proj.weight': [32, 32],
      'model.layers.0.self_attn.o_proj.weight': [32, 64],
      'model.layers.0.post_attention_layernorm.weight': [32],
      'model.layers.0.mlp.gate_proj.weight': [40, 32],
      'model.layers.0.mlp.up_proj.weight': [40, 32],
      'model.layers.0.mlp.down_proj.weight': [32, 40],
      'model.norm.weight': [32],
      'lm_head.weight': [48, 32],
    })
    expect(weightShapes(parseConfig({ ...tinyConfig, tie_word_embeddings: true })).has('lm_head.weight')).toBe(false)
  })
})

describe('what loads', () => {
  const expectWeights = async () => {
    const { weights } = await loadModel(folder)
    expect(Object.keys(weights)).toEqual(tinyWeights().map(({ name }) => name))
    for (const { name, data } of tinyWeights()) expect(await (weights[name] as Tensor).data(), `${name}`).toEqual(data)
  }

  test('one file', async () => {
    await writeTinyModel(folder)
    await expectWeights()
  })

  test('shards, also in subfolders; files the index does not name are left alone', async () => {
    await writeShards((i) => ['a.safetensors', 'parts/b.safetensors', 'parts/deep/c.safetensors'][i % 3]!)
    await writeFile(join(folder, 'consolidated.safetensors'), 'not this one')
    await expectWeights()
  })

  test('several files without an index', async () => {
    await writeShards((i) => (i < 9 ? 'one.safetensors' : 'two.safetensors'))
    await rm(join(folder, 'model.safetensors.index.json'))
    await expectWeights()
  })

  test('tensors the config does not call for are left out, of any dtype', async () => {
    const inverse = {
      name: 'model.layers.0.self_attn.rotary_emb.inv_freq',
      dtype: 'F64' as const,
      shape: [4],
      data: new Uint8Array(32),
    }
    await writeTinyModel(folder, tinyConfig, [...entries(), inverse])
    await expectWeights()
    await using model = await openModel(folder)
    expect(model.weights.entries.get(inverse.name)?.type).toBe('F64')
  })

  test('bf16 and f16 weights, exactly', async () => {
    const half = Uint16Array.from({ length: 32 }, (_, i) => 0x3c00 + 8 * i) // 1, 1 + 8/1024, …
    const stored = tinyWeights().map(({ name, shape, data }) =>
      name === 'model.norm.weight' ? entry(name, shape, half, 'F16') : entry(name, shape, toBf16(data), 'BF16'),
    )
    await writeTinyModel(folder, tinyConfig, stored)
    const { weights } = await loadModel(folder)
    expect((weights['model.norm.weight'] as Tensor).dtype).toBe('f16')
    expect([...(await cast(weights['model.norm.weight'] as Tensor, 'f32').data())]).toEqual(
      Array.from({ length: 32 }, (_, i) => 1 + i / 128),
    )
    const name = 'model.layers.1.mlp.up_proj.weight'
    expect((weights[name] as Tensor).dtype).toBe('bf16')
  })
})

describe('what does not', () => {
  test('no folder, no weights, only pickled weights', async () => {
    await expect(loadModel(join(folder, 'none'))).rejects.toThrow(/model folder .*none does not exist/)
    await writeFile(join(folder, 'config.json'), JSON.stringify(tinyConfig))
    await rejects(/has no \.safetensors file$/)
    await writeFile(join(folder, 'pytorch_model.bin'), '')
    await rejects(
      /has no \.safetensors file \(only pytorch_model\.bin; convert it with transformers' save_pretrained first\)/,
    )
  })

  test('an unknown model type', async () => {
    await writeTinyModel(folder)
    await writeFile(join(folder, 'config.json'), JSON.stringify({ ...tinyConfig, model_type: 'gpt2' }))
    await rejects(/config\.json: "model_type" is "gpt2"; expected one of llama, /)
  })

  test('an empty, cut or foreign file', async () => {
    await writeTinyModel(folder)
    truncateSync(file(), 20_000)
    await rejects(/model\.safetensors: tensor ".*": tensors end at byte \d+ of the data, which has \d+ bytes/)
    truncateSync(file(), 100)
    await rejects(/model\.safetensors: header ends at byte \d+, the file at 100: truncated/)
    truncateSync(file(), 0)
    await rejects(/model\.safetensors: 0 bytes, expected at least 8/)
    await writeFile(file(), 'PK\x03\x04 this is a zip file')
    await rejects(/model\.safetensors: header (of|ends)/)
    await rm(file())
    await mkdir(file())
    await rejects(/has no \.safetensors file$/)
  })

  /** The file with its header's JSON changed, lengths kept right. */
  async function rewriteHeader(
    change: (header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>) => void,
  ): Promise<void> {
    const bytes = serializeSafetensors(entries())
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true))
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))) as Parameters<typeof change>[0]
    change(header)
    const json = new TextEncoder().encode(JSON.stringify(header))
    const prefix = new Uint8Array(8)
    new DataView(prefix.buffer).setBigUint64(0, BigInt(json.length), true)
    await writeTinyModel(folder)
    await writeFile(file(), Buffer.concat([prefix, json, bytes.subarray(8 + length)]))
  }

  test('overlapping offsets and gaps', async () => {
    await rewriteHeader((h) => (h['model.embed_tokens.weight']!.data_offsets[0] -= 4))
    await rejects(
      /model\.safetensors: tensor "model\.embed_tokens\.weight": data_offsets \[\d+, \d+\] overlaps another tensor/,
    )
    await rewriteHeader((h) => (h['model.embed_tokens.weight']!.data_offsets[0] += 4))
    await rejects(/tensor "model\.embed_tokens\.weight": data_offsets \[\d+, \d+\] leaves a gap/)
  })

  test('a header that lies about shape, dtype or length', async () => {
    await rewriteHeader((h) => (h['model.norm.weight']!.shape = [31]))
    await rejects(/tensor "model\.norm\.weight": F32 \[31\] needs 124 bytes, data_offsets .* span 128/)
    await rewriteHeader((h) => (h['model.norm.weight']!.dtype = 'F99'))
    await rejects(/tensor "model\.norm\.weight": dtype "F99" is not one of the format/)
    await rewriteHeader((h) => (h['model.norm.weight']!.shape = [-32]))
    await rejects(/tensor "model\.norm\.weight": shape holds -32, expected non-negative integers/)
  })

  test("a shape that is not the config's, a dtype that is not float", async () => {
    await writeTinyModel(
      folder,
      tinyConfig,
      entries().map((e) => (e.name === 'model.layers.2.mlp.down_proj.weight' ? { ...e, shape: [40, 32] } : e)),
    )
    await rejects(
      /model\.safetensors: model\.layers\.2\.mlp\.down_proj\.weight has shape \[40,32\], config\.json calls for \[32,40\]/,
    )
    await writeTinyModel(
      folder,
      tinyConfig,
      entries().map((e) => (e.name === 'model.norm.weight' ? { ...e, dtype: 'I32' as const } : e)),
    )
    await rejects(/model\.safetensors: model\.norm\.weight is I32; expected F32, F16 or BF16/)
  })

  test('a missing weight', async () => {
    await writeTinyModel(
      folder,
      tinyConfig,
      entries().filter(({ name }) => !name.startsWith('lm_head') && !name.includes('layers.1.')),
    )
    await rejects(/lacks 10 of 30 weights, first model\.layers\.1\.input_layernorm\.weight/)
  })

  test('a missing shard, a weight in two files', async () => {
    await writeShards((i) => (i % 2 ? 'a.safetensors' : 'sub/b.safetensors'))
    await rm(join(folder, 'sub/b.safetensors'))
    await rejects(/model\.safetensors\.index\.json names sub\/b\.safetensors, which is not in /)
    await writeSafetensors(join(folder, 'sub/b.safetensors'), entries())
    await rejects(/sub\/b\.safetensors: .*\.weight is also in .*a\.safetensors; each weight must be in one file/)
  })

  for (const name of [
    '../x.safetensors',
    'a/../../x.safetensors',
    '/etc/x.safetensors',
    'C:\\x.safetensors',
    'C:x.safetensors',
    '\\\\host\\x.safetensors',
    './x.safetensors',
    '',
  ]) {
    test(`an index that names ${JSON.stringify(name)}`, async () => {
      const map = await writeShards(() => 'a.safetensors')
      await writeIndex({ ...map, 'model.norm.weight': name })
      await expect(loadModel(folder)).rejects.toThrow(HubError)
      await rejects(/model\.safetensors\.index\.json names ".*", which could leave the model's folder/)
    })
  }

  test('a malformed index', async () => {
    await writeShards(() => 'a.safetensors')
    const index = join(folder, 'model.safetensors.index.json')
    const text = await readFile(index, 'utf8')
    await writeFile(index, text.slice(0, 60))
    await rejects(/model\.safetensors\.index\.json is not JSON/)
    await writeFile(index, '{}')
    await rejects(/model\.safetensors\.index\.json has no weight_map/)
    await writeIndex({})
    await rejects(/model\.safetensors\.index\.json has an empty weight_map/)
    await writeIndex({ a: 3 })
    await rejects(/model\.safetensors\.index\.json maps "a" to something that is not a file name/)
    await writeIndex({ a: 'weights.bin' })
    await rejects(/maps "a" to weights\.bin, which is not a safetensors file/)
  })

  test('before any tensor is made: the errors are ModelErrors', async () => {
    await writeFile(join(folder, 'config.json'), JSON.stringify(tinyConfig))
    await expect(loadModel(folder)).rejects.toThrow(ModelError)
  })
})
