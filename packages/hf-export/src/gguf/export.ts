// exportGguf: a Hugging Face model folder, with a LoRA adapter or without, as one GGUF file.
import { realpath } from 'node:fs/promises'
import { resolve } from 'node:path'
import { ConfigError } from '@jora/lora'
import { MergedTensors } from '../merged-tensors'
import { fileTypeNames, type FileType } from './file-types'
import { checkOutputFile } from './output'
import { encodeTensor, planModel, type Plan } from './plan'
import { writeGguf } from './write'

/** What {@link exportGguf} reads, and where it writes. */
export interface GgufOptions {
  /** The model: its folder, in Hugging Face layout, with its tokenizer.json, or its GGUF file. */
  readonly modelDir: string
  /** Folder of a PEFT LoRA adapter to merge into it; absent, the model is exported as it is. */
  readonly adapterDir?: string | undefined
  /** The file to write. Its folder must exist. */
  readonly output: string
  /** Type of the file, as llama.cpp's quantiser knows it, e.g. q4_k_m; f16 when absent. Vectors are f32 always. */
  readonly dtype?: FileType | undefined
  /** Whether a GGUF file of that name may be replaced. */
  readonly overwrite?: boolean | undefined
  /** Called after each tensor, with how many are written and how many there are. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

/** The file that was written. */
export interface GgufResult {
  readonly output: string
  /** Length of the file. */
  readonly bytes: number
  readonly tensors: number
  /** Modules the adapter changed. */
  readonly mergedModules: number
  /** What a user may want to know of the file, a sentence each. */
  readonly notes: readonly string[]
}

/** Writes what is planned. */
export async function writePlan(
  { output, onProgress }: Pick<GgufOptions, 'output' | 'onProgress'>,
  { metadata, tensors, notes }: Plan,
): Promise<Omit<GgufResult, 'mergedModules'>> {
  let done = 0
  const bytes = await writeGguf(output, metadata, tensors.map(encodeTensor), () => onProgress?.(++done, tensors.length))
  return { output, bytes, tensors: tensors.length, notes }
}

/** @throws ConfigError for a type that is none of `allowed` */
export function checkDtype(dtype: string, allowed: readonly FileType[]): void {
  if (!allowed.some((type) => type === dtype))
    throw new ConfigError(`dtype is ${dtype}, expected ${allowed.slice(0, -1).join(', ')} or ${allowed.at(-1)}`)
}

/**
 * Writes the model in `modelDir` as a GGUF file that llama.cpp, and what is built on it, runs: weights with W + scale · B·A
 * where an adapter is given, summed in float32 or better and rounded once to `dtype`; sizes, tokenizer and chat template as
 * metadata. Tensors are streamed: memory stays near a few blocks of rows. The file appears whole or not at all.
 * @throws ConfigError | ModelError | HubError | SafetensorsError for a model, tokenizer, adapter or output that cannot be
 *   used; RangeError naming the tensor for a value that does not fit `dtype`
 */
export async function exportGguf(options: GgufOptions): Promise<GgufResult> {
  const { modelDir, adapterDir, dtype = 'f16' } = options
  checkDtype(dtype, fileTypeNames)
  await checkOutputFile(options.output, options.overwrite ?? false)
  const own = (path: string) => realpath(path).catch(() => resolve(path))
  if ((await own(options.output)) === (await own(modelDir)))
    throw new ConfigError(`output ${options.output} is the model's own file; choose another name`)
  await using source = await MergedTensors.open(modelDir, adapterDir)
  const result = await writePlan(options, await planModel(source, options, dtype))
  return { ...result, mergedModules: source.changedModules }
}
