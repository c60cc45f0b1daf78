// PEFT adapters in folders.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { DecoderConfig } from '@jora/llama'
import { treeLeaves, type Device } from '@jora/tensor'
import { openSafetensors, writeSafetensors, type SafetensorsEntry } from '@jora/tensor/safetensors'
import type { Adapter } from './adapter'
import { writeJsonAtomic } from './files'
import { adaptedModules, ConfigError, type AdaptedModule, type LoraConfig } from './lora-config'
import { writesFiles } from './on-mesh'
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

/**
 * Writes the adapter into `folder`, each file whole or not at all. Of a job's processes all must call it, and the first
 * writes.
 */
export async function savePeftAdapter(
  folder: string,
  adapter: Adapter,
  config: LoraConfig,
  info: PeftInfo,
): Promise<void> {
  const entries = await adapterEntries(adapter)
  if (keepsFiles(adapter)) await writePeftFiles(folder, entries, peftConfig(config, Object.keys(adapter), info))
}

/** The two files, of tensors that are on the host. */
export async function writePeftFiles(
  folder: string,
  entries: readonly SafetensorsEntry<Uint8Array>[],
  config: Readonly<Record<string, unknown>>,
): Promise<void> {
  await writeSafetensors(join(folder, adapterWeightsFile), entries, { format: 'pt' })
  await writeJsonAtomic(join(folder, adapterConfigFile), config)
}

/** Whether this process writes what is on the device of these tensors. */
export const keepsFiles = (adapter: Adapter): boolean => {
  const [first] = treeLeaves(adapter)
  return first === undefined || writesFiles(first.buffer.device)
}

async function readAdapterArrays(path: string, modules: readonly AdaptedModule[], r: number): Promise<AdapterArrays> {
  await using file = await openSafetensors(path)
  return await adapterArrays(file, path, modules, r) // awaited before the file closes
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
export async function readPeftAdapter(folder: string, model: DecoderConfig): Promise<PeftAdapter> {
  const { baseModel, ...config } = await readPeftConfig(folder)
  const adapter = await readAdapterArrays(join(folder, adapterWeightsFile), adaptedModules(model, config), config.r)
  return { adapter, config, baseModel }
}

/** As {@link readPeftAdapter}, as tensors on a device (the default one when absent). */
export async function loadPeftAdapter(
  folder: string,
  model: DecoderConfig,
  device?: Device,
): Promise<{ adapter: Adapter; config: LoraConfig; baseModel: string | undefined }> {
  const { adapter, ...rest } = await readPeftAdapter(folder, model)
  return { adapter: uploadAdapter(adapter, rest.config.r, device), ...rest }
}
