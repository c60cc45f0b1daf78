// PEFT adapters: names and config as PEFT writes them, round trips byte for byte, and refusals that name the key.
import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { parseConfig } from '@jora/llama'
import { setDefaultDevice, treeLeaves, type Device } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { openSafetensors, writeSafetensors } from '@jora/tensor/safetensors'
import { entry, noise, tinyConfig, toBf16 } from '../../../../llama/test/tiny-model'
import {
  ConfigError,
  initAdapter,
  loadAdapter,
  parsePeftAdapter,
  parsePeftConfig,
  peftName,
  readAdapter,
  savePeftAdapter,
  serializePeftAdapter,
  uploadAdapter,
  type LoraConfig,
  type PeftFiles,
  lowRankOf,
} from '../../index'

const model = parseConfig(tinyConfig)
const lora: LoraConfig = { r: 2, alpha: 8, dropout: 0.25, targetModules: ['v_proj', 'q_proj'], useRslora: true }

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
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'jora-peft-'))))
afterEach(() => rmSync(folder, { recursive: true }))

const save = async (config: LoraConfig = lora, to = folder) =>
  savePeftAdapter(to, initAdapter(model, config, 7), config, { baseModel: 'org/tiny', revision: 'abc' })

describe('what is written', () => {
  test("tensors under PEFT's names, [r, in] and [out, r], f32", async () => {
    await save()
    await using file = await openSafetensors(join(folder, 'adapter_model.safetensors'))
    expect(file.metadata).toEqual({ format: 'pt' })
    expect(file.tensors.size).toBe(12)
    expect(file.tensors.get('base_model.model.model.layers.1.self_attn.v_proj.lora_A.weight')).toMatchObject({
      dtype: 'F32',
      shape: [2, 32],
    })
    expect(file.tensors.get('base_model.model.model.layers.1.self_attn.v_proj.lora_B.weight')).toMatchObject({
      dtype: 'F32',
      shape: [16, 2],
    })
  })

  test('the config PEFT writes', async () => {
    await save()
    expect(JSON.parse(await readFile(join(folder, 'adapter_config.json'), 'utf8'))).toEqual({
      alpha_pattern: {},
      base_model_name_or_path: 'org/tiny',
      bias: 'none',
      fan_in_fan_out: false,
      inference_mode: true,
      init_lora_weights: true,
      lora_alpha: 8,
      lora_dropout: 0.25,
      modules_to_save: null,
      peft_type: 'LORA',
      r: 2,
      rank_pattern: {},
      revision: 'abc',
      target_modules: ['q_proj', 'v_proj'],
      task_type: 'CAUSAL_LM',
      use_dora: false,
      use_rslora: true,
    })
  })

  test("a fresh adapter: B zero, A spread as PEFT's, the same for the same seed", async () => {
    const wide = parseConfig({ ...tinyConfig, hidden_size: 512, num_attention_heads: 8 })
    const make = (seed: number) =>
      initAdapter(wide, { ...lora, r: 16, targetModules: ['model.layers.0.self_attn.q_proj'] }, seed)
    const { loraA, loraB } = make(1)['model.layers.0.self_attn.q_proj']!
    const a = (await loraA.data()) as Float32Array
    expect((await loraB.data()).every((x) => x === 0)).toBe(true)
    const mean = a.reduce((n, x) => n + x, 0) / a.length
    const deviation = Math.sqrt(a.reduce((n, x) => n + (x - mean) ** 2, 0) / a.length)
    expect(Math.abs(mean)).toBeLessThan(0.002)
    expect(deviation * Math.sqrt(3 * 512)).toBeCloseTo(1, 1)
    expect(await treeLeaves(make(1))[0]!.data()).toEqual(a)
    expect(await treeLeaves(make(2))[0]!.data()).not.toEqual(a)
  })
})

