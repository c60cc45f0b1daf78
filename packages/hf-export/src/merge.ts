// mergeAdapter: a Hugging Face model folder with a LoRA adapter folded into its weights.
import { readdir, realpath, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { ggufDType, modelFiles, writeModel } from '@jora/llama'
import { ConfigError, promptFile, readPrompt, writePrompt } from '@jora/lora'
import { writeFolderAtomic } from '@jora/tensor/files'
import {
  encodeFloats,
  isFloatDType,
  isSafetensorsDType,
  safetensorsBytes,
  type FloatDType,
  type SafetensorsDType,
} from '@jora/tensor/safetensors'
import type { WeightType } from '@jora/tensor/weights'
import { MergedTensors } from './merged-tensors'

/** What {@link mergeAdapter} reads, and where it writes. */
export interface MergeOptions {
  /** The base model: its folder, in Hugging Face layout, or its GGUF file. */
  readonly modelDir: string
  /** Folder of a LoRA adapter for it; absent, the model is written as it is, perhaps in another type. */
  readonly adapterDir?: string | undefined
  /** Folder to make; it must not exist, or be empty. */
  readonly outputDir: string
  /** Element type of the weights; each tensor's own when absent. */
  readonly dtype?: 'f32' | 'f16' | 'bf16' | undefined
  /** Bytes of weights a file holds at most; 5 GB when absent. */
  readonly maxShardBytes?: number | undefined
  /** Text of a README.md to put beside it: the model card. */
  readonly card?: string | undefined
  /** Called after each tensor, with how many are written and how many there are. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

/** The folder that {@link mergeAdapter} wrote. */
export interface MergeResult {
  readonly outputDir: string
  /** Names of the files in it, sorted. */
  readonly files: string[]
  /** Bytes of all weights. */
  readonly totalBytes: number
  /** Modules the adapter changed. */
  readonly mergedModules: number
}

const dtypes: Readonly<Record<NonNullable<MergeOptions['dtype']>, FloatDType>> = {
  f32: 'F32',
  f16: 'F16',
  bf16: 'BF16',
}

/** One tensor of the output. */
interface Target {
  readonly name: string
  readonly stored: WeightType
  readonly dtype: SafetensorsDType
  readonly shape: readonly number[]
  readonly bytes: number
}

/** The tensor's bytes, block by block: as stored when nothing changes, else merged and rounded. */
async function* produce({ name, stored, dtype }: Target, source: MergedTensors): AsyncGenerator<Uint8Array> {
  if (!source.changed(name) && dtype === stored) return yield* source.stored(name)
  if (!isFloatDType(dtype)) throw new TypeError(`${name} is ${dtype}, expected F32, F16 or BF16`)
  let room: Uint16Array | undefined
  for await (const { values } of source.rows(name)) {
    if (!room || room.length < values.length) room = new Uint16Array(values.length)
    let encoded: Uint8Array
    try {
      encoded = encodeFloats(values, dtype, room)
    } catch (error) {
      throw new RangeError(`${name}: ${(error as Error).message}; merge with dtype bf16 or f32`, { cause: error })
    }
    yield encoded
  }
}

function planTensors({ tensors }: MergedTensors, wanted: FloatDType | undefined): Target[] {
  return [...tensors].map(([name, { type: stored, shape }]) => {
    const dtype = isSafetensorsDType(stored) && !(wanted && isFloatDType(stored)) ? stored : (wanted ?? ggufDType)
    return { name, stored, dtype, shape, bytes: safetensorsBytes(dtype, shape)! }
  })
}

async function checkFolders({ modelDir, adapterDir, outputDir }: MergeOptions): Promise<void> {
  const real = (path: string) => realpath(path).catch(() => resolve(path))
  const output = await real(outputDir)
  for (const [what, folder] of [
    ['model', modelDir],
    ['adapter', adapterDir],
  ] as const) {
    if (folder !== undefined && output === (await real(folder)))
      throw new ConfigError(`output directory ${outputDir} is the ${what}'s own folder; choose another`)
  }
  const present = await readdir(outputDir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw new ConfigError(`output directory ${outputDir} cannot be used: ${error.message}`)
  })
  if (present.length > 0)
    throw new ConfigError(`output directory ${outputDir} is not empty (it has ${present[0]}); choose another`)
}

/**
 * Writes the model in `modelDir` with W + scale · B·A in place of each adapted weight W, summed in float32 or better and
 * rounded once to the stored type, to nearest even (blocks of a GGUF file are unpacked, and become f16 unless `dtype` says
 * otherwise). Config, tokenizer, generation settings and chat template come along;
 * a tied head stays absent, unless the adapter has one apart. Tensors are streamed in blocks: memory does not grow with their size. `outputDir` appears whole or not
 * at all.
 * @throws ConfigError | ModelError | HubError | SafetensorsError for a model, adapter or folder that cannot be used;
 *   RangeError for a weight that does not fit `dtype`
 */
export async function mergeAdapter(options: MergeOptions): Promise<MergeResult> {
  const { outputDir, dtype, maxShardBytes = 5e9, onProgress } = options
  if (!(maxShardBytes > 0)) throw new ConfigError(`maxShardBytes is ${maxShardBytes}, expected a number > 0`)
  if (dtype !== undefined && !Object.hasOwn(dtypes, dtype))
    throw new ConfigError(`dtype is ${String(dtype)}, expected f32, f16 or bf16`)
  await checkFolders(options)
  const wanted = dtype && dtypes[dtype]
  await using source = await MergedTensors.open(options.modelDir, options.adapterDir)
  const targets = planTensors(source, wanted)

  const beside = await modelFiles(source.model, wanted, source.config)
  const files: string[] = []
  const fill = async (folder: string) => {
    let done = 0
    const tensors = targets.map((target) => ({
      name: target.name,
      dtype: target.dtype,
      shape: target.shape,
      async *data() {
        yield* produce(target, source)
        onProgress?.(++done, targets.length)
      },
    }))
    files.push(...(await writeModel(folder, { tensors, files: beside, maxShardBytes })))
    const prompt = options.adapterDir === undefined ? undefined : await readPrompt(options.adapterDir)
    if (prompt) {
      await writePrompt(folder, { template: prompt.template })
      if (!files.includes(promptFile)) files.push(promptFile)
    }
    if (options.card !== undefined) {
      await writeFile(join(folder, 'README.md'), options.card)
      files.push('README.md')
    }
  }
  await writeFolderAtomic(outputDir, fill, { onlyEmpty: true })
  return {
    outputDir,
    files: files.sort(),
    totalBytes: targets.reduce((n, { bytes }) => n + bytes, 0),
    mergedModules: source.changedModules,
  }
}
