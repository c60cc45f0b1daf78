// Merging: the arithmetic against a plain product, the folder's files, and refusals that leave nothing behind.
import { existsSync, mkdtempSync, rmSync, truncateSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { decode, Generator, loadModel, logits, parseConfig, type Decoder, type DecoderConfig } from '@jora/llama'
import {
  adaptedModules,
  loadAdapter,
  loraLinear,
  loraScaling,
  peftConfig,
  type AdaptedModule,
  type LoraConfig,
} from '@jora/lora'
import { jit, setDefaultDevice, tensor, type Device, type Tensor } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { decodeFloats, encodeFloats, openSafetensors, type FloatDType } from '@jora/tensor/safetensors'
import { entry, noise, tinyConfig, tinyWeights, toBf16, writeTinyModel } from '../../llama/test/tiny-model'
import { tinyFactors, writeTinyAdapter } from '../../lora/test/tiny-adapter'
import { halfUlp } from '../test/rounding'
import { mergeAdapter, type MergeOptions } from './index'

const lora: LoraConfig = { r: 3, alpha: 6, dropout: 0.1, targetModules: 'all-linear', useRslora: false }
const modules = adaptedModules(parseConfig(tinyConfig), lora)

let root: string
let options: MergeOptions & { readonly adapterDir: string }
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'jora-merge-'))
  options = { modelDir: join(root, 'model'), adapterDir: join(root, 'adapter'), outputDir: join(root, 'merged') }
  await writeTinyModel(options.modelDir)
  await writeAdapter(options.adapterDir)
})
afterEach(() => rmSync(root, { recursive: true }))

const writeAdapter = (folder: string, config: LoraConfig = lora, model: DecoderConfig = parseConfig(tinyConfig)) =>
  writeTinyAdapter(folder, model, config)

/** All tensors of a folder's safetensors files, as stored. */
async function readAll(
  folder: string,
): Promise<Map<string, { dtype: string; bytes: Uint8Array; values: Float32Array; file: string }>> {
  const all = new Map<string, { dtype: string; bytes: Uint8Array; values: Float32Array; file: string }>()
  for (const file of (await readdir(folder)).filter((name) => name.endsWith('.safetensors'))) {
    await using open = await openSafetensors(join(folder, file))
    for (const [name, { dtype }] of open.tensors) {
      const bytes = await open.read(name)
      all.set(name, {
        dtype,
        bytes,
        file,
        values: dtype === 'I64' ? new Float32Array() : decodeFloats(bytes, dtype as FloatDType),
      })
    }
  }
  return all
}

/** scale · B·A in float64. */
function product(module: AdaptedModule, config: LoraConfig): Float64Array {
  const { r } = config
  const { loraA, loraB } = tinyFactors(module, r)
  const scale = loraScaling(config, module.name)
  const out = new Float64Array(module.outFeatures * module.inFeatures)
  for (let i = 0; i < out.length; i++) {
    const [row, column] = [Math.floor(i / module.inFeatures), i % module.inFeatures]
    for (let k = 0; k < r; k++) out[i]! += scale * loraB[row * r + k]! * loraA[k * module.inFeatures + column]!
  }
  return out
}

