// Adapters as GGUF, what the check finds, and what cannot be exported.
import { truncateSync } from 'node:fs'
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { parseConfig } from '@jora/llama'
import { decodeFloats, openSafetensors } from '@jora/tensor/safetensors'
import { allTargets, familyConfig, spmTokenizer, tinyFamilies, writeFamily, writeRandomAdapter } from '../gguf-models'
import { entry, tinyWeights, writeTinyModel } from '../../../llama/test/tiny-model'
import { checkGguf, checkGgufAdapter, exportGguf, exportGgufAdapter, type GgufOptions } from '../../src/index'
import { openGguf } from '@jora/tensor/weights'
import { interleaveRows } from '../../src/gguf/interleave'
import { root, options, readAll, setUp } from './gguf-harness'

setUp()

describe('an adapter', () => {
  test('has A and B under the weights they belong to, and the alpha llama.cpp divides by rank', async () => {
    const result = await exportGgufAdapter(options)
    expect(result).toMatchObject({ tensors: 56, mergedModules: 28, notes: [] })
    await using file = await openGguf(options.output)
    expect(Object.fromEntries([...file.metadata].map(([key, { value }]) => [key, value]))).toMatchObject({
      'general.type': 'adapter',
      'general.architecture': 'llama',
      'adapter.type': 'lora',
      'adapter.lora.alpha': 6,
    })
    const all = await readAll(options.output)
    await using source = await openSafetensors(join(options.adapterDir, 'adapter_model.safetensors'))
    const stored = async (module: string, part: 'A' | 'B') =>
      decodeFloats(await source.read(`base_model.model.model.layers.0.${module}.lora_${part}.weight`), 'F32')
    expect(all.get('blk.0.ffn_up.weight.lora_a')).toEqual({
      type: 'f32',
      shape: [3, 64],
      values: await stored('mlp.up_proj', 'A'),
    })
    expect(all.get('blk.0.ffn_up.weight.lora_b')).toEqual({
      type: 'f32',
      shape: [96, 3],
      values: await stored('mlp.up_proj', 'B'),
    })
    expect(all.get('blk.0.attn_q.weight.lora_b')!.values).toEqual(
      interleaveRows(await stored('self_attn.q_proj', 'B'), 16, 3),
    )
    expect(await checkGgufAdapter(options)).toEqual({ tensors: 56, bytes: result.bytes, maxError: 0 })
  })

  test('of rsLoRA has alpha · √r', async () => {
    await writeRandomAdapter(options.adapterDir, familyConfig(tinyFamilies.llama!), {
      ...allTargets,
      r: 4,
      useRslora: true,
    })
    await exportGgufAdapter({ ...options, dtype: 'f16' })
    await using file = await openGguf(options.output)
    expect(file.metadata.get('adapter.lora.alpha')!.value).toBe(12)
    expect((await checkGgufAdapter(options)).maxError).toBeLessThan(1e-4)
  })

  test('whose alpha differs from module to module has the difference in B', async () => {
    const config = { ...allTargets, alphaPattern: { v_proj: 12 } }
    await writeRandomAdapter(options.adapterDir, familyConfig(tinyFamilies.llama!), config)
    const { notes } = await exportGgufAdapter(options)
    expect(notes).toEqual([
      "the scale of 4 modules is in their B: alpha over rank is the same for all of a GGUF adapter's modules of one rank",
    ])
    const all = await readAll(options.output)
    await using source = await openSafetensors(join(options.adapterDir, 'adapter_model.safetensors'))
    const b = decodeFloats(await source.read('base_model.model.model.layers.3.self_attn.v_proj.lora_B.weight'), 'F32')
    expect(all.get('blk.3.attn_v.weight.lora_b')!.values).toEqual(b.map((x) => 2 * x))
  })
})

