// What jora export refuses: wrong calls, adapters of another base, models that are not whole, outputs that are there.
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { mergeAdapter } from '@jora/hf-export'
import { parseConfig } from '@jora/llama'
import { peftName } from '@jora/lora'
import { writeSafetensors, type SafetensorsDType } from '@jora/tensor/safetensors'
import { tinyFamilies, writeFamily } from '../../../../packages/hf-export/test/gguf-models'
import { entry, noise, tinyWeights, writeTinyModel } from '../../../../packages/llama/test/tiny-model'
import { writeTinyAdapter } from '../../../../packages/lora/test/tiny-adapter'
import {
  space,
  told,
  llama,
  lora,
  formats,
  type Format,
  type Call,
  exportIt,
  path,
  config,
  setUp,
} from './export-harness'

setUp()

async function refuses(format: Format, call: Partial<Call>, message: RegExp, more: readonly string[] = [], code = 1) {
  const before = readdirSync(space.dir)
  const result = await exportIt(format, { output: 'none', ...call }, ...more)
  expect(told(result.err)).toMatch(message)
  expect(told(result.err)).toMatch(/^error: [^\n]*\n$/)
  expect(result).toMatchObject({ code, out: '' })
  expect(readdirSync(space.dir)).toEqual(before)
}

describe('wrong calls', () => {
  test.each<[Format, string[], RegExp]>([
    ['peft', [], /^error: --format peft needs --adapter/],
    ['gguf-lora', [], /^error: --format gguf-lora needs --adapter/],
    ['hf', ['--dtype', 'q8_0'], /^error: --dtype q8_0 is not for --format hf, expected f32, f16, bf16/],
    [
      'gguf',
      ['--dtype', 'q5_0'],
      /^error: --dtype: got "q5_0", expected f32, f16, bf16, q8_0, q6_k, q5_k_m, q4_k_m or q4_0/,
    ],
    ['hf', ['--check', 'llamacpp'], /^error: --check llamacpp runs a whole model: it is for --format gguf/],
    ['hf', ['--overwrite'], /^error: --overwrite is for GGUF files; a folder must be new or empty/],
  ])('%s %j', (format, more, message) => refuses(format, { adapter: null }, message, more, 2))

  test('peft has one type; the model must be there', async () => {
    await refuses(
      'peft',
      {},
      /^error: --dtype f16 is not for --format peft, which is always float32/,
      ['--dtype', 'f16'],
      2,
    )
    await refuses('hf', { model: 'nowhere' }, /nowhere/)
    await refuses('hf', { adapter: 'nowhere' }, /^error: adapter folder DIR\/nowhere does not exist/)
    await refuses('gguf', { output: 'no/such/folder.gguf' }, /^error: output directory DIR\/no\/such does not exist/)
  })
})

