// PEFT adapters of noise for tests, written without a device.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { DecoderConfig } from '@jora/llama'
import { writeSafetensors } from '@jora/tensor/safetensors'
import { entry, noise } from '../../llama/test/tiny-model'
import { adaptedModules, peftConfig, peftName, type AdaptedModule, type LoraConfig } from '../src/index'

/** A and B of a module: A in (−1, 1), B a tenth of that. */
export function tinyFactors(
  { name, inFeatures, outFeatures }: AdaptedModule,
  r: number,
): { readonly loraA: Float32Array; readonly loraB: Float32Array } {
  const [a, b] = [peftName(name, 'loraA'), peftName(name, 'loraB')]
  return { loraA: noise(a, r * inFeatures), loraB: noise(b, outFeatures * r).map((x) => 0.1 * x) }
}

/** Writes an adapter for `model`; its tensors are of rank `r`, whatever its settings say. */
export async function writeTinyAdapter(
  folder: string,
  model: DecoderConfig,
  lora: LoraConfig,
  { r = lora.r, baseModel = 'tiny' }: { r?: number; baseModel?: string } = {},
): Promise<void> {
  await mkdir(folder, { recursive: true })
  const modules = adaptedModules(model, lora)
  const entries = modules.flatMap((module) => {
    const { loraA, loraB } = tinyFactors(module, r)
    return [
      entry(peftName(module.name, 'loraA'), [r, module.inFeatures], loraA),
      entry(peftName(module.name, 'loraB'), [module.outFeatures, r], loraB),
    ]
  })
  await writeSafetensors(join(folder, 'adapter_model.safetensors'), entries, { format: 'pt' })
  const names = modules.map(({ name }) => name)
  await writeFile(join(folder, 'adapter_config.json'), JSON.stringify(peftConfig(lora, names, { baseModel })))
}