describe('round trips', () => {
  const cases: Record<string, LoraConfig> = {
    'two projections': lora,
    'all linear layers': { ...lora, targetModules: 'all-linear', useRslora: false },
    'one module of the last layer': { ...lora, targetModules: ['model.layers.2.self_attn.q_proj'] },
    'modules of two layers': { ...lora, targetModules: ['layers.1.mlp.up_proj', 'layers.2.mlp.down_proj'] },
  }
  for (const [what, config] of Object.entries(cases)) {
    test(`${what}: bytes stay the same`, async () => {
      await save(config)
      const loaded = await loadAdapter(folder, model)
      const { targetModules, ...rest } = loaded.config
      expect(rest).toEqual({ r: 2, alpha: 8, dropout: 0.25, useRslora: config.useRslora })
      expect(loaded.baseModel).toBe('org/tiny')
      const again = join(folder, 'again')
      await mkdir(again)
      await savePeftAdapter(
        again,
        loaded.adapter,
        { ...config, targetModules },
        { baseModel: 'org/tiny', revision: 'abc' },
      )
      for (const name of ['adapter_model.safetensors', 'adapter_config.json'])
        expect(await readFile(join(again, name))).toEqual(await readFile(join(folder, name)))
    })
  }

  test('on the host, without a device', async () => {
    await save()
    const { adapter } = await loadAdapter(folder, model)
    setDefaultDevice(undefined)
    const onHost = await readAdapter(folder, model).finally(() => setDefaultDevice(device))
    expect(Object.keys(onHost.adapter)).toEqual(Object.keys(adapter))
    for (const [name, { loraA, loraB }] of Object.entries(lowRankOf(onHost.adapter))) {
      expect(loraA).toEqual(await lowRankOf(adapter)[name]!.loraA.data())
      expect(loraB).toEqual(await lowRankOf(adapter)[name]!.loraB.data())
    }
  })

  test('in memory: the bytes of the files, and the adapter back from them', async () => {
    await save()
    const info = { baseModel: 'org/tiny', revision: 'abc' }
    const files = await serializePeftAdapter(initAdapter(model, lora, 7), lora, info)
    expect(files['adapter_config.json']).toBe(await readFile(join(folder, 'adapter_config.json'), 'utf8'))
    expect(Buffer.from(files['adapter_model.safetensors'])).toEqual(
      await readFile(join(folder, 'adapter_model.safetensors')),
    )
    const parsed = await parsePeftAdapter(files, model)
    expect(parsed).toEqual(await readAdapter(folder, model))
    const again = await serializePeftAdapter(uploadAdapter(parsed.adapter, parsed.config), parsed.config, info)
    expect(again).toEqual(files)
    const refuses = (change: Partial<PeftFiles>, message: string) =>
      expect(parsePeftAdapter({ ...files, ...change }, model)).rejects.toThrow(message)
    await refuses({ 'adapter_config.json': '{' }, 'adapter_config.json is not valid JSON')
    await refuses({ 'adapter_config.json': '{"peft_type":"LOHA"}' }, 'adapter_config.json: "peft_type" is "LOHA"')
    await refuses({ 'adapter_model.safetensors': new Uint8Array(4) }, 'adapter_model.safetensors: 4 bytes')
  })

  for (const dtype of ['F16', 'BF16'] as const) {
    test(`adapters stored in ${dtype} are read exactly`, async () => {
      const one: LoraConfig = { ...lora, targetModules: ['model.layers.0.self_attn.q_proj'] }
      await save(one)
      const values = noise('x', 64)
      const bits =
        dtype === 'BF16' ? toBf16(values) : Uint16Array.from({ length: 64 }, (_, i) => (i % 2 ? 0x8000 : 0) | (i * 480))
      const name = 'model.layers.0.self_attn.q_proj'
      await writeSafetensors(join(folder, 'adapter_model.safetensors'), [
        entry(peftName(name, 'loraA'), [2, 32], bits, dtype),
        entry(peftName(name, 'loraB'), [32, 2], bits, dtype),
      ])
      const { loraA } = lowRankOf((await readAdapter(folder, model)).adapter)[name]!
      if (dtype === 'BF16') expect(new Uint32Array(loraA.buffer)).toEqual(Uint32Array.from(bits, (b) => b << 16))
      else {
        // Subnormal, normal and negative halves.
        expect(loraA[0]).toBe(0)
        expect(loraA[1]).toBe(-480 * 2 ** -24)
        expect(loraA[32]).toBe(1)
        expect(loraA[63]).toBe(-(1 + 544 / 1024) * 2 ** 14)
      }
    })
  }
})