describe('the arithmetic', () => {
  for (const [stored, wanted] of [
    ['F32', undefined],
    ['F16', undefined],
    ['BF16', undefined],
    ['F32', 'bf16'],
    ['BF16', 'f32'],
    ['F32', 'f16'],
  ] as const) {
    test(`${stored} to ${wanted ?? 'the same'}: W + scale·B·A within one rounding, all else as it was`, async () => {
      const entries = tinyWeights().map(({ name, shape, data }) => ({
        ...entry(name, shape, data),
        dtype: stored,
        data: encodeFloats(data, stored),
      }))
      await writeTinyModel(options.modelDir, tinyConfig, entries)
      const result = await mergeAdapter({ ...options, ...(wanted ? { dtype: wanted } : {}) })
      expect(result.mergedModules).toBe(21)
      const [before, after] = [await readAll(options.modelDir), await readAll(options.outputDir)]
      expect([...after.keys()]).toEqual([...before.keys()])
      const dtype = (wanted?.toUpperCase() ?? stored) as FloatDType
      for (const [name, { values, dtype: got }] of after) {
        expect(got).toBe(dtype)
        const base = before.get(name)!.values
        const module = modules.find((m) => `${m.name}.weight` === name)
        if (!module) {
          expect(values).toEqual(decodeFloats(encodeFloats(base, dtype), dtype))
          continue
        }
        const delta = product(module, lora)
        values.forEach((value, i) => {
          const exact = base[i]! + delta[i]!
          // The sum itself is rounded to float32 first; in float64 it has errors too.
          const sumError = dtype === 'F32' ? 0 : 2 ** -24 * Math.abs(exact)
          expect(Math.abs(value - exact)).toBeLessThanOrEqual(halfUlp(exact, dtype) + sumError + 2 ** -50)
        })
      }
    })
  }

  test('rsLoRA scales by alpha / √r', async () => {
    const config: LoraConfig = { ...lora, r: 4, useRslora: true, targetModules: ['q_proj'] }
    await writeAdapter(options.adapterDir, config)
    expect((await mergeAdapter(options)).mergedModules).toBe(3)
    const [before, after] = [await readAll(options.modelDir), await readAll(options.outputDir)]
    const [module] = adaptedModules(parseConfig(tinyConfig), config)
    const delta = product(module!, config)
    const name = `${module!.name}.weight`
    after
      .get(name)!
      .values.forEach((value, i) => expect(value).toBeCloseTo(before.get(name)!.values[i]! + delta[i]!, 6))
    expect(after.get('model.layers.0.self_attn.v_proj.weight')!.bytes).toEqual(
      before.get('model.layers.0.self_attn.v_proj.weight')!.bytes,
    )
  })
})

describe('the model it makes', () => {
  let device: Device
  beforeAll(async () => {
    device = await openCpuDevice({ threads: 1 })
    setDefaultDevice(device)
  })
  afterAll(async () => {
    setDefaultDevice(undefined)
    await device.close()
  })
  const scores = async (decoder: Decoder) => {
    const ids = tensor(Int32Array.from([1, 7, 30, 4, 19, 2, 11, 40]), { shape: [1, 8] })
    return (await jit((tokens: Tensor) => logits(decoder, decode(decoder, { tokens }).hidden))(
      ids,
    ).data()) as Float32Array
  }

  test('gives the logits of base and adapter', async () => {
    await mergeAdapter(options)
    const base = await loadModel(options.modelDir)
    const { adapter, config } = await loadAdapter(options.adapterDir, base.config)
    const together = await scores({ ...base, linear: loraLinear(adapter, config) })
    const merged = await scores(await loadModel(options.outputDir))
    const plain = await scores(base)
    const distance = (x: Float32Array, y: Float32Array) => Math.max(...x.map((v, i) => Math.abs(v - y[i]!)))
    expect(distance(merged, together)).toBeLessThan(1e-4)
    expect(distance(plain, together)).toBeGreaterThan(1e-2)
  })
})

const stories = join(process.env.JORA_SHARED ?? join(import.meta.dirname, '../../../../shared'), 'models/stories260K')

describe.skipIf(!existsSync(stories))('a pretrained model with a tied head (needs ../shared)', () => {
  test('tells the same story as base and adapter', async () => {
    const device = await openCpuDevice({ threads: 1 })
    setDefaultDevice(device)
    const base = await loadModel(stories, { device })
    const config: LoraConfig = { ...lora, targetModules: ['q_proj', 'v_proj', 'down_proj'] }
    await writeAdapter(options.adapterDir, config, base.config)
    const result = await mergeAdapter({ ...options, modelDir: stories })
    expect(result.mergedModules).toBe(3 * base.config.layers)
    expect((await readAll(options.outputDir)).has('lm_head.weight')).toBe(false)
    const { adapter } = await loadAdapter(options.adapterDir, base.config, device)
    const tell = async (decoder: Decoder) =>
      (await new Generator(decoder, device).generate([[1]], { maxNewTokens: 40, stopIds: [] }))[0]!.ids
    const together = await tell({ ...base, linear: loraLinear(adapter, config) })
    expect(await tell(await loadModel(options.outputDir, { device }))).toEqual(together)
    expect(await tell(base)).not.toEqual(together)
    setDefaultDevice(undefined)
    await device.close()
  })
})