describe('an adapter of another base', () => {
  const weights = 'DIR/lora/adapter_model\\.safetensors'
  test.each<[what: string, family: string, change: object, message: RegExp]>([
    [
      'of another hidden size',
      'llama',
      { hidden_size: 32 },
      new RegExp(
        `^error: ${weights}: base_model\\.model\\.model\\.layers\\.0\\.self_attn\\.q_proj\\.lora_A\\.weight has shape \\[3,64\\], expected \\[3,32\\]: the adapter was made for another model or rank \\(its settings name "org/base"\\)`,
      ),
    ],
    [
      'of another head size',
      'llama',
      { head_dim: 8 },
      new RegExp(
        `^error: ${weights}: .*layers\\.0\\.self_attn\\.q_proj\\.lora_B\\.weight has shape \\[64,3\\], expected \\[32,3\\]`,
      ),
    ],
    [
      'Qwen 3 of fewer layers',
      'qwen3',
      { num_hidden_layers: 2 },
      new RegExp(
        `^error: ${weights}: the adapter has layers 0…3, the model has 2 layers: the adapter was made for another model`,
      ),
    ],
    [
      'Gemma 2 of more layers',
      'gemma2',
      { num_hidden_layers: 6 },
      new RegExp(
        `^error: ${weights}: the adapter has layers 0…3, the model has 6 layers: the adapter was made for another model`,
      ),
    ],
  ])('%s', async (what, family, change, message) => {
    const { config, tokenizer } = tinyFamilies[family]!
    await writeFamily(path(what), { config: { ...config, ...change }, tokenizer })
    for (const format of formats) await refuses(format, { model: what }, message)
  })

  test('of another vocabulary: one that has rows of it', async () => {
    // Low-rank updates of the blocks do not say; PEFT saves the embedding where the vocabulary was resized.
    const config = parseConfig(llama.config)
    await writeTinyAdapter(path('resized'), config, lora)
    const embedding = 'base_model.model.model.embed_tokens.weight'
    const tensors = ['loraA', 'loraB'].map((part) => peftName('model.layers.0.self_attn.q_proj', part as 'loraA'))
    await writeSafetensors(path('resized', 'adapter_model.safetensors'), [
      entry(tensors[0]!, [3, 64], noise('a', 3 * 64)),
      entry(tensors[1]!, [64, 3], noise('b', 64 * 3)),
      entry(embedding, [310, 64], noise('e', 310 * 64)),
    ])
    for (const format of formats)
      await refuses(
        format,
        { adapter: 'resized' },
        new RegExp(
          `^error: DIR/resized/adapter_model\\.safetensors: .*${embedding.replaceAll('.', '\\.')}.*embedding or head`,
        ),
      )
  })

  test('that is cut off, or of numbers that are none', async () => {
    const config = parseConfig(llama.config)
    await writeTinyAdapter(path('cut-lora'), config, lora)
    truncateSync(path('cut-lora', 'adapter_model.safetensors'), 5000)
    for (const format of formats)
      await refuses(format, { adapter: 'cut-lora' }, /^error: safetensors: DIR\/cut-lora\/adapter_model\.safetensors: /)
    await writeTinyAdapter(path('int-lora'), config, { ...lora, targetModules: ['q_proj'], layersToTransform: [0] })
    const [a, b] = [
      peftName('model.layers.0.self_attn.q_proj', 'loraA'),
      peftName('model.layers.0.self_attn.q_proj', 'loraB'),
    ]
    await writeSafetensors(path('int-lora', 'adapter_model.safetensors'), [
      { name: a, dtype: 'I8', shape: [3, 64], data: new Uint8Array(3 * 64) },
      entry(b, [64, 3], noise('b', 64 * 3)),
    ])
    for (const format of formats)
      await refuses(
        format,
        { adapter: 'int-lora' },
        /^error: DIR\/int-lora\/adapter_model\.safetensors: .*lora_A\.weight is I8, expected F32, F16 or BF16/,
      )
  })
})

