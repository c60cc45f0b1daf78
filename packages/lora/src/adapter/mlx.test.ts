// Adapters of mlx-lm are read like PEFT's.
import { rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { tensor } from '@jora/tensor'
import { writeSafetensors } from '@jora/tensor/safetensors'
import { entry, noise, toBf16 } from '../../../llama/test/tiny-model'
import {
  adaptedModules,
  importAdapter,
  loraLinear,
  parsePeftConfig,
  readAdapter,
  uploadAdapter,
  type TargetSettings,
} from '../index'
import { model, folder, setUp } from './elsewhere-harness'

setUp()

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

  test('DoRA: lengths of rows are multiplied in, as DoRALinear of mlx-lm does', async () => {
    const [only] = adaptedModules(model, { targetModules: ['layers.1.self_attn.q_proj'] })
    const { name, inFeatures, outFeatures } = only!
    const m = noise('m', outFeatures).map((value) => 2 + value)
    const a = noise('a', 3 * inFeatures)
    const b = noise('b', 3 * outFeatures)
    await writeMlx({ fine_tune_type: 'dora', lora_parameters: { rank: 3, scale: 2 } })
    await writeSafetensors(join(folder, 'adapters.safetensors'), [
      entry(`${name}.lora_a`, [inFeatures, 3], a),
      entry(`${name}.lora_b`, [3, outFeatures], b),
      entry(`${name}.m`, [outFeatures], m),
    ])
    const { adapter, config } = await load()
    expect(config.useDora).toBe(true)
    const w = noise('w', outFeatures * inFeatures)
    const x = noise('x', inFeatures)
    const linear = loraLinear(uploadAdapter(adapter, config), config)
    const weight = tensor(w, { shape: [outFeatures, inFeatures] })
    const out = await linear(name, tensor(x, { shape: [1, inFeatures] }), weight).data()
    for (let row = 0; row < outFeatures; row++) {
      let [along, squares] = [0, 0]
      for (let i = 0; i < inFeatures; i++) {
        let value = w[row * inFeatures + i]!
        for (let k = 0; k < 3; k++) value += 2 * a[i * 3 + k]! * b[k * outFeatures + row]!
        along += value * x[i]!
        squares += value * value
      }
      expect(out[row]).toBeCloseTo((m[row]! / Math.sqrt(squares)) * along, 3)
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
    [{ fine_tune_type: 'dora' }, /tensor \S+\.m is missing/],
    [{ fine_tune_type: 'ia3' }, /"fine_tune_type" is "ia3"; expected "lora" or "dora"/],
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
    await expect(load()).rejects.toThrow('a magnitude of DoRA')
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