describe('the folder', () => {
  test('has config, tokenizer and the rest, byte for byte, and no index for one file', async () => {
    const texts = {
      'generation_config.json': '{"eos_token_id": 2}',
      'tokenizer.json': '{"t": 1}',
      'tokenizer_config.json': '{}',
      'special_tokens_map.json': '{"a": 1}',
      'chat_template.jinja': '{{ x }}',
      'LICENSE.txt': 'l',
      'README.md': 'r',
      'pytorch_model.bin': 'p',
    }
    for (const [name, text] of Object.entries(texts)) await writeFile(join(options.modelDir, name), text)
    const result = await mergeAdapter(options)
    expect(result.files).toEqual([
      'LICENSE.txt',
      'chat_template.jinja',
      'config.json',
      'generation_config.json',
      'model.safetensors',
      'special_tokens_map.json',
      'tokenizer.json',
      'tokenizer_config.json',
    ])
    expect((await readdir(options.outputDir)).sort()).toEqual(result.files)
    for (const name of result.files.filter((n) => n !== 'model.safetensors')) {
      expect(await readFile(join(options.outputDir, name), 'utf8')).toBe(
        await readFile(join(options.modelDir, name), 'utf8'),
      )
    }
    await using file = await openSafetensors(join(options.outputDir, 'model.safetensors'))
    expect(file.metadata).toEqual({ format: 'pt' })
    expect(result.totalBytes).toBe([...file.tensors.values()].reduce((n, { begin, end }) => n + end - begin, 0))
  })

  test('tells the new element type in config.json, under the key it used', async () => {
    await mergeAdapter({ ...options, dtype: 'bf16' })
    expect(JSON.parse(await readFile(join(options.outputDir, 'config.json'), 'utf8'))).toEqual({
      ...tinyConfig,
      torch_dtype: 'bfloat16',
    })
    const { torch_dtype: _old, ...rest } = tinyConfig
    await writeFile(join(options.modelDir, 'config.json'), JSON.stringify({ ...rest, dtype: 'float32' }))
    await mergeAdapter({ ...options, outputDir: join(root, 'again'), dtype: 'f16' })
    expect(JSON.parse(await readFile(join(root, 'again/config.json'), 'utf8'))).toEqual({ ...rest, dtype: 'float16' })
  })

  test('keeps a tied head absent, and tensors the config does not call for', async () => {
    const config = { ...tinyConfig, tie_word_embeddings: true }
    const extra = {
      name: 'model.rotary.positions',
      dtype: 'I64' as const,
      shape: [2],
      data: new Uint8Array(new BigInt64Array([3n, -4n]).buffer),
    }
    await writeTinyModel(options.modelDir, config, [
      ...tinyWeights(config).map(({ name, shape, data }) => entry(name, shape, data)),
      extra,
    ])
    await mergeAdapter({ ...options, dtype: 'f16' })
    const all = await readAll(options.outputDir)
    expect(all.has('lm_head.weight')).toBe(false)
    expect(all.get(extra.name)).toMatchObject({ dtype: 'I64', bytes: extra.data })
  })

  test('is cut into shards with an index, from shards with an index', async () => {
    const steps: [number, number][] = []
    const whole = await mergeAdapter({ ...options, onProgress: (done, total) => steps.push([done, total]) })
    expect(steps).toEqual(Array.from({ length: 30 }, (_, i) => [i + 1, 30]))
    const cut = await mergeAdapter({ ...options, outputDir: join(root, 'cut'), maxShardBytes: 20_000 })
    const index = JSON.parse(await readFile(join(root, 'cut/model.safetensors.index.json'), 'utf8')) as {
      metadata: { total_size: number }
      weight_map: Record<string, string>
    }
    expect(index.metadata.total_size).toBe(whole.totalBytes)
    expect(cut.totalBytes).toBe(whole.totalBytes)
    const [one, many] = [await readAll(options.outputDir), await readAll(join(root, 'cut'))]
    expect(new Set(Object.keys(index.weight_map))).toEqual(new Set(one.keys()))
    const shards = new Map<string, number>()
    for (const [name, { bytes, file }] of many) {
      expect(bytes).toEqual(one.get(name)!.bytes)
      expect(index.weight_map[name]).toBe(file)
      shards.set(file, (shards.get(file) ?? 0) + bytes.length)
    }
    expect(shards.size).toBeGreaterThan(3)
    for (const [file, bytes] of shards) {
      expect(file).toMatch(new RegExp(`^model-\\d{5}-of-${String(shards.size).padStart(5, '0')}\\.safetensors$`))
      expect(bytes).toBeLessThanOrEqual(20_000)
    }
    // A sharded source merges as well; each tensor is larger than a byte, so each has its file.
    const again = await mergeAdapter({
      ...options,
      modelDir: join(root, 'cut'),
      outputDir: join(root, 'twice'),
      maxShardBytes: 1,
    })
    expect(again.files.filter((name) => name.endsWith('.safetensors'))).toHaveLength(30)
  })
})