describe('a model that is not whole', () => {
  const shard = 'model-00002-of-00004.safetensors'
  const index = 'model.safetensors.index.json'
  /** With the adapter and without, into every format that reads the weights. */
  const refusesAll = async (model: string, message: RegExp) => {
    for (const format of ['hf', 'gguf'] as const)
      for (const adapter of ['lora', null]) await refuses(format, { model, adapter }, message)
  }
  const cut = async (name: string) => {
    await mergeAdapter({ modelDir: path('base'), outputDir: path(name), maxShardBytes: 200_000 })
    expect(readdirSync(path(name))).toContain(shard)
  }

  test.each([
    ['up', '../x.safetensors'],
    ['root', '/etc/x.safetensors'],
    ['drive', 'C:\\x.safetensors'],
    ['hidden-up', 'a/../../x.safetensors'],
  ])('an index that names a file outside: %s, %s', async (folder, name) => {
    await cut(folder)
    const text = readFileSync(path(folder, index), 'utf8')
    writeFileSync(
      path(folder, index),
      text.replace(JSON.stringify(shard), () => JSON.stringify(name)),
    )
    const quoted = JSON.stringify(name).replaceAll(/[\\.]/g, '\\$&')
    await refusesAll(
      folder,
      new RegExp(
        `^error: DIR/${folder}: model\\.safetensors\\.index\\.json names ${quoted}, which could leave the model's folder`,
      ),
    )
  })

  test('a shard that is missing', async () => {
    await cut('gap')
    rmSync(path('gap', shard))
    await refusesAll(
      'gap',
      /^error: DIR\/gap: model\.safetensors\.index\.json names model-00002-of-00004\.safetensors, which is not in DIR\/gap/,
    )
  })

  test('a shard that is cut off', async () => {
    await cut('short')
    truncateSync(path('short', shard), 100_000)
    await refusesAll(
      'short',
      /^error: safetensors: DIR\/short\/model-00002-of-00004\.safetensors: tensor "model\.layers\.\S+": tensors end at byte \d+ of the data, which has \d+ bytes/,
    )
  })

  test.each<SafetensorsDType>(['I8', 'F8_E4M3', 'F8_E5M2', 'I32'])('weights of type %s', async (dtype) => {
    const odd = 'model.layers.1.mlp.up_proj.weight'
    const weights = tinyWeights(llama.config).map(({ name, shape, data }) =>
      name === odd
        ? { name, shape, dtype, data: new Uint8Array(data.length * (dtype === 'I32' ? 4 : 1)) }
        : entry(name, shape, data),
    )
    await writeTinyModel(path(dtype), llama.config, weights)
    await refusesAll(
      dtype,
      new RegExp(
        `^error: DIR/${dtype}/model\\.safetensors: model\\.layers\\.1\\.mlp\\.up_proj\\.weight is ${dtype}; expected F32, F16 or BF16`,
      ),
    )
  })

  test('a configuration of another vocabulary', async () => {
    await writeFamily(path('vocabulary'), llama)
    writeFileSync(path('vocabulary', 'config.json'), JSON.stringify({ ...config, vocab_size: 400 }))
    await refusesAll(
      'vocabulary',
      /^error: DIR\/vocabulary\/model\.safetensors: lm_head\.weight has shape \[304,64\], config\.json calls for \[400,64\]/,
    )
  })
})

describe('an output that is there', () => {
  test('a folder is never written into', async () => {
    await mkdir(path('full'))
    writeFileSync(path('full', 'mine.txt'), 'mine')
    for (const format of ['hf', 'peft'] as const)
      await refuses(
        format,
        { output: 'full' },
        /^error: output directory DIR\/full is not empty \(it has mine\.txt\); choose another/,
      )
    expect(readdirSync(path('full'))).toEqual(['mine.txt'])
    await refuses('hf', { output: 'base' }, /^error: output directory DIR\/base is the model's own folder/)
    await refuses('hf', { output: 'lora' }, /^error: output directory DIR\/lora is the adapter's own folder/)
    await refuses('peft', { output: 'lora' }, /^error: output directory DIR\/lora is /)
    await mkdir(path('empty'))
    expect((await exportIt('peft', { output: 'empty' })).code).toBe(0)
  })

  test.each(['gguf', 'gguf-lora'] as const)('%s: a file is replaced only with --overwrite', async (format) => {
    const name = `there-${format}.gguf`
    expect((await exportIt(format, { output: name }, '--dtype', 'f16')).code).toBe(0)
    const before = readFileSync(path(name))
    await refuses(
      format,
      { output: name },
      new RegExp(`^error: output DIR/${name} exists; choose another name, or overwrite it`),
    )
    expect(readFileSync(path(name))).toEqual(before)
    expect((await exportIt(format, { output: name }, '--dtype', 'f32', '--overwrite', '--check')).code).toBe(0)
    expect(readFileSync(path(name)).length).toBeGreaterThan(before.length)
    await refuses(format, { output: name, adapter: 'nowhere' }, /nowhere/, ['--overwrite'])
    expect(existsSync(path(name))).toBe(true)
    writeFileSync(path('notes.txt'), 'mine')
    await refuses(format, { output: 'notes.txt' }, /^error: output DIR\/notes\.txt exists and is not a GGUF file/, [
      '--overwrite',
    ])
    expect(readFileSync(path('notes.txt'), 'utf8')).toBe('mine')
    await refuses(format, { output: 'base' }, /^error: output DIR\/base is a folder, expected the name of a file/, [
      '--overwrite',
    ])
  })
})
