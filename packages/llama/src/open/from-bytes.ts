// A model from bytes in memory: what a page has fetched, or was given.
import { defaultDevice, tensor, viewAs, type Device, type Tensor } from '@jora/tensor'
import { decodeFloats, fromSafetensorsDType, parseSafetensors, type TensorInfo } from '@jora/tensor/safetensors'
import { parseConfig, parseModelJson, withStopIds } from '../config/config'
import type { Decoder } from '../model'
import { CheckpointCheck, weightShapes } from './weights'

/** A safetensors file in memory. */
export interface WeightFile {
  /** What errors call it, e.g. `model.safetensors`. */
  readonly name: string
  readonly bytes: Uint8Array | ArrayBuffer
}

/** The files of a model. JSON files are given as their text, or parsed. */
export interface ModelBytes {
  /** config.json. */
  readonly config: unknown
  /** generation_config.json, which may add stop ids. */
  readonly generationConfig?: unknown
  /** The model's one safetensors file, or all its shards. An async iterable may fetch each when its turn comes. */
  readonly weights: Iterable<WeightFile> | AsyncIterable<WeightFile>
}

const parsed = (json: unknown, source: string): unknown =>
  typeof json === 'string' ? parseModelJson(json, source) : json

function uploadWeight({ name, shape, dtype: stored }: TensorInfo, bytes: Uint8Array, device: Device): Tensor {
  // onnxruntime-node takes no bf16 tensors but those of its model's files; as f32 they compute the same.
  if (stored === 'BF16' && device.kind === 'cpu')
    return tensor(decodeFloats(bytes, stored), { shape, device, label: name })
  const dtype = fromSafetensorsDType(stored)!
  return tensor(viewAs(dtype, bytes), { shape, dtype, device, label: name })
}

/**
 * The model in `files`, its weights uploaded to `device` (the default device when absent) in the type they are stored in
 * (bf16 as f32 on the CPU).
 * @throws ModelError | SafetensorsError naming the file, key or tensor at fault; no tensor is left on the device then
 */
export async function modelFromBytes(files: ModelBytes, options: { device?: Device } = {}): Promise<Decoder> {
  const base = parseConfig(parsed(files.config, 'config.json'))
  const generation = files.generationConfig
  const config = generation === undefined ? base : withStopIds(base, parsed(generation, 'generation_config.json'))
  const check = new CheckpointCheck(config)
  const uploaded = new Map<string, Tensor>()
  try {
    for await (const { name: source, bytes } of files.weights) {
      const file = parseSafetensors(bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes), source)
      const wanted = [...file.tensors.values()].filter((info) => check.add(source, info))
      for (const info of wanted)
        uploaded.set(info.name, uploadWeight(info, file.read(info.name), options.device ?? defaultDevice()))
    }
    check.finish('the model')
  } catch (error) {
    for (const each of uploaded.values()) each.dispose()
    throw error
  }
  return { config, weights: Object.fromEntries([...weightShapes(config).keys()].map((n) => [n, uploaded.get(n)!])) }
}
