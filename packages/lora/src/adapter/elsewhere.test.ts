// Adapters from elsewhere: PEFT's of any make and MLX's, what they compute, and what is refused with a way out.
import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { parseConfig, type DecoderConfig } from '@jora/llama'
import { setDefaultDevice, tensor, type Device } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { writeSafetensors } from '@jora/tensor/safetensors'
import { entry, noise, tinyConfig, toBf16 } from '../../../llama/test/tiny-model'
import {
  adaptedModules,
  importAdapter,
  loadAdapter,
  loraLinear,
  loraRank,
  parsePeftConfig,
  peftName,
  readAdapter,
  savePeftAdapter,
  uploadAdapter,
  type TargetSettings,
} from '../index'

const model = parseConfig(tinyConfig)
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
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'jora-elsewhere-'))))
afterEach(() => rmSync(folder, { recursive: true }))

const base = {
  auto_mapping: null,
  base_model_name_or_path: 'org/tiny',
  bias: 'none',
  corda_config: null,
  eva_config: null,
  exclude_modules: null,
  fan_in_fan_out: false,
  inference_mode: true,
  init_lora_weights: true,
  layer_replication: null,
  layers_pattern: null,
  layers_to_transform: null,
  loftq_config: {},
  lora_alpha: 8,
  lora_bias: false,
  lora_dropout: 0.1,
  megatron_config: null,
  megatron_core: 'megatron.core',
  modules_to_save: null,
  peft_type: 'LORA',
  peft_version: '0.18.0',
  qalora_group_size: 16,
  r: 2,
  rank_pattern: {},
  alpha_pattern: {},
  revision: null,
  target_modules: ['v_proj', 'q_proj'],
  target_parameters: null,
  task_type: 'CAUSAL_LM',
  trainable_token_indices: null,
  use_dora: false,
  use_qalora: false,
  use_rslora: false,
}

type Name = (module: string, part: 'loraA' | 'loraB') => string

/** Writes an adapter with these settings, its tensors noise. */
async function write(
  change: Record<string, unknown> = {},
  nameOf: Name = peftName,
  of = parsePeftConfig({ ...base, ...change }, 'a'),
) {
  const tensors = adaptedModules(model, of).flatMap(({ name, inFeatures, outFeatures }) => {
    const r = loraRank(of, name)
    return [
      entry(nameOf(name, 'loraA'), [r, inFeatures], noise(`${name}a`, r * inFeatures)),
      entry(nameOf(name, 'loraB'), [outFeatures, r], noise(`${name}b`, outFeatures * r)),
    ]
  })
  await writeSafetensors(join(folder, 'adapter_model.safetensors'), tensors, { format: 'pt' })
  await writeFile(join(folder, 'adapter_config.json'), JSON.stringify({ ...base, ...change }))
}

const settingsOf = (json: unknown) => {
  const { target_modules: targets, ...rest } = json as Record<string, unknown>
  return { ...rest, target_modules: Array.isArray(targets) ? new Set(targets) : targets }
}

const kinds: Record<string, Record<string, unknown>> = {
  'names in a list': {},
  'ranks and alphas by pattern': {
    target_modules: ['q_proj', 'down_proj'],
    rank_pattern: { down_proj: 3, '^model.layers.0.self_attn.q_proj': 1 },
    alpha_pattern: { 'layers.1.*': 5 },
    use_rslora: true,
  },
  'a regular expression': { target_modules: '.*layers\\.[12]\\..*(q|up)_proj' },
  'all-linear': { target_modules: 'all-linear' },
  'some layers, with an exception': {
    target_modules: ['q_proj', 'model.layers.0.mlp.up_proj'],
    exclude_modules: ['layers.2.self_attn.q_proj'],
    layers_to_transform: [1, 2],
    layers_pattern: 'layers',
  },
  'initialised by EVA': { init_lora_weights: 'eva', eva_config: { rho: 2 } },
  'whole names, of a commit': { target_modules: ['model.layers.1.mlp.up_proj'], revision: 'abc' },
}

