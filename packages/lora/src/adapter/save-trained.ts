// What a run leaves in a folder: an adapter's files, or a model's where its own weights were trained.
import type { OpenModel } from '@jora/llama'
import { treeLeaves } from '@jora/tensor'
import { ConfigError } from '../settings/config-error'
import type { LoraConfig } from '../settings/lora-config'
import type { SaveDType } from '../settings/table/adapter'
import { isJob } from '../train/on-mesh'
import type { Adapter } from './adapter'
import { adapterEntries } from './peft/peft'
import { besideOf, keepsFiles, writePeftFiles, type AdapterInfo } from './peft/peft-folder'
import { peftConfig } from './peft/peft-config'
import { writePrompt } from './prompt-file'
import { writeWholeModel } from './whole/files'

/** What is beside what was trained. */
export interface TrainedInfo extends AdapterInfo {
  /** The base, whose other weights and files come along where its own weights are trained. */
  readonly model?: OpenModel | undefined
  /** The type that such a model is saved in. */
  readonly saveDtype?: SaveDType | undefined
}

/**
 * Reads what was trained from its device, and returns what writes it into a folder, each file whole or not at all. Of a job's
 * processes all must call it; undefined in those that write nothing.
 * @param kept `state`: as a run goes on from it, trained weights in f32; `result`: as it is used
 */
export async function trainedFiles(
  adapter: Adapter,
  config: LoraConfig,
  info: TrainedInfo,
  kept: 'state' | 'result',
): Promise<((folder: string) => Promise<void>) | undefined> {
  if (!config.whole) {
    const entries = await adapterEntries(adapter, config)
    if (!keepsFiles(adapter)) return undefined
    return (folder) =>
      writePeftFiles(folder, entries, peftConfig(config, Object.keys(adapter), info), besideOf(info, config))
  }
  const { model, saveDtype = 'auto', prompt } = info
  if (!model) throw new ConfigError('a model is saved with the files of its base: pass the open model')
  const [first] = treeLeaves(adapter)
  // The processes of a job read their parts together; alone, a weight at a time is enough.
  if (first && isJob(first.buffer.device)) await Promise.all(treeLeaves(adapter).map((leaf) => leaf.data()))
  if (!keepsFiles(adapter)) return undefined
  const how =
    kept === 'state'
      ? { dtype: 'auto' as const, trained: 'F32' as const, maxShardBytes: Infinity }
      : { dtype: saveDtype }
  return async (folder) => {
    if (prompt) await writePrompt(folder, prompt)
    await writeWholeModel(folder, model, adapter, how)
  }
}
