// A model folder in Hugging Face layout: weights in files of a bounded size, their index, and what is beside them.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { safetensorsBytes, writeSafetensors, type SafetensorsDType } from '@jora/tensor/safetensors'
import { writeModelFiles } from './model-files'
import { indexFile, planShards, shardIndex } from './shards'

/** One tensor of a model that is written. */
export interface WrittenTensor {
  /** Its Hugging Face name. */
  readonly name: string
  readonly dtype: SafetensorsDType
  readonly shape: readonly number[]
  /** Its bytes, in parts. */
  data(): AsyncIterable<Uint8Array>
}

/** What a model's folder consists of. */
export interface WrittenModel {
  readonly tensors: readonly WrittenTensor[]
  /** What is beside the weights, by name; see `modelFiles`. */
  readonly files: ReadonlyMap<string, Buffer>
  /** Bytes of weights a file holds at most; 5 GB when absent, as transformers does it. */
  readonly maxShardBytes?: number | undefined
}

/**
 * Writes a model into `folder`, each file whole or not at all, config.json after the weights.
 * @returns names of the files
 * @throws Error of the system, and what `data` of a tensor throws
 */
export async function writeModel(
  folder: string,
  { tensors, files, maxShardBytes = 5e9 }: WrittenModel,
): Promise<string[]> {
  const sized = tensors.map((tensor) => ({ ...tensor, bytes: safetensorsBytes(tensor.dtype, tensor.shape)! }))
  const shards = planShards(sized, maxShardBytes)
  for (const { file, tensors: entries } of shards) await writeSafetensors(join(folder, file), entries, { format: 'pt' })
  if (shards.length > 1) await writeFile(join(folder, indexFile), shardIndex(shards))
  const index = shards.length > 1 ? [indexFile] : []
  return [...shards.map(({ file }) => file), ...index, ...(await writeModelFiles(folder, files))]
}
