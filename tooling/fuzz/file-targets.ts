// What is fuzzed as files in a folder: GGUF models and adapters, mutated byte by byte or key by key.
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { TokenizerError } from '@jora/data'
import { exportGguf } from '@jora/hf-export'
import { ModelError, openModel, parseConfig } from '@jora/llama'
import { ConfigError, readAdapter } from '@jora/lora'
import { SafetensorsError, serializeSafetensors } from '@jora/tensor/safetensors'
import { GgufError } from '@jora/tensor/weights'
import { llamaLike } from '../../packages/data/test/tiny-tokenizers'
import { entry, noise, tinyConfig, tinyWeights, writeTinyModel } from '../../packages/llama/test/tiny-model'
import { type Dice, mutateBytes, mutateJson } from './mutate'
import type { Target } from './targets'

const config = { ...tinyConfig, vocab_size: 337 }
const adapter = { peft_type: 'LORA', r: 2, lora_alpha: 4, target_modules: ['q_proj'], bias: 'none' }
const adapterConfigs: readonly object[] = [
  adapter,
  {
    fine_tune_type: 'lora',
    num_layers: 3,
    lora_parameters: { rank: 2, scale: 2, dropout: 0, keys: ['self_attn.q_proj'] },
  },
]

/** The tensors of an adapter of rank 2 on q_proj, as PEFT names them. */
const adapterWeights = serializeSafetensors(
  [0, 1, 2].flatMap((layer) =>
    (['A', 'B'] as const).map((half) => {
      const name = `base_model.model.model.layers.${layer}.self_attn.q_proj.lora_${half}.weight`
      return entry(name, half === 'A' ? [2, 32] : [32, 2], noise(name, 64))
    }),
  ),
)

/**
 * The targets that need files.
 * @param folder a folder of the test's own, which they write into
 */
export async function fileTargets(folder: string): Promise<Target[]> {
  const modelDir = join(folder, 'model')
  const weights = tinyWeights(config).map(({ name, shape, data }) => entry(name, shape, data))
  await writeTinyModel(modelDir, config, weights)
  await writeFile(join(modelDir, 'tokenizer.json'), JSON.stringify(llamaLike()))
  const gguf = join(folder, 'm.gguf')
  await exportGguf({ modelDir, output: gguf, dtype: 'f32' })
  const whole = new Uint8Array(await readFile(gguf))
  const headerBytes = whole.length - weights.reduce((sum, { data }) => sum + data.length, 0)
  const model = parseConfig(config)

  return [
    {
      name: 'GGUF header',
      errors: [GgufError, ModelError, TokenizerError],
      names: 'm.gguf',
      draw: (dice) => {
        // Faults near the header's own end, too: mutateBytes prefers the beginning of what it is given.
        const from = dice.below(4) === 0 ? dice.below(headerBytes) : 0
        const mutated = mutateBytes(whole.subarray(from, headerBytes), dice)
        return async () => {
          await writeFile(gguf, Buffer.concat([whole.subarray(0, from), mutated, whole.subarray(headerBytes)]))
          await using open = await openModel(gguf)
          open.tokenizer.decode(open.tokenizer.encode('hello the 1'))
        }
      },
    },
    {
      name: 'adapter folder',
      errors: [ConfigError, SafetensorsError],
      names: join(folder, 'adapter'),
      draw: (dice) => {
        const { json, bytes } = mutatedAdapter(dice)
        return async () => {
          await mkdir(join(folder, 'adapter'), { recursive: true })
          await writeFile(join(folder, 'adapter', 'adapter_config.json'), JSON.stringify(json) ?? '')
          for (const file of ['adapter_model.safetensors', 'adapters.safetensors'])
            await writeFile(join(folder, 'adapter', file), bytes)
          await readAdapter(join(folder, 'adapter'), model)
        }
      },
    },
  ]
}

/** An adapter with a fault in its settings, or in its weights. */
function mutatedAdapter(dice: Dice): { readonly json: unknown; readonly bytes: Uint8Array } {
  const json = dice.pick(adapterConfigs)
  if (dice.below(2) === 0) return { json: mutateJson(json, dice), bytes: adapterWeights }
  return { json, bytes: mutateBytes(adapterWeights, dice) }
}
