// GGUF files: their bytes, what is read back, and what is refused without leaving anything behind.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { decodeFloats, openSafetensors } from '@jora/tensor/safetensors'
import { familyConfig, tinyFamilies, writeFamily } from '../gguf-models'
import { tinyWeights } from '../../../llama/test/tiny-model'
import { checkGguf, exportGguf, mergeAdapter } from '../../src/index'
import { ropeFactors } from '../../src/gguf/architectures'
import { f32, openGguf, strings, u32 } from '@jora/tensor/weights'
import type { FileType } from '../../src/gguf/file-types'
import { writeGguf } from '../../src/gguf/write'
import { root, options, readAll, setUp } from './gguf-harness'

setUp()

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

  test.each(['f32', 'f16', 'bf16', 'q8_0', 'q4_0', 'q4_k_m', 'q5_k_m', 'q6_k'] satisfies FileType[])(
    'of %s pass the check',
    async (dtype) => {
      const { bytes } = await exportGguf({ ...options, dtype })
      const report = await checkGguf(options)
      expect(report).toMatchObject({ tensors: 39, bytes })
      const most = {
        f32: 0,
        f16: 2 ** -12,
        bf16: 2 ** -9,
        q8_0: 0.004,
        q6_k: 0.004,
        q5_k_m: 0.04,
        q4_0: 0.08,
        q4_k_m: 0.08,
      }[dtype]
      expect(report.maxError).toBeLessThanOrEqual(most * 1.5)
      expect(report.maxError > 0).toBe(dtype !== 'f32')
    },
  )

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
        '4 tensors are f16, whose rows are not a multiple of 32 elements: blk.0.ffn_down.weight and so on, rows of 80',
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
    expect(ropeFactors(familyConfig(tinyFamilies.llama!)).size).toBe(0)
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