describe('what cannot be merged leaves nothing', () => {
  const left = async () => (await readdir(root)).sort()
  const refused = async (change: Partial<MergeOptions>, message: RegExp) => {
    await expect(mergeAdapter({ ...options, ...change })).rejects.toThrow(message)
    expect(await left()).toEqual(['adapter', 'model'])
  }

  test('output directories', async () => {
    await refused({ outputDir: options.modelDir }, /is the model's own folder/)
    await refused({ outputDir: join(options.modelDir, '../model') }, /is the model's own folder/)
    await refused({ outputDir: options.adapterDir }, /is the adapter's own folder/)
    await refused({ outputDir: join(options.modelDir, 'config.json') }, /cannot be used: ENOTDIR/)
    await refused({ outputDir: join(options.modelDir, 'config.json/below') }, /cannot be used: ENOTDIR/)
    await mkdir(options.outputDir)
    await mergeAdapter(options) // empty: fine
    await expect(mergeAdapter(options)).rejects.toThrow(/merged is not empty \(it has config.json\)/)
  })

  test('options', async () => {
    await refused({ maxShardBytes: 0 }, /maxShardBytes is 0, expected a number > 0/)
    await refused({ dtype: 'int8' as 'f16' }, /dtype is int8, expected f32, f16 or bf16/)
  })

  test('an adapter of another rank, model or kind', async () => {
    await writeTinyAdapter(options.adapterDir, parseConfig(tinyConfig), lora, { r: 5 })
    await refused(
      {},
      /adapter_model\.safetensors: .*lora_A\.weight has shape \[5,32\], expected \[3,32\]: the adapter was made for another model or rank/,
    )
    await writeFile(
      join(options.adapterDir, 'adapter_config.json'),
      JSON.stringify({ ...peftConfig(lora, [], { baseModel: 'x' }), use_qalora: true }),
    )
    await refused({}, /"use_qalora" is true/)
    await refused({ adapterDir: join(root, 'none') }, /adapter folder .*none does not exist/)
  })

  test('a model that is not whole', async () => {
    truncateSync(join(options.modelDir, 'model.safetensors'), 5000)
    await refused({}, /model\.safetensors/)
    await refused({ modelDir: join(root, 'none') }, /model folder .*none does not exist/)
  })

  test('a disk that fails half-way', async () => {
    const source = join(options.modelDir, 'model.safetensors')
    await refused({ onProgress: (done) => void (done === 10 && truncateSync(source, 9000)) }, /ends at byte/)
  })

  test('a weight too large for f16', async () => {
    const entries = tinyWeights().map(({ name, shape, data }) =>
      entry(name, shape, name === 'model.norm.weight' ? data.fill(70_000) : data),
    )
    await writeTinyModel(options.modelDir, tinyConfig, entries)
    await refused({ dtype: 'f16' }, /model\.norm\.weight: 70000 is past the range of F16; merge with dtype bf16 or f32/)
  })
})

test('bf16 test patterns are what the encoder writes', () => {
  const values = noise('x', 100)
  expect(new Uint16Array(encodeFloats(values, 'BF16').slice().buffer)).toEqual(toBf16(values))
})
