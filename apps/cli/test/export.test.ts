// jora export: every format written and read back, the document of --json, and what is refused without leaving anything.
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mergeAdapter } from '@jora/hf-export'
import { parseConfig } from '@jora/llama'
import { peftName, type LoraConfig } from '@jora/lora'
import { writeSafetensors, type SafetensorsDType } from '@jora/tensor/safetensors'
import { tinyFamilies, writeFamily } from '../../../packages/hf-export/test/gguf-models'
import { entry, noise, tinyWeights, writeTinyModel } from '../../../packages/llama/test/tiny-model'
import { writeTinyAdapter } from '../../../packages/lora/test/tiny-adapter'
import { jora, workspace } from './harness'

const space = workspace()
const { path } = space
afterAll(() => space.remove())
const told = (text: string) => text.replaceAll(space.dir, 'DIR')

const { config, tokenizer } = tinyFamilies.llama!
const decoders = [
  { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
  { type: 'ByteFallback' },
  { type: 'Fuse' },
]
const llama = { config, tokenizer: { ...tokenizer, decoder: { type: 'Sequence', decoders } } }
const lora: LoraConfig = { r: 3, alpha: 6, dropout: 0, targetModules: ['q_proj', 'v_proj'], useRslora: false }
const formats = ['hf', 'peft', 'gguf', 'gguf-lora'] as const
type Format = (typeof formats)[number]

beforeAll(async () => {
  await writeFamily(path('base'), llama)
  await writeTinyAdapter(path('lora'), parseConfig(llama.config), lora, { baseModel: 'org/base' })
})

interface Call {
  readonly model?: string
  /** `null`: none. */
  readonly adapter?: string | null
  readonly output: string
}
const exportIt = (format: Format, { model = 'base', adapter = 'lora', output }: Call, ...more: string[]) => {
  const adapterFlags = adapter === null ? [] : ['--adapter', path(adapter)]
  return jora([
    'export',
    '--format',
    format,
    '--model',
    path(model),
    ...adapterFlags,
    '--output',
    path(output),
    ...more,
  ])
}

describe('each format is written, and read back by --check', () => {
  test('hf: a folder that generates', async () => {
    const { code, out, err } = await exportIt('hf', { output: 'merged' }, '--check')
    expect({ code, out }).toEqual({ code: 0, out: '' })
    expect(told(err)).toMatchInlineSnapshot(`
      "done   8 modules merged, 4 files, 649.5 kB
      checked 39 tensors read back, equal to the source, exact

      It is in DIR/merged. Next:
        jora generate --model DIR/merged --prompt "…"
      "
    `)
    expect(readdirSync(path('merged')).sort()).toEqual([
      'README.md',
      'config.json',
      'model.safetensors',
      'tokenizer.json',
    ])
    expect(readFileSync(path('merged', 'README.md'), 'utf8')).not.toContain(space.dir)
    const asked = ['--prompt', 'the', '--max-new-tokens', '4', '--temperature', '0', '--device', 'cpu']
    const merged = await jora(['generate', '--model', path('merged'), ...asked])
    const both = await jora(['generate', '--model', path('base'), '--adapter', path('lora'), ...asked])
    expect(merged).toMatchObject({ code: 0 })
    expect(both).toMatchObject({ code: 0 })
    expect(merged.out).toBe(both.out)
  })

  test('peft: the adapter again, byte for byte, however often', async () => {
    const { code, err } = await exportIt('peft', { output: 'peft' }, '--check')
    expect(code).toBe(0)
    expect(told(err)).toMatchInlineSnapshot(`
      "done   8 modules, rank 3, alpha 6
      checked 16 tensors read back, equal to the source, exact

      It is in DIR/peft. Next:
        jora push --input DIR/peft --repo-id USER/NAME --dry-run
      "
    `)
    const again = await exportIt('peft', { adapter: 'peft', output: 'peft-again' })
    expect(again.code).toBe(0)
    for (const file of ['adapter_model.safetensors', 'adapter_config.json'])
      expect(readFileSync(path('peft-again', file))).toEqual(readFileSync(path('peft', file)))
    const weights = (folder: string) => readFileSync(path(folder, 'adapter_model.safetensors'))
    expect(weights('peft')).toEqual(weights('lora'))
  })

  test('gguf', async () => {
    const { code, err } = await exportIt('gguf', { output: 'base.gguf' }, '--check', '--dtype', 'q8_0')
    expect(code).toBe(0)
    expect(told(err)).toMatchInlineSnapshot(`
      "done   39 tensors, 184.2 kB
      checked 39 tensors read back, equal to the source, rounded by at most 2.6e-3

      It is in DIR/base.gguf. Next:
        llama-cli -m DIR/base.gguf -p "…"
      "
    `)
  })

  test('gguf-lora', async () => {
    const { code, err } = await exportIt('gguf-lora', { output: 'lora.gguf' }, '--check', '--dtype', 'f32')
    expect(code).toBe(0)
    expect(told(err)).toMatchInlineSnapshot(`
      "done   8 modules, 12.1 kB
      checked 16 tensors read back, equal to the source, exact

      It is in DIR/lora.gguf. Next:
        llama-cli -m BASE.gguf --lora DIR/lora.gguf -p "…"
      "
    `)
  })

  test('a model without an adapter, in another type', async () => {
    const folder = await exportIt('hf', { adapter: null, output: 'plain' }, '--check', '--dtype', 'bf16')
    expect(folder.code).toBe(0)
    expect(told(folder.err)).toMatch(/^done {3}4 files, 324\.7 kB\nchecked 39 tensors read back, .*rounded by at most /)
    const file = await exportIt('gguf', { adapter: null, output: 'plain.gguf' }, '--check', '--dtype', 'f32')
    expect(file.code).toBe(0)
    expect(told(file.err)).toMatch(/\nchecked 39 tensors read back, equal to the source, exact\n/)
  })

  test('notes tell what an importer should know', async () => {
    const patterns = { ...lora, alphaPattern: { v_proj: 3 } }
    await writeTinyAdapter(path('patterns'), parseConfig(llama.config), patterns)
    const { code, err, out } = await exportIt(
      'gguf-lora',
      { adapter: 'patterns', output: 'p.gguf' },
      '--check',
      '--json',
    )
    expect(code).toBe(0)
    const note = expect.stringMatching(/^the scale of 4 modules is in their B/) as string
    expect(JSON.parse(out)).toMatchObject({ notes: [note] })
    expect(err).toMatch(/^note {3}the scale of 4 modules is in their B.*\ndone {3}8 modules/)
    await writeFamily(path('mistral'), {
      ...tinyFamilies.mistral!,
      config: { ...tinyFamilies.mistral!.config, sliding_window: 16 },
    })
    const windowed = await exportIt('gguf', { model: 'mistral', adapter: null, output: 'mistral.gguf' }, '--check')
    expect(windowed.code).toBe(0)
    expect(windowed.err).toMatch(/^note {3}.*window/)
    await writeFamily(path('small'), { ...llama, config: { ...llama.config, vocab_size: 200 } })
    const small = await exportIt('gguf', { model: 'small', output: 'small.gguf' }, '--check')
    expect(small.code).toBe(0)
    expect(small.err).toMatch(/^note {3}96 tokens past the model's vocabulary of 200 were left out\n/)
  })
})

describe('--json is one document on stdout', () => {
  const document = async (format: Format, output: string, ...more: string[]) => {
    const { code, out, err } = await exportIt(format, { output }, '--json', ...more)
    expect(code).toBe(0)
    expect(err).toMatch(/^done {3}/)
    expect(out.endsWith('}\n')).toBe(true)
    return JSON.parse(told(out)) as unknown
  }
  const modules = [0, 1, 2, 3].flatMap((i) => ['q_proj', 'v_proj'].map((name) => `model.layers.${i}.self_attn.${name}`))
  const rounded = expect.closeTo(0.00024, 4) as number

  test('with what was checked', async () => {
    expect(await document('hf', 'json-hf', '--check')).toEqual({
      outputDir: 'DIR/json-hf',
      files: ['README.md', 'config.json', 'model.safetensors', 'tokenizer.json'],
      totalBytes: 649_472,
      mergedModules: 8,
      check: { tensors: 39, bytes: 649_472, maxError: 0 },
    })
    expect(await document('peft', 'json-peft', '--check')).toEqual({
      outputDir: 'DIR/json-peft',
      r: 3,
      alpha: 6,
      modules,
      check: { tensors: 16, bytes: 10_752, maxError: 0 },
    })
    expect(await document('gguf', 'json.gguf', '--check')).toEqual({
      output: 'DIR/json.gguf',
      bytes: 335_904,
      tensors: 39,
      mergedModules: 8,
      notes: [],
      check: { tensors: 39, bytes: 335_904, maxError: rounded },
    })
    expect(await document('gguf-lora', 'json-lora.gguf', '--check')).toEqual({
      output: 'DIR/json-lora.gguf',
      bytes: 12_128,
      tensors: 16,
      mergedModules: 8,
      notes: [],
      check: { tensors: 16, bytes: 12_128, maxError: 0 },
    })
  })

  test('without --check', async () => {
    expect(await document('peft', 'json-bare')).toEqual({ outputDir: 'DIR/json-bare', r: 3, alpha: 6, modules })
  })
})

/** Each ends with this code and message, one line, and leaves everything as it was. */
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
    ['gguf', ['--dtype', 'q5_0'], /^error: --dtype: got "q5_0", expected f32, f16, bf16, q8_0 or q4_0/],
    ['hf', ['--check', 'llamacpp'], /^error: --check llamacpp runs a whole model: it is for --format gguf/],
    ['hf', ['--overwrite'], /^error: --overwrite is for GGUF files; a folder must be new or empty/],
  ])('%s %j', (format, more, message) => refuses(format, { adapter: null }, message, more, 2))

  test('peft has one type; the model must be there', async () => {
    await refuses(
      'peft',
      {},
      /^error: --dtype f16 is not for --format peft, which is float32 always/,
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
    // Low-rank updates of the blocks do not tell; PEFT saves the embedding where the vocabulary was resized.
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
    await refuses(format, { output: 'notes.txt' }, /^error: output DIR\/notes\.txt exists and is no GGUF file/, [
      '--overwrite',
    ])
    expect(readFileSync(path('notes.txt'), 'utf8')).toBe('mine')
    await refuses(format, { output: 'base' }, /^error: output DIR\/base is a folder, expected the name of a file/, [
      '--overwrite',
    ])
  })
})
