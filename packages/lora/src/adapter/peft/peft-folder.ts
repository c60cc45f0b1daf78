// PEFT adapters written into folders.
import { join } from 'node:path'
import { treeLeaves } from '@jora/tensor'
import { writeJsonAtomic } from '@jora/tensor/files'
import { writeSafetensors, type SafetensorsEntry } from '@jora/tensor/safetensors'
import type { Adapter } from '../adapter'
import type { LowRankArrays } from '../host'
import { loftqFile } from '../loftq/name'
import type { LoraConfig } from '../../settings/lora-config'
import { writesFiles } from '../../train/on-mesh'
import { adapterEntries, adapterWeightsFile, arrayEntries } from './peft'
import { writePrompt, type AdapterPrompt } from '../prompt-file'
import { adapterConfigFile, peftConfig, type PeftInfo } from './peft-config'

/** What is beside an adapter's tensors. */
export interface AdapterInfo extends PeftInfo {
  /** How the adapter is asked, for prompt.json. */
  readonly prompt?: AdapterPrompt | undefined
  /** What LoftQ took from the weights before it quantised the base, where it did so more than once. */
  readonly taken?: LowRankArrays | undefined
}

/**
 * Writes the adapter into `folder`, each file whole or not at all. Of a job's processes all must call it, and the first
 * writes.
 */
export async function savePeftAdapter(
  folder: string,
  adapter: Adapter,
  config: LoraConfig,
  info: AdapterInfo,
): Promise<void> {
  const entries = await adapterEntries(adapter, config)
  if (!keepsFiles(adapter)) return
  await writePeftFiles(folder, entries, peftConfig(config, Object.keys(adapter), info), besideOf(info, config))
}

/** What is beside an adapter's own two files. */
export interface Beside {
  readonly prompt?: AdapterPrompt | undefined
  readonly taken?: readonly SafetensorsEntry<Uint8Array>[] | undefined
}

/** What {@link AdapterInfo} says is beside an adapter of these settings. */
export const besideOf = ({ prompt, taken }: AdapterInfo, config: LoraConfig): Beside => ({
  prompt,
  taken: taken && arrayEntries(taken, config),
})

/** The files, of tensors that are on the host. */
export async function writePeftFiles(
  folder: string,
  entries: readonly SafetensorsEntry<Uint8Array>[],
  config: Readonly<Record<string, unknown>>,
  { prompt, taken }: Beside = {},
): Promise<void> {
  if (prompt) await writePrompt(folder, prompt)
  if (taken) await writeSafetensors(join(folder, loftqFile), taken, { format: 'pt' })
  await writeSafetensors(join(folder, adapterWeightsFile), entries, { format: 'pt' })
  await writeJsonAtomic(join(folder, adapterConfigFile), config)
}

/** Whether this process writes what is on the device of these tensors. */
export const keepsFiles = (adapter: Adapter): boolean => {
  const [first] = treeLeaves(adapter)
  return first === undefined || writesFiles(first.buffer.device)
}