describe('what is refused', () => {
  const good = { peft_type: 'LORA', r: 2, lora_alpha: 8, target_modules: ['q_proj'] }
  test('other kinds of adapter, by key', () => {
    const bad: [Record<string, unknown>, string][] = [
      [{ peft_type: 'IA3' }, '"peft_type" is "IA3"; expected "LORA"'],
      [{ bias: 'all' }, '"bias" is "all"; expected "none"'],
      [{ fan_in_fan_out: true }, '"fan_in_fan_out" is true; expected false'],
      [{ modules_to_save: ['score'] }, '"modules_to_save" is ["score"]; expected names of embed_tokens and lm_head'],
      [{ rank_pattern: { q_proj: 0 } }, '"rank_pattern" is {"q_proj":0}; expected ranks by patterns of module names'],
      [{ alpha_pattern: { q_proj: '4' } }, '"alpha_pattern" is {"q_proj":"4"}; expected numbers > 0 by patterns'],
      [{ r: 0 }, '"r" is 0; expected an integer ≥ 1'],
      [{ r: undefined }, '"r" is missing; expected an integer ≥ 1'],
      [{ lora_alpha: '8' }, '"lora_alpha" is "8"; expected a number > 0'],
      [{ lora_dropout: 'x' }, '"lora_dropout" is "x"; expected a number'],
      [{ target_modules: [1] }, '"target_modules" is [1]; expected a list of module names'],
      [{ target_modules: null }, '"target_modules" is null; expected a list of module names, a regular expression'],
    ]
    for (const [change, message] of bad) {
      expect(() => parsePeftConfig({ ...good, ...change }, 'a.json'), `${message}`).toThrow(ConfigError)
      expect(() => parsePeftConfig({ ...good, ...change }, 'a.json')).toThrow(`a.json: ${message}`)
    }
    expect(() => parsePeftConfig(null, 'a.json')).toThrow('a.json: expected a JSON object')
  })

  test('absent optional keys are fine', () => {
    expect(parsePeftConfig(good, 'a.json')).toEqual({
      r: 2,
      alpha: 8,
      dropout: 0,
      targetModules: ['q_proj'],
      useRslora: false,
      baseModel: undefined,
    })
    expect(
      parsePeftConfig({ ...good, rank_pattern: null, modules_to_save: [], target_modules: 'all-linear' }, 'a.json')
        .targetModules,
    ).toBe('all-linear')
  })

  const load = () => loadAdapter(folder, model)
  const editConfig = async (change: Record<string, unknown>) => {
    const path = join(folder, 'adapter_config.json')
    await writeFile(path, JSON.stringify({ ...(JSON.parse(await readFile(path, 'utf8')) as object), ...change }))
  }

  test('no adapter, broken files', async () => {
    await expect(load()).rejects.toThrow(/adapter_config\.json does not exist: .* has no PEFT adapter/)
    await writeFile(join(folder, 'adapter_config.json'), '{"r": ')
    await expect(load()).rejects.toThrow(/adapter_config\.json is not valid JSON/)
    await writeFile(join(folder, 'adapter_config.json'), JSON.stringify(good))
    await expect(load()).rejects.toThrow(/adapter_model\.safetensors: no such file/)
    await writeFile(join(folder, 'adapter_model.safetensors'), 'x')
    await expect(load()).rejects.toThrow(/adapter_model\.safetensors: 1 bytes, expected at least 8/)
  })

  test.each([
    ['NaN', 0x7fc00000],
    ['infinity', 0xff800000],
  ])('numbers that are not finite: %s', async (_name, bits) => {
    await save()
    const path = join(folder, 'adapter_model.safetensors')
    const bytes = await readFile(path)
    bytes.writeUInt32LE(bits, bytes.length - 4)
    await writeFile(path, bytes)
    await expect(load()).rejects.toThrow(
      /adapter_model\.safetensors: base_model\.model\.\S+\.lora_[AB]\.weight holds NaN or infinite numbers/,
    )
  })

  test('a wrong rank, the wrong model, missing and stray tensors', async () => {
    await save()
    await editConfig({ r: 4 })
    await expect(load()).rejects.toThrow(
      /q_proj\.lora_A\.weight has shape \[2,32\], expected \[4,32\]: the adapter was made for another model or rank/,
    )
    await editConfig({ r: 2, target_modules: ['q_proj', 'v_proj', 'up_proj'] })
    await expect(load()).rejects.toThrow(
      /has no tensors of model\.layers\.0\.mlp\.up_proj and 2 more, which the adapter's settings name/,
    )
    await editConfig({ target_modules: ['q_proj'] })
    await expect(load()).rejects.toThrow(
      /has tensors of model\.layers\.0\.self_attn\.v_proj, a module that the adapter's settings .* do not name/,
    )
    await editConfig({ target_modules: ['c_attn'] })
    await expect(load()).rejects.toThrow(/has tensors of model\.layers\.0\.self_attn\.q_proj/)
    await editConfig({ target_modules: ['q_proj', 'v_proj', 'c_attn'] })
    expect(Object.keys((await load()).adapter)).toHaveLength(6)
    await expect(loadAdapter(folder, parseConfig({ ...tinyConfig, num_hidden_layers: 4 }))).rejects.toThrow(
      /the adapter has layers 0…2, the model has 4 layers: the adapter was made for another model \(its settings name "org\/tiny"\)/,
    )
    await expect(loadAdapter(folder, parseConfig({ ...tinyConfig, num_hidden_layers: 2 }))).rejects.toThrow(
      /the adapter has layers 0…2, the model has 2 layers/,
    )
  })
})