describe('PEFT adapters are read, and written again without loss', () => {
  for (const [what, change] of Object.entries(kinds)) {
    test(`of kind ${what}`, async () => {
      await write(change)
      const read = await readAdapter(folder, model)
      const expected = adaptedModules(model, parsePeftConfig({ ...base, ...change }, 'a'))
      expect(Object.keys(read.adapter)).toEqual(expected.map(({ name }) => name))
      for (const { name } of expected)
        expect(read.adapter[name]!.loraA).toEqual(noise(`${name}a`, read.adapter[name]!.loraA.length))

      const again = async (from: string, name: string) => {
        const { adapter, config, baseModel = '', revision, kept } = await loadAdapter(from, model)
        await mkdir(join(folder, name))
        await savePeftAdapter(join(folder, name), adapter, config, { baseModel, revision, kept })
        return join(folder, name)
      }
      const once = await again(folder, 'once')
      const twice = await again(once, 'twice')
      for (const file of await readdir(once))
        expect(await readFile(join(twice, file))).toEqual(await readFile(join(once, file)))
      expect(await readFile(join(once, 'adapter_model.safetensors'))).toEqual(
        await readFile(join(folder, 'adapter_model.safetensors')),
      )

      const json = JSON.parse(await readFile(join(once, 'adapter_config.json'), 'utf8')) as Record<string, unknown>
      const want = Object.fromEntries(
        Object.entries({ ...base, ...change }).filter(([key, value]) => key in json || value !== null),
      )
      if (what === 'all-linear') want.target_modules = [...new Set(expected.map(({ name }) => name.split('.').at(-1)!))]
      expect(settingsOf(json)).toEqual(settingsOf(want))
    })
  }

  const names: Record<string, Name> = {
    'the adapter in the name': (module, part) => peftName(module, part).replace('.weight', '.default.weight'),
    'no prefix': (module, part) => peftName(module, part).replace('base_model.model.', ''),
    'the inner model adapted': (module, part) => peftName(module, part).replace('model.layers', 'layers'),
    'a compiled model': (module, part) =>
      peftName(module, part).replace('base_model.model.', 'base_model.model._orig_mod.'),
  }
  for (const [what, nameOf] of Object.entries(names)) {
    test(`names with ${what}`, async () => {
      await write({}, nameOf)
      expect(Object.keys((await readAdapter(folder, model)).adapter)).toHaveLength(6)
    })
  }

  test('of a model whose adapted layers have biases', async () => {
    await write({ target_modules: ['q_proj', 'k_proj', 'v_proj'] })
    const qwen = parseConfig({ ...tinyConfig, model_type: 'qwen2' })
    expect(qwen.biases).toContain('q_proj')
    expect(Object.keys((await readAdapter(folder, qwen)).adapter)).toHaveLength(9)
  })

  test('ranks and alphas by pattern change what is computed', async () => {
    await write(kinds['ranks and alphas by pattern'])
    const { adapter, config } = await loadAdapter(folder, model)
    const linear = loraLinear(adapter, config)
    for (const [name, factor] of [
      ['model.layers.0.self_attn.q_proj', 8 / Math.sqrt(1)],
      ['model.layers.1.mlp.down_proj', 5 / Math.sqrt(3)],
      ['model.layers.2.self_attn.q_proj', 8 / Math.sqrt(2)],
    ] as const) {
      const { loraA, loraB } = adapter[name]!
      const [r, width] = [loraA.shape[0]!, loraA.shape[1]!]
      const [a, b] = [await loraA.data(), await loraB.data()]
      const one = Float32Array.from({ length: width }, (_, i) => (i === 3 ? 1 : 0))
      const out = await linear(
        name,
        tensor(one, { shape: [1, width] }),
        tensor(new Float32Array(32 * width), { shape: [32, width] }),
      ).data()
      for (let row = 0; row < 32; row++) {
        let sum = 0
        for (let k = 0; k < r; k++) sum += b[row * r + k]! * a[k * width + 3]!
        expect(out[row]).toBeCloseTo(factor * sum, 4)
      }
    }
  })
})

