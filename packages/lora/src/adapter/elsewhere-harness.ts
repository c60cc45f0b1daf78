// What the tests of elsewhere share.
import { mkdtempSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import { parseConfig } from '@jora/llama'
import { setDefaultDevice, type Device } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { writeSafetensors } from '@jora/tensor/safetensors'
import { entry, noise, tinyConfig } from '../../../llama/test/tiny-model'
import { adaptedModules, loraRank, parsePeftConfig, peftName } from '../index'

export const model = parseConfig(tinyConfig)
let device: Device
/** What the tests of a file need, made before them and removed after; each file calls it, as hooks belong to a file. */
export function setUp(): void {
  beforeAll(async () => {
    device = await openCpuDevice({ threads: 1 })
    setDefaultDevice(device)
  })
  afterAll(async () => {
    setDefaultDevice(undefined)
    await device.close()
  })
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'jora-elsewhere-'))))
  afterEach(() => rmSync(folder, { recursive: true }))
}

export let folder: string

export const base = {
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

export type Name = (module: string, part: 'loraA' | 'loraB') => string

/** Writes an adapter with these settings, its tensors noise. */
export async function write(
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

export const settingsOf = (json: unknown) => {
  const { target_modules: targets, ...rest } = json as Record<string, unknown>
  return { ...rest, target_modules: Array.isArray(targets) ? new Set(targets) : targets }
}

export const kinds: Record<string, Record<string, unknown>> = {
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
