// GGUF files: their bytes, what is read back, and what is refused without leaving anything behind.
import { mkdtempSync, rmSync, truncateSync } from 'node:fs'
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { parseConfig } from '@jora/llama'
import { setDefaultDevice, type Device } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { decodeFloats, openSafetensors } from '@jora/tensor/safetensors'
import {
  allTargets,
  familyConfig,
  spmTokenizer,
  tinyFamilies,
  writeFamily,
  writeRandomAdapter,
} from '../../test/gguf-models'
import { entry, tinyWeights, writeTinyModel } from '../../../llama/test/tiny-model'
import { checkGguf, checkGgufAdapter, exportGguf, exportGgufAdapter, mergeAdapter, type GgufOptions } from '../index'
import { ropeFactors } from './architectures'
import { decodeRows, f32, openGguf, strings, u32, type PackedType } from '@jora/tensor/weights'
import { interleaveRows } from './interleave'
import { writeGguf } from './write'

let root: string
let device: Device
let options: { modelDir: string; adapterDir: string; output: string }
beforeAll(async () => {
  device = await openCpuDevice({ threads: 1 })
  setDefaultDevice(device)
})
afterAll(async () => {
  setDefaultDevice(undefined)
  await device.close()
})
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'jora-gguf-'))
  options = { modelDir: join(root, 'model'), adapterDir: join(root, 'adapter'), output: join(root, 'model.gguf') }
  await writeFamily(options.modelDir, tinyFamilies.llama!)
  await writeRandomAdapter(options.adapterDir, familyConfig(tinyFamilies.llama!))
})
afterEach(() => rmSync(root, { recursive: true }))

/** All tensors of a GGUF file as float32. */
async function readAll(
  path: string,
): Promise<Map<string, { type: string; shape: readonly number[]; values: Float32Array }>> {
  await using file = await openGguf(path)
  const all = new Map<string, { type: string; shape: readonly number[]; values: Float32Array }>()
  for (const [name, { type, shape, bytes }] of file.tensors)
    all.set(name, { type, shape, values: decodeRows(await file.readRange(name, 0, bytes), type) })
  return all
}

test('a file, byte for byte', async () => {
  const path = join(root, 'small.gguf')
  const data = (values: number[]) =>
    async function* () {
      yield new Uint8Array(Float32Array.from(values).buffer)
    }
  const bytes = await writeGguf(
    path,
    new Map([
      ['a', u32(7)],
      ['b', strings(['x', 'é'])],
      ['c', f32(0.5)],
    ]),
    [
      { name: 'v', type: 'f32', shape: [3], data: data([1, 2, 3]) },
      { name: 'm', type: 'f32', shape: [2, 1], data: data([4, 5]) },
    ],
  )
  const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ''), 'hex')
  const head = hex(`
    47475546 03000000 0200000000000000 0300000000000000
    0100000000000000 61 04000000 07000000
    0100000000000000 62 09000000 08000000 0200000000000000 0100000000000000 78 0200000000000000 c3a9
    0100000000000000 63 06000000 0000003f
    0100000000000000 76 01000000 0300000000000000 00000000 0000000000000000
    0100000000000000 6d 02000000 0100000000000000 0200000000000000 00000000 2000000000000000`)
  const padded = Buffer.alloc(Math.ceil(head.length / 32) * 32 + 64)
  head.copy(padded)
  hex('0000803f 00000040 00004040').copy(padded, padded.length - 64)
  hex('00008040 0000a040').copy(padded, padded.length - 32)
  expect(await readFile(path)).toEqual(padded)
  expect(bytes).toBe(padded.length)
  expect(await readAll(path)).toEqual(
    new Map([
      ['v', { type: 'f32', shape: [3], values: Float32Array.of(1, 2, 3) }],
      ['m', { type: 'f32', shape: [2, 1], values: Float32Array.of(4, 5) }],
    ]),
  )
})