describe('PEFT adapters that are refused', () => {
  const load = (of: DecoderConfig = model) => readAdapter(folder, of)

  test.each([
    [
      { use_dora: true },
      /"use_dora" is true; expected false: DoRA adapters are not supported; merge it .*merge_and_unload/,
    ],
    [{ bias: 'lora_only' }, /"bias" is "lora_only"; expected "none": trained biases are not supported/],
    [{ lora_bias: true }, /"lora_bias" is true/],
    [
      { modules_to_save: ['embed_tokens'] },
      /"modules_to_save" is \["embed_tokens"\]; expected null: only low-rank updates/,
    ],
    [{ fan_in_fan_out: true }, /"fan_in_fan_out" is true/],
    [{ trainable_token_indices: [3] }, /"trainable_token_indices" is \[3\]; expected null: .* trained embeddings/],
    [{ layer_replication: [[0, 2]] }, /"layer_replication" is/],
    [{ use_qalora: true }, /"use_qalora" is true/],
    [{ alora_invocation_tokens: [1] }, /"alora_invocation_tokens" is/],
    [{ target_parameters: ['experts.w1'] }, /"target_parameters" is/],
    ...['IA3', 'PREFIX_TUNING', 'LOKR', 'ADALORA', 'VERA'].map(
      (kind) =>
        [{ peft_type: kind }, new RegExp(`"peft_type" is "${kind}"; expected "LORA": of PEFT's kinds`)] as const,
    ),
    ...['pissa', 'pissa_niter_16', 'olora', 'corda', 'loftq'].map(
      (init) =>
        [
          { init_lora_weights: init },
          new RegExp(
            `"init_lora_weights" is "${init}"; expected true: .*base model whose weights .* path_initial_model`,
          ),
        ] as const,
    ),
    [{ init_lora_weights: 'novel' }, /"init_lora_weights" is "novel"; .*not known/],
    [{ layers_to_transform: 'x' }, /"layers_to_transform" is "x"; expected a layer's number/],
    [{ target_modules: 'q_proj(' }, /targetModules is not a regular expression/],
  ] as const)('%j', async (change, message) => {
    await write({}, peftName)
    await writeFile(join(folder, 'adapter_config.json'), JSON.stringify({ ...base, ...change }))
    await expect(load()).rejects.toThrow(message)
  })

  test('what changes nothing is no reason', async () => {
    await write({
      megatron_config: { x: 1 },
      ensure_weight_tying: true,
      runtime_config: { ephemeral_gpu_offload: true },
    })
    expect(Object.keys((await load()).adapter)).toHaveLength(6)
  })

  test.each([
    ['base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector.weight', "a DoRA adapter's magnitudes"],
    ['base_model.model.model.embed_tokens.lora_embedding_A', 'of an adapted or trained embedding or head'],
    ['base_model.model.lm_head.lora_A.weight', 'of an adapted or trained embedding or head'],
    ['base_model.model.model.embed_tokens.weight', 'of an adapted or trained embedding or head'],
    ['base_model.model.model.layers.0.self_attn.q_proj.lora_B.bias', 'a trained bias'],
    ['base_model.model.model.layers.0.input_layernorm.weight', 'a whole trained weight'],
    ['base_model.model.model.layers.0.mlp.up_proj.hada_w1_a', 'of another kind of adapter'],
    ['extra', 'no part of a LoRA adapter'],
  ])('tensor %s', async (name, what) => {
    await write()
    await writeSafetensors(join(folder, 'adapter_model.safetensors'), [entry(name, [2], noise(name, 2))])
    await expect(load()).rejects.toThrow(`tensor ${name} is ${what}`)
  })

  test('two adapters in one file, half an adapter', async () => {
    await write({}, (module) => peftName(module, 'loraA').replace('.weight', `.${module.length}.weight`)).catch(
      () => {},
    )
    const [a, b] = ['default', 'other'].map(
      (name) => `base_model.model.model.layers.0.self_attn.q_proj.lora_A.${name}.weight`,
    )
    const make = (name: string) => entry(name, [2, 32], noise(name, 64))
    await writeFile(
      join(folder, 'adapter_config.json'),
      JSON.stringify({ ...base, target_modules: ['model.layers.0.self_attn.q_proj'] }),
    )
    await writeSafetensors(join(folder, 'adapter_model.safetensors'), [make(a!), make(b!)])
    await expect(load()).rejects.toThrow(`${a} and ${b} are the same: one adapter a file is expected`)
    await writeSafetensors(join(folder, 'adapter_model.safetensors'), [make(a!)])
    await expect(load()).rejects.toThrow(/tensor .*lora_B\.weight is missing/)
  })

  test('of another model', async () => {
    await write()
    const other = (change: object) => load(parseConfig({ ...tinyConfig, ...change }))
    await expect(other({ num_hidden_layers: 2 })).rejects.toThrow(
      /the adapter has layers 0…2, the model has 2 layers: the adapter was made for another model \(its settings name "org\/tiny"\)/,
    )
    await expect(other({ num_hidden_layers: 12 })).rejects.toThrow(
      /the adapter has layers 0…2, the model has 12 layers/,
    )
    await expect(other({ hidden_size: 64 })).rejects.toThrow(
      /lora_A\.weight has shape \[2,32\], expected \[2,64\]: the adapter was made for another model or rank \(its settings name "org\/tiny"\)/,
    )
    await write({}, (module, part) => peftName(module.replace('q_proj', 'qkv_proj'), part))
    await expect(load()).rejects.toThrow(
      /the adapter has model\.layers\.0\.self_attn\.qkv_proj, a llama model has no such linear layer/,
    )
  })

  test('pickles, and folders that hold something else', async () => {
    await write()
    rmSync(join(folder, 'adapter_model.safetensors'))
    await writeFile(join(folder, 'adapter_model.bin'), 'x')
    await expect(load()).rejects.toThrow(/adapter_model\.bin is a pickle.*save_file\(torch\.load\(/)
    rmSync(join(folder, 'adapter_config.json'))
    await writeFile(join(folder, 'lora.gguf'), 'x')
    await expect(load()).rejects.toThrow(/holds no PEFT adapter, nor one of MLX; lora\.gguf is llama\.cpp's format/)
    await mkdir(join(folder, 'default'))
    await writeFile(join(folder, 'default', 'adapter_config.json'), '{}')
    await expect(load()).rejects.toThrow(`did you mean ${join(folder, 'default')}?`)
  })
})

describe('MLX adapters', () => {
  const settings = {
    fine_tune_type: 'lora',
    model: 'mlx-community/tiny-4bit',
    num_layers: 2,
    lora_parameters: { rank: 3, scale: 20, dropout: 0.1, keys: ['self_attn.q_proj', 'mlp.down_proj'] },
  }
  const named: TargetSettings = { targetModules: ['q_proj', 'down_proj'], layersToTransform: [1, 2] }

  /** Writes an MLX adapter; A[i, k] of PEFT is lora_a[k, i]. */
  async function writeMlx(change: Record<string, unknown> = {}, of = named, dtype: 'F32' | 'BF16' = 'F32') {
    const values = (data: Float32Array) => (dtype === 'BF16' ? toBf16(data) : data)
    const tensors = adaptedModules(model, of).flatMap(({ name, inFeatures, outFeatures }) => [
      entry(`${name}.lora_a`, [inFeatures, 3], values(noise(`${name}a`, 3 * inFeatures)), dtype),
      entry(`${name}.lora_b`, [3, outFeatures], values(noise(`${name}b`, 3 * outFeatures)), dtype),
    ])
    await writeSafetensors(join(folder, 'adapters.safetensors'), tensors, { format: 'mlx' })
    await writeFile(join(folder, 'adapter_config.json'), JSON.stringify({ ...settings, ...change }))
  }
  const load = () => readAdapter(folder, model)

  test('transposed, scaled by scale itself, adapted where the tensors are', async () => {
    await writeMlx()
    const { adapter, config, baseModel } = await load()
    expect(config).toEqual({
      r: 3,
      alpha: 60,
      dropout: 0.1,
      useRslora: false,
      targetModules: ['down_proj', 'q_proj'],
      layersToTransform: [1, 2],
      layersPattern: 'layers',
    })
    expect(baseModel).toBe('mlx-community/tiny-4bit')
    const name = 'model.layers.1.mlp.down_proj'
    const [a, b] = [noise(`${name}a`, 3 * 40), noise(`${name}b`, 3 * 32)]
    const x = noise('x', 40)
    const linear = loraLinear(uploadAdapter(adapter, config), config)
    const weight = tensor(new Float32Array(32 * 40), { shape: [32, 40] })
    const out = await linear(name, tensor(x, { shape: [1, 40] }), weight).data()
    // MLX: y + scale · (x @ lora_a) @ lora_b
    for (let column = 0; column < 32; column++) {
      let sum = 0
      for (let k = 0; k < 3; k++) for (let i = 0; i < 40; i++) sum += x[i]! * a[i * 3 + k]! * b[k * 32 + column]!
      expect(out[column]).toBeCloseTo(20 * sum, 3)
    }
  })

  test.each([
    ['all layers', { num_layers: -1 }, { targetModules: ['q_proj', 'down_proj'] }, 6],
    ['keys left to mlx-lm', { lora_parameters: { rank: 3, scale: 2 } }, named, 4],
    ['lora_layers of early versions', { num_layers: undefined, lora_layers: 2 }, named, 4],
    [
      'an uneven choice',
      { num_layers: 3, lora_parameters: { rank: 3, scale: 2 } },
      { targetModules: ['layers.0.self_attn.q_proj', 'layers.1.mlp.up_proj'] },
      2,
    ],
  ] as const)('%s', async (_what, change, of, count) => {
    await writeMlx(change, of, 'BF16')
    const { adapter, config } = await load()
    expect(Object.keys(adapter)).toHaveLength(count)
    expect(adaptedModules(model, config).map(({ name }) => name)).toEqual(Object.keys(adapter))
  })

  test('becomes a PEFT adapter that computes the same', async () => {
    await writeMlx()
    const outputDir = join(folder, 'out', 'peft')
    const { adapter, config } = await importAdapter({ inputDir: folder, model, outputDir })
    const read = await readAdapter(outputDir, model)
    expect(read.adapter).toEqual(adapter)
    expect(read.config).toEqual(config)
    expect(read.baseModel).toBe('mlx-community/tiny-4bit')
    await expect(importAdapter({ inputDir: folder, model, outputDir })).rejects.toThrow(
      /is not empty \(it has adapter_config\.json\)/,
    )
  })

  test.each([
    [{ fine_tune_type: 'dora' }, /"fine_tune_type" is "dora"; expected "lora": DoRA .* mlx_lm\.fuse/],
    [{ fine_tune_type: 'full' }, /"fine_tune_type" is "full"; .*whole weights are no adapter/],
    [{ lora_parameters: undefined }, /"lora_parameters" is missing/],
    [{ lora_parameters: { rank: 0, scale: 1 } }, /"lora_parameters\.rank" is 0/],
    [{ lora_parameters: { rank: 3, scale: 0 } }, /"lora_parameters\.scale" is 0/],
    [
      { lora_parameters: { rank: 3, alpha: 16, scale: 10 } },
      /"lora_parameters\.alpha" is 16; .*scale·alpha\/rank = 53\.3.*later ones by scale = 10/,
    ],
    [{ lora_parameters: { rank: 4, scale: 1 } }, /lora_a has shape \[32,3\], expected \[32,4\]/],
    [{ num_layers: 1 }, /has tensors of model\.layers\.1\.mlp\.down_proj, a module .* \(num_layers 1, keys\)/],
    [{ num_layers: 16 }, /settings name 16 layers, the model has 3 layers/],
    [{ num_layers: 3 }, /has no tensors of model\.layers\.0\.self_attn\.q_proj/],
  ])('%j is refused', async (change, message) => {
    await writeMlx(change)
    await expect(load()).rejects.toThrow(message)
  })

  test('files of other kinds', async () => {
    await writeMlx()
    const replace = (name: string) =>
      writeSafetensors(join(folder, 'adapters.safetensors'), [entry(name, [2], noise(name, 2))])
    await replace('model.layers.0.self_attn.q_proj.m')
    await expect(load()).rejects.toThrow("a DoRA adapter's magnitudes")
    await replace('model.layers.0.self_attn.q_proj.weight')
    await expect(load()).rejects.toThrow('a whole trained weight')
    await replace('model.embed_tokens.lora_a')
    await expect(load()).rejects.toThrow('of an adapted embedding or head')
    await replace('model.layers.0.mlp.gate.lora_a')
    await expect(load()).rejects.toThrow('a llama model has no such linear layer')
    rmSync(join(folder, 'adapters.safetensors'))
    await writeFile(join(folder, 'adapters.npz'), 'x')
    await expect(load()).rejects.toThrow(/adapters\.npz is of an early mlx-lm: .*mx\.save_safetensors/)
    expect(() => parsePeftConfig(settings, 'a.json')).toThrow('a.json is that of an MLX adapter')
  })
})
