// A model in a folder: its configuration, and its weights, which stay in their files until a program uses them.
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { defaultDevice, type Device, type Tensor } from '@jora/tensor'
import { MeshDevice, P, shardedFromFile } from '@jora/shard'
import { fromSafetensorsDType, openSafetensors, type FileRange, type TensorInfo } from '@jora/tensor/safetensors'
import { ModelError, parseConfig, parseModelJson, withStopIds, type DecoderConfig } from '../config/config'
import { indexName, parseWeightIndex, selectWeights } from '../hub/select'
import type { Decoder, Weights } from '../model'
import { weightSharding } from '../partition'
import { CheckpointCheck, weightShapes } from './weights'

/** The text of a file; undefined when there is none. @throws ModelError when it cannot be read */
async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    throw new ModelError(`${path} cannot be read: ${message}`)
  }
}

/** The configuration of the model in `folder`; generation_config.json, if there is one, may add stop ids. */
export async function loadConfig(folder: string): Promise<DecoderConfig> {
  const path = join(folder, 'config.json')
  const text = await readText(path)
  if (text === undefined) throw new ModelError(`${path} does not exist`)
  const config = parseConfig(parseModelJson(text, path), path)
  const generationPath = join(folder, 'generation_config.json')
  const generation = await readText(generationPath)
  return generation === undefined
    ? config
    : withStopIds(config, parseModelJson(generation, generationPath), generationPath)
}

/**
 * Paths of the folder's safetensors files: those of the index, else the single file, else all there are.
 * @throws ModelError | HubError when there are none, or the index is malformed or names a file that is missing or outside
 */
export async function checkpointFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    const missing = error.code === 'ENOENT'
    throw new ModelError(`model folder ${folder} ${missing ? 'does not exist' : `cannot be read: ${error.message}`}`)
  })
  const all = new Set(names)
  const indexPath = join(folder, indexName)
  const index = all.has(indexName) ? parseWeightIndex(await readFile(indexPath, 'utf8'), folder) : undefined
  const files = selectWeights(all, index)
  for (const file of index ? files : []) {
    const found = await stat(join(folder, file)).catch(() => undefined)
    if (!found?.isFile()) throw new ModelError(`${indexPath} names ${file}, which is not in ${folder}`)
  }
  if (files.length > 0) return files.map((file) => join(folder, file))
  const others = names.filter((name) => /\.(bin|pt|pth|gguf|msgpack)$/.test(name))
  const only =
    others.length > 0 ? ` (only ${others.join(', ')}; convert it with transformers' save_pretrained first)` : ''
  throw new ModelError(`${folder} has no .safetensors file${only}`)
}

/** A tensor of a checkpoint, in its file. */
export interface StoredTensor {
  readonly file: string
  readonly info: TensorInfo
  readonly range: FileRange
}

/**
 * Every tensor of the checkpoint in `folder` by name, of which only the headers are read. All weights the config calls for
 * are there, with its shapes and in F32, F16 or BF16; others (rotary tables, a tied head saved all the same) come along.
 * @throws ModelError | HubError | SafetensorsError naming the file and tensor at fault
 */
export async function readCheckpoint(folder: string, config: DecoderConfig): Promise<Map<string, StoredTensor>> {
  const check = new CheckpointCheck(config)
  const stored = new Map<string, StoredTensor>()
  for (const path of await checkpointFiles(folder)) {
    await using file = await openSafetensors(path)
    for (const [name, info] of file.tensors) {
      check.add(path, info)
      stored.set(name, { file: path, info, range: file.range(name) })
    }
  }
  check.finish(folder)
  return stored
}

/**
 * The model's weights as tensors that stay in their files (memory-mapped on the CPU). On a mesh each device reads its part.
 * @throws as {@link readCheckpoint}, and ShardingError for a mesh that does not fit, before any tensor is made
 */
export async function loadWeights(folder: string, config: DecoderConfig, device?: Device): Promise<Weights> {
  const stored = await readCheckpoint(folder, config)
  const target = device ?? defaultDevice()
  const specOf = target instanceof MeshDevice ? weightSharding(config, target.mesh) : () => P()
  const weights: Record<string, Tensor> = {}
  for (const [name, shape] of weightShapes(config)) {
    const { info, range } = stored.get(name)!
    const aval = { shape, dtype: fromSafetensorsDType(info.dtype)! }
    weights[name] = shardedFromFile(range, aval, specOf(name), { device: target, label: name })
  }
  return weights
}

export interface Model extends Decoder {
  /** Folder it was loaded from. */
  readonly folder: string
}

/**
 * The model in `folder` (Hugging Face layout). Weights stay in their files until a program uses them.
 * @throws ModelError | HubError | SafetensorsError naming the file, key or tensor at fault
 */
export async function loadModel(folder: string, options: { device?: Device } = {}): Promise<Model> {
  const config = await loadConfig(folder)
  return { folder, config, weights: await loadWeights(folder, config, options.device) }
}