describe('the values', () => {
  test('are those of the merged model, under llama.cpp names, query and key rows in its order', async () => {
    const merged = join(root, 'merged')
    await mergeAdapter({ ...options, outputDir: merged })
    const steps: [number, number][] = []
    const result = await exportGguf({ ...options, dtype: 'f32', onProgress: (...step) => steps.push(step) })
    expect(result).toMatchObject({ tensors: 39, mergedModules: 28, notes: [] })
    expect(steps).toEqual(Array.from({ length: 39 }, (_, i) => [i + 1, 39]))
    const all = await readAll(options.output)
    expect([...all.keys()].slice(0, 11)).toEqual([
      'token_embd.weight',
      'blk.0.attn_norm.weight',
      'blk.0.attn_q.weight',
      'blk.0.attn_k.weight',
      'blk.0.attn_v.weight',
      'blk.0.attn_output.weight',
      'blk.0.ffn_norm.weight',
      'blk.0.ffn_gate.weight',
      'blk.0.ffn_up.weight',
      'blk.0.ffn_down.weight',
      'blk.1.attn_norm.weight',
    ])
    expect([...all.keys()].slice(-2)).toEqual(['output_norm.weight', 'output.weight'])
    await using file = await openSafetensors(join(merged, 'model.safetensors'))
    const plain = async (name: string) => decodeFloats(await file.read(name), 'F32')
    expect(all.get('blk.2.ffn_down.weight')!.values).toEqual(await plain('model.layers.2.mlp.down_proj.weight'))
    expect(all.get('blk.2.ffn_down.weight')!.shape).toEqual([64, 96])
    const [theirs, ours] = [
      all.get('blk.1.attn_k.weight')!.values,
      await plain('model.layers.1.self_attn.k_proj.weight'),
    ]
    const row = (values: Float32Array, i: number) => values.subarray(i * 64, (i + 1) * 64)
    // Head 1 of 16 rows: 16, 24, 17, 25, …
    for (const [i, from] of [16, 24, 17, 25, 18].entries()) expect(row(theirs, 16 + i)).toEqual(row(ours, from))
  })

  test.each(['f32', 'f16', 'bf16', 'q8_0', 'q4_0'] satisfies PackedType[])('of %s pass the check', async (dtype) => {
    const { bytes } = await exportGguf({ ...options, dtype })
    const report = await checkGguf(options)
    expect(report).toMatchObject({ tensors: 39, bytes })
    const most = { f32: 0, f16: 2 ** -12, bf16: 2 ** -9, q8_0: 0.004, q4_0: 0.08 }[dtype]
    expect(report.maxError).toBeLessThanOrEqual(most * 1.5)
    expect(report.maxError > 0).toBe(dtype !== 'f32')
  })

  test('have types as llama.cpp gives them: vectors f32, the head q8_0 under q4_0, odd rows f16', async () => {
    const { config, tokenizer } = tinyFamilies['llama, tied head, linear scaling']!
    const types = async (change: Record<string, unknown>) => {
      await writeFamily(options.modelDir, { config: { ...config, ...change }, tokenizer })
      const result = await exportGguf({
        modelDir: options.modelDir,
        output: options.output,
        dtype: 'q4_0',
        overwrite: true,
      })
      const all = await readAll(options.output)
      const names = ['token_embd', 'output', 'output_norm', 'blk.0.attn_q', 'blk.0.ffn_down']
      return { types: names.map((name) => all.get(`${name}.weight`)?.type), notes: result.notes }
    }
    expect(await types({})).toEqual({ types: ['q8_0', undefined, 'f32', 'q4_0', 'q4_0'], notes: [] })
    expect(await types({ tie_word_embeddings: false, intermediate_size: 80 })).toEqual({
      types: ['q4_0', 'q8_0', 'f32', 'q4_0', 'f16'],
      notes: [
        '4 tensors are f16, whose rows are no multiple of 32 elements: blk.0.ffn_down.weight and so on, rows of 80',
      ],
    })
  })

  test('of Llama 3 come with what its scaling divides frequencies by', async () => {
    const family = tinyFamilies['llama, llama3 scaling, biases']!
    await writeFamily(options.modelDir, family)
    await exportGguf({ modelDir: options.modelDir, output: options.output })
    const factors = (await readAll(options.output)).get('rope_freqs.weight')!
    expect(factors).toMatchObject({ type: 'f32', shape: [8] })
    // theta 10000, 16 rows: frequencies 10^(−i/2); 32 positions turn 5.1, 1.6, 0.51 … times. At most 1: × 8; at least 4: × 1.
    const between = 1 / ((1 - (1.6105 - 1) / 3) / 8 + (1.6105 - 1) / 3)
    expect(factors.values[0]).toBe(1)
    expect(factors.values[1]).toBeCloseTo(between, 3)
    expect([...factors.values.subarray(2)]).toEqual([8, 8, 8, 8, 8, 8])
    expect(ropeFactors(familyConfig(tinyFamilies.llama!))).toBeUndefined()
  })

  test('of Gemma norms have their 1', async () => {
    await writeFamily(options.modelDir, tinyFamilies.gemma2!)
    await exportGguf({ modelDir: options.modelDir, output: options.output })
    const all = await readAll(options.output)
    const stored = tinyWeights(tinyFamilies.gemma2!.config).find(
      ({ name }) => name === 'model.layers.1.post_feedforward_layernorm.weight',
    )!
    expect(all.get('blk.1.post_ffw_norm.weight')!.values).toEqual(stored.data.map((x) => x + 1))
    expect(all.has('output.weight')).toBe(false)
  })
})