describe('the check finds', () => {
  const damaged = async (change: (bytes: Buffer) => void | Buffer): Promise<void> => {
    const bytes = await readFile(options.output)
    await writeFile(options.output, change(bytes) ?? bytes)
  }
  const found = (message: RegExp) => expect(checkGguf(options)).rejects.toThrow(message)
  beforeEach(() => exportGguf({ ...options, dtype: 'q8_0' }))

  test('one bit of a tensor', async () => {
    await damaged((bytes) => void (bytes[bytes.length - 50]! ^= 1))
    await found(/model\.gguf: output\.weight differs from its source at byte \d+: \d+, expected \d+/)
  })
  test('another adapter', async () => {
    await writeRandomAdapter(options.adapterDir, familyConfig(tinyFamilies.llama!), allTargets, 0.2)
    await found(/blk\.0\.attn_q\.weight differs from its source/)
    await expect(checkGguf({ modelDir: options.modelDir, output: options.output })).rejects.toThrow(
      /attn_q\.weight differs/,
    )
  })
  test('metadata that is not the model’s', async () => {
    await damaged((bytes) => void bytes.writeUInt32LE(127, bytes.indexOf('llama.context_length') + 24))
    await found(/llama\.context_length is 127, expected 128/)
  })
  test('a tensor of another name or type', async () => {
    await damaged((bytes) => void bytes.write('blk.7', bytes.indexOf('blk.0.attn_k')))
    await found(/tensor 3 is blk\.7\.attn_k\.weight, expected blk\.0\.attn_k\.weight/)
  })
  test('a file cut short, or longer', async () => {
    const { length } = await readFile(options.output)
    truncateSync(options.output, length - 32)
    await found(/model\.gguf: tensor output\.weight ends at byte \d+, the file at \d+: the file is cut/)
    truncateSync(options.output, length + 32)
    await found(new RegExp(`model\\.gguf: has ${length + 32} bytes; its header calls for ${length}`))
    truncateSync(options.output, 3000)
    await found(/model\.gguf: .*past the file's end|ends within its header|the file is cut/)
    await damaged(() => Buffer.from('GGUF'))
    await found(/past the file's end/)
  })
  test('what is no GGUF', async () => {
    await copyFile(join(options.modelDir, 'config.json'), options.output)
    await found(/does not begin with "GGUF"/)
    await damaged(() => Buffer.from('4747554604000000', 'hex'))
    await found(/GGUF version 4; expected 2 or 3/)
  })
})

describe('what cannot be exported leaves nothing', () => {
  const refused = async (change: Partial<GgufOptions>, message: RegExp) => {
    const before = (await readdir(root)).sort()
    await expect(exportGguf({ ...options, ...change })).rejects.toThrow(message)
    expect((await readdir(root)).sort()).toEqual(before)
  }
  const family = (change: Record<string, unknown>, of = 'llama') =>
    writeFamily(options.modelDir, { config: { ...tinyFamilies[of]!.config, ...change }, tokenizer: spmTokenizer() })

  test('outputs', async () => {
    await refused({ output: join(root, 'none/model.gguf') }, /output directory .*none does not exist/)
    await refused({ output: root }, /is a folder, expected the name of a file/)
    await exportGguf(options)
    const first = await readFile(options.output)
    await refused({ dtype: 'f32' }, /model\.gguf exists; choose another name, or overwrite it/)
    expect(await readFile(options.output)).toEqual(first)
    await exportGguf({ ...options, dtype: 'f32', overwrite: true })
    expect(await readFile(options.output)).not.toEqual(first)
    const weights = join(options.modelDir, 'model.safetensors')
    await refused({ output: weights, overwrite: true }, /exists and is not a GGUF file; choose another name/)
  })

  test('types', async () => {
    await refused({ dtype: 'q3_k' as 'q8_0' }, /dtype is q3_k, expected /)
    await expect(exportGgufAdapter({ ...options, dtype: 'q8_0' as 'f16' })).rejects.toThrow(
      /dtype is q8_0, expected f32, f16 or bf16/,
    )
  })

  test('a disk that fails half-way, with an older file kept', async () => {
    await exportGguf(options)
    const first = await readFile(options.output)
    const source = join(options.modelDir, 'model.safetensors')
    const onProgress = (done: number) => void (done === 10 && truncateSync(source, 90_000))
    await refused({ overwrite: true, onProgress }, /ends at byte/)
    expect(await readFile(options.output)).toEqual(first)
  })

  test('a weight too large for f16', async () => {
    const entries = tinyWeights(tinyFamilies.llama!.config).map(({ name, shape, data }) =>
      entry(name, shape, name === 'lm_head.weight' ? data.fill(70_000) : data),
    )
    await writeTinyModel(options.modelDir, tinyFamilies.llama!.config, entries)
    await refused({ dtype: 'f16' }, /output\.weight: 70000 is past the range of F16; export with dtype f32/)
  })

  test('tokenizers', async () => {
    const path = join(options.modelDir, 'tokenizer.json')
    const write = (change: object) => writeFile(path, JSON.stringify({ ...spmTokenizer(), ...change }))
    await write({ model: { type: 'Unigram', vocab: [] } })
    await refused({}, /tokenizer\.json: a tokenizer of kind "Unigram" cannot be exported, only BPE/)
    await write({ model: { type: 'BPE', vocab: {}, merges: [] }, pre_tokenizer: { type: 'Whitespace' } })
    await refused(
      {},
      /no counterpart that JORA knows for its pre-tokenizer, \{"type":"Whitespace"\}; known are llama-bpe, /,
    )
    await writeFile(path, '{')
    await refused({}, /tokenizer\.json is not valid JSON/)
    await rm(path)
    await refused({}, /tokenizer\.json does not exist: GGUF contains the vocabulary/)
  })

  test('models that llama.cpp computes otherwise', async () => {
    const adapterDir = undefined
    await family({ model_type: 'qwen3', attention_bias: true })
    await refused({ adapterDir }, /llama\.cpp's qwen3 architecture has no bias for q_proj/)
    await family({ query_pre_attn_scalar: 20 }, 'gemma2')
    await refused(
      { adapterDir },
      /gemma2 architecture has no query scale of 0\.22\d*, only 0\.25 \(query_pre_attn_scalar 16\)/,
    )
    await family({ final_logit_softcapping: null }, 'gemma2')
    await refused({ adapterDir }, /no way to leave out soft caps/)
    await family({ layer_types: Array(4).fill('sliding_attention') }, 'gemma2')
    await refused({ adapterDir }, /no sliding windows except in all layers but every second one/)
    await family({ sliding_window_pattern: 3 }, 'gemma3')
    await refused({ adapterDir }, /no sliding windows except in all layers but every 6th one/)
    await family({ rope_scaling: { rope_type: 'dynamic', factor: 2 } })
    await refused({ adapterDir }, /no dynamic rotary scaling/)
    await family({ model_type: 'mistral', sliding_window: 64 })
    expect((await exportGguf({ ...options, adapterDir })).notes).toEqual([
      "llama.cpp's llama has no sliding window: past 64 tokens it attends to more than the model was made for",
    ])
  })

  test('adapters', async () => {
    await refused({ adapterDir: join(root, 'none') }, /adapter_config\.json does not exist|none/)
    await mkdir(join(root, 'other'))
    await writeRandomAdapter(join(root, 'other'), parseConfig({ ...tinyFamilies.llama!.config, hidden_size: 32 }))
    await refused({ adapterDir: join(root, 'other') }, /has shape|was made for another model/)
  })
})
