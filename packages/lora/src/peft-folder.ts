// PEFT adapters in folders.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { LlamaConfig } from '@jora/llama'
import type { Device } from '@jora/tensor'
import { openSafetensors, writeSafetensors } from '@jora/tensor/safetensors'
import type { Adapter } from './adapter'
import { writeJsonAtomic } from './files'
import { adaptedModules, ConfigError, type AdaptedModule, type LoraConfig } from './lora-config'
import {
  adapterArrays,
  adapterConfigFile,
  adapterEntries,
  adapterWeightsFile,
  parsePeftConfigText,
  peftConfig,
  uploadAdapter,
  type AdapterArrays,
  type PeftAdapter,
  type PeftConfig,
  type PeftInfo,
} from './peft'

/** Writes the adapter into `folder`, each file whole or not at all. */
export async function savePeftAdapter(
  folder: string,
  adapter: Adapter,
  config: LoraConfig,
  info: PeftInfo,
): Promise<void> {
  await writeSafetensors(join(folder, adapterWeightsFile), await adapterEntries(adapter), { format: 'pt' })
  await writeJsonAtomic(join(folder, adapterConfigFile), peftConfig(config, Object.keys(adapter), info))
}

async function readAdapterArrays(path: string, modules: readonly AdaptedModule[], r: number): Promise<AdapterArrays> {
  await using file = await openSafetensors(path)
  return await adapterArrays(file, path, modules, r) // awaited before the file closes
}

/** Tensors of `path` under PEFT's names, as pairs of the `modules` they must cover, on a device. */
export async function readAdapterTensors(
  path: string,
  modules: readonly AdaptedModule[],
  r: number,
  device?: Device,
): Promise<Adapter> {
  return uploadAdapter(await readAdapterArrays(path, modules, r), r, device)
}

/** The settings in the adapter_config.json of `folder`. */
async function readPeftConfig(folder: string): Promise<PeftConfig> {
  const path = join(folder, adapterConfigFile)
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new ConfigError(
      error.code === 'ENOENT'
        ? `${path} does not exist: ${folder} holds no PEFT adapter`
        : `${path} cannot be read: ${error.message}`,
    )
  })
  return parsePeftConfigText(text, path)
}

/**
 * Reads a PEFT LoRA adapter for `model` on the host: no device need be open.
 * @throws ConfigError | SafetensorsError naming the file and the key or tensor at fault
 */
export async function readPeftAdapter(folder: string, model: LlamaConfig): Promise<PeftAdapter> {
  const { baseModel, ...config } = await readPeftConfig(folder)
  const adapter = await readAdapterArrays(join(folder, adapterWeightsFile), adaptedModules(model, config), config.r)
  return { adapter, config, baseModel }
}

/** As {@link readPeftAdapter}, as tensors on a device (the default one when absent). */
export async function loadPeftAdapter(
  folder: string,
  model: LlamaConfig,
  device?: Device,
): Promise<{ adapter: Adapter; config: LoraConfig; baseModel: string | undefined }> {
  const { adapter, ...rest } = await readPeftAdapter(folder, model)
  return { adapter: uploadAdapter(adapter, rest.config.r, device), ...rest }
}