test('the metadata of Gemma 2', async () => {
  await writeFamily(options.modelDir, tinyFamilies.gemma2!)
  await exportGguf({ modelDir: options.modelDir, output: options.output, dtype: 'q8_0' })
  await using file = await openGguf(options.output)
  const short = [...file.metadata].map(([key, { value }]) => [key, Array.isArray(value) ? value.length : value])
  expect(Object.fromEntries(short)).toEqual({
    'general.type': 'model',
    'general.architecture': 'gemma2',
    'general.name': 'model',
    'general.file_type': 7,
    'general.quantization_version': 2,
    'gemma2.vocab_size': 304,
    'gemma2.context_length': 128,
    'gemma2.embedding_length': 64,
    'gemma2.block_count': 4,
    'gemma2.feed_forward_length': 96,
    'gemma2.attention.head_count': 4,
    'gemma2.attention.head_count_kv': 2,
    'gemma2.attention.key_length': 16,
    'gemma2.attention.value_length': 16,
    'gemma2.attention.layer_norm_rms_epsilon': Math.fround(1e-5),
    'gemma2.rope.dimension_count': 16,
    'gemma2.rope.freq_base': 10_000,
    'gemma2.attn_logit_softcapping': 50,
    'gemma2.final_logit_softcapping': 30,
    'gemma2.attention.sliding_window': 12,
    'tokenizer.ggml.model': 'llama',
    'tokenizer.ggml.pre': 'default',
    'tokenizer.ggml.tokens': 304,
    'tokenizer.ggml.scores': 304,
    'tokenizer.ggml.token_type': 304,
    'tokenizer.ggml.add_space_prefix': false,
    'tokenizer.ggml.bos_token_id': 1,
    'tokenizer.ggml.eos_token_id': 2,
    'tokenizer.ggml.unknown_token_id': 0,
    'tokenizer.ggml.add_bos_token': true,
    'tokenizer.ggml.add_eos_token': false,
  })
})

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
    await refused({ output: weights, overwrite: true }, /exists and is no GGUF file; choose another name/)
  })

  test('types', async () => {
    await refused({ dtype: 'q6_k' as 'q8_0' }, /dtype is q6_k, expected f32, f16, q4_0, q8_0 or bf16/)
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
    await refused({}, /tokenizer\.json does not exist: GGUF holds the vocabulary/)
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
    await refused({ adapterDir }, /no sliding windows but in every other layer/)
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
