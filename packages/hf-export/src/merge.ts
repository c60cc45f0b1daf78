// mergeAdapter: a Hugging Face model folder with a LoRA adapter folded into its weights.
import { readdir, realpath, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { loadConfig, readCheckpoint, weightShapes, type StoredTensor } from '@jora/llama'
import { ConfigError, loraScaling, readPeftAdapter, writeFolderAtomic } from '@jora/lora'
import {
  decodeFloats,
  encodeFloats,
  floatBytes,
  isFloatDType,
  openSafetensors,
  writeSafetensors,
  type FloatDType,
  type SafetensorsDType,
  type SafetensorsFile,
} from '@jora/tensor/safetensors'
import { addLowRank } from './low-rank'
import { copyConfig, copyModelFiles } from './model-files'
import { planShards, shardIndex } from './shards'

export interface MergeOptions {
  /** Folder of the base model, in Hugging Face layout. */
  readonly modelDir: string
  /** Folder of a PEFT LoRA adapter for it. */
  readonly adapterDir: string
  /** Folder to make; it must not exist, or be empty. */
  readonly outputDir: string
  /** Element type of the weights; each tensor's own when absent. */
  readonly dtype?: 'f32' | 'f16' | 'bf16' | undefined
  /** Bytes of weights a file holds at most; 5 GB when absent. */
  readonly maxShardBytes?: number | undefined
  /** Called after each tensor, with how many are written and how many there are. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

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

/** Bytes of float32 a tensor is worked on at a time. */
const blockBytes = 2 ** 22

interface Delta {
  readonly loraA: Float32Array
  readonly loraB: Float32Array
  readonly r: number
  readonly scale: number
}

/** One tensor of the output. */
interface Target {
  readonly name: string
  readonly source: StoredTensor
  readonly dtype: SafetensorsDType
  readonly bytes: number
  readonly delta: Delta | undefined
}

/** The tensor's bytes: as stored when nothing changes, else converted block by block. */
async function produce(
  { name, source: { info }, dtype, bytes, delta }: Target,
  file: SafetensorsFile,
): Promise<Uint8Array> {
  if (!delta && dtype === info.dtype) return file.read(name)
  const [from, to] = [info.dtype, dtype]
  if (!isFloatDType(from) || !isFloatDType(to)) throw new Error(`${name} is ${from}, which cannot become ${to}`)
  const out = new Uint8Array(bytes)
  const columns = info.shape.at(-1) ?? 1
  const count = bytes / floatBytes[to]
  const step = Math.max(1, Math.floor(blockBytes / 4 / columns)) * columns
  for (let at = 0; at < count; at += step) {
    const end = Math.min(count, at + step)
    const values = decodeFloats(await file.readRange(name, at * floatBytes[from], end * floatBytes[from]), from)
    if (delta) addLowRank(values, at / columns, delta.loraA, delta.loraB, delta.r, delta.scale)
    try {
      out.set(encodeFloats(values, to), at * floatBytes[to])
    } catch (error) {
      throw new RangeError(`${name}: ${(error as Error).message}; merge with dtype bf16 or f32`, { cause: error })
    }
  }
  return out
}

/** The output's tensors in checkpoint order, those the config does not call for last. */
function planTensors(
  stored: Map<string, StoredTensor>,
  order: Iterable<string>,
  wanted: FloatDType | undefined,
  deltaOf: (name: string) => Delta | undefined,
): Target[] {
  const names = new Set([...order, ...[...stored.keys()].sort()])
  return [...names].map((name) => {
    const source = stored.get(name)!
    const { info } = source
    const stays = wanted === undefined || !isFloatDType(info.dtype)
    const dtype = stays ? info.dtype : wanted
    const bytes = stays ? info.end - info.begin : info.shape.reduce((n, d) => n * d, floatBytes[wanted])
    return { name, source, dtype, bytes, delta: deltaOf(name) }
  })
}

async function checkFolders({ modelDir, adapterDir, outputDir }: MergeOptions): Promise<void> {
  const real = (path: string) => realpath(path).catch(() => resolve(path))
  const output = await real(outputDir)
  for (const [what, folder] of [
    ['model', modelDir],
    ['adapter', adapterDir],
  ] as const) {
    if (output === (await real(folder)))
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
 * rounded once to the stored type, to nearest even. Config, tokenizer, generation settings and chat template come along;
 * a tied head stays absent. Tensors are streamed: memory stays near the largest tensor. `outputDir` appears whole or not
 * at all.
 * @throws ConfigError | ModelError | HubError | SafetensorsError for a model, adapter or folder that cannot be used;
 *   RangeError for a weight that does not fit `dtype`
 */
export async function mergeAdapter(options: MergeOptions): Promise<MergeResult> {
  const { modelDir, outputDir, dtype, maxShardBytes = 5e9, onProgress } = options
  if (!(maxShardBytes > 0)) throw new ConfigError(`maxShardBytes is ${maxShardBytes}, expected a number > 0`)
  if (dtype !== undefined && !Object.hasOwn(dtypes, dtype))
    throw new ConfigError(`dtype is ${String(dtype)}, expected f32, f16 or bf16`)
  await checkFolders(options)
  const config = await loadConfig(modelDir)
  const stored = await readCheckpoint(modelDir, config)
  const { adapter, config: lora } = await readPeftAdapter(options.adapterDir, config)
  const scale = loraScaling(lora)
  const wanted = dtype && dtypes[dtype]
  const targets = planTensors(stored, weightShapes(config).keys(), wanted, (name) => {
    const pair = adapter[name.replace(/\.weight$/, '')]
    return pair && { ...pair, r: lora.r, scale }
  })
  const shards = planShards(targets, maxShardBytes)

  const files = ['config.json', ...shards.map(({ file }) => file)]
  await writeFolderAtomic(resolve(outputDir), async (folder) => {
    await using sources = new OpenFiles()
    let done = 0
    for (const { file, tensors } of shards) {
      const entries = tensors.map((target) => ({
        name: target.name,
        dtype: target.dtype,
        shape: target.source.info.shape,
        data: async () => {
          const bytes = await produce(target, await sources.get(target.source.file))
          onProgress?.(++done, targets.length)
          return bytes
        },
      }))
      await writeSafetensors(join(folder, file), entries, { format: 'pt' })
    }
    if (shards.length > 1) {
      await writeFile(join(folder, 'model.safetensors.index.json'), shardIndex(shards))
      files.push('model.safetensors.index.json')
    }
    await copyConfig(modelDir, folder, wanted)
    files.push(...(await copyModelFiles(modelDir, folder)))
  })
  return {
    outputDir,
    files: files.sort(),
    totalBytes: targets.reduce((n, { bytes }) => n + bytes, 0),
    mergedModules: Object.keys(adapter).length,
  }
}

/** The source's files, opened when first read. */
class OpenFiles implements AsyncDisposable {
  readonly #files = new Map<string, SafetensorsFile>()

  async get(path: string): Promise<SafetensorsFile> {
    const open = this.#files.get(path) ?? (await openSafetensors(path))
    this.#files.set(path, open)
    return open
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of this.#files.values()) await file.close()
  }
}
