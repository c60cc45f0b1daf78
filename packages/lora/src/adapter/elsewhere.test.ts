// Adapters from elsewhere: PEFT's of any make and MLX's, what they compute, and what is refused with a way out.
import { rmSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseConfig, type DecoderConfig } from '@jora/llama'
import { tensor } from '@jora/tensor'
import { writeSafetensors } from '@jora/tensor/safetensors'
import { entry, noise, tinyConfig } from '../../../llama/test/tiny-model'
import {
  adaptedModules,
  loadAdapter,
  loraLinear,
  parsePeftConfig,
  peftName,
  readAdapter,
  savePeftAdapter,
  lowRankOf,
} from '../index'
import { model, folder, base, type Name, write, settingsOf, kinds, setUp } from './elsewhere-harness'

setUp()

describe('PEFT adapters are read, and written again without loss', () => {
  for (const [what, change] of Object.entries(kinds)) {
    test(`of kind ${what}`, async () => {
      await write(change)
      const read = await readAdapter(folder, model)
      const expected = adaptedModules(model, parsePeftConfig({ ...base, ...change }, 'a'))
      const low = lowRankOf(read.adapter)
      expect(Object.keys(read.adapter)).toEqual(expected.map(({ name }) => name))
      for (const { name } of expected) expect(low[name]!.loraA).toEqual(noise(`${name}a`, low[name]!.loraA.length))

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
      const { loraA, loraB } = lowRankOf(adapter)[name]!
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
    [{ use_dora: true }, /tensor \S+q_proj\.lora_magnitude_vector is missing/],
    [{ kasa_config: { beta: 1 } }, /"kasa_config" is .* merge it .*merge_and_unload/],
    [{ bias: 'lora_only' }, /"bias" is "lora_only"; expected "none": trained biases are not supported/],
    [{ lora_bias: true }, /"lora_bias" is true/],
    [
      { modules_to_save: ['norm'] },
      /"modules_to_save" is \["norm"\]; expected names of embed_tokens and lm_head: .*merge it/,
    ],
    [{ modules_to_save: ['embed_tokens'] }, /tensor \S+model\.embed_tokens\.weight is missing/],
    [{ fan_in_fan_out: true }, /"fan_in_fan_out" is true/],
    [{ trainable_token_indices: 3 }, /"trainable_token_indices" is 3; expected ids of tokens/],
    [{ trainable_token_indices: { lm_head: ['a'] } }, /"trainable_token_indices" is .*; expected ids of tokens/],
    [{ loftq_config: 'nf4' }, /"loftq_config" is "nf4"; expected an object with loftq_bits and loftq_iter/],
    [{ loftq_config: { loftq_bits: 2 } }, /"loftq_config" is .*; expected loftq_bits 4 or 8/],
    [{ trainable_token_indices: [3] }, /tensor \S+embed_tokens\.token_adapter\.trainable_tokens_delta is missing/],
    [
      { trainable_token_indices: { wte: [3] } },
      /"trainable_token_indices" is .*; expected ids of tokens, or such ids by/,
    ],
    [{ trainable_token_indices: [48] }, /trainableTokenIndices has 48, expected ids of tokens, 0 to 47/],
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
    ['base_model.model.model.embed_tokens.lora_embedding_A', 'of an embedding or head that is adapted by low rank'],
    ['base_model.model.lm_head.lora_A.weight', 'of an embedding or head that is adapted by low rank'],
    ['base_model.model.model.embed_tokens.weight', 'of a trained embedding or head that the adapter'],
    [
      'base_model.model.lm_head.token_adapter.trainable_tokens_delta',
      'of a trained embedding or head that the adapter',
    ],
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
    await expect(load()).rejects.toThrow(/has no PEFT adapter and no MLX adapter; lora\.gguf is llama\.cpp's format/)
    await mkdir(join(folder, 'default'))
    await writeFile(join(folder, 'default', 'adapter_config.json'), '{}')
    await expect(load()).rejects.toThrow(`did you mean ${join(folder, 'default')}?`)
  })
})
