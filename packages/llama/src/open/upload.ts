// A source's weights as tensors: those that a device can map stay in their files, others are unpacked and uploaded.
import { disposeTree, viewAs, type Device, type Weight } from '@jora/tensor'
import { devicePut, MeshDevice, P, shardedFromFile } from '@jora/shard'
import { encodeFloats, fromSafetensorsDType, isFloatDType } from '@jora/tensor/safetensors'
import {
  allFinite,
  blockBytesOf,
  blockTypes,
  decodeRows,
  type Quantisation,
  type WeightSource,
} from '@jora/tensor/weights'
import type { DecoderConfig } from '../config/config'
import type { Weights } from '../model'
import { weightSharding } from '../partition'
import { notFinite, placeQuantised, quantisedPlan, readCodes } from './quantised'
import { isBlocks, storedType, weightShapes } from './weights'

/** Bytes of a file that are looked at a time. */
const chunkBytes = 2 ** 23

/**
 * Reads the weights that the config calls for, once, and makes sure that every value is finite. A device that maps the same
 * file then finds it in the system's memory.
 * @throws ModelError naming file and weight
 */
async function checkFinite(source: WeightSource, name: string): Promise<void> {
  const { type, shape } = source.entries.get(name)!
  if (!isFloatDType(type)) return
  const length = blockBytesOf(storedType(type), sizeOf(shape))
  for (let from = 0; from < length; from += chunkBytes) {
    const bytes = await source.read(name, from, Math.min(length, from + chunkBytes))
    if (!allFinite(bytes, type)) throw notFinite(source, name)
  }
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1)

/** A weight as float32, its blocks unpacked. @throws ModelError when a value is not finite */
async function readFloats(source: WeightSource, name: string): Promise<Float32Array> {
  const { type, shape } = source.entries.get(name)!
  const stored = storedType(type)
  const { blockBytes } = blockTypes[stored]
  const values = new Float32Array(sizeOf(shape))
  const bytes = blockBytesOf(stored, values.length)
  // Whole blocks at a time: a large matrix is never in memory twice.
  const step = Math.max(1, Math.floor(chunkBytes / blockBytes)) * blockBytes
  let to = 0
  for (let from = 0; from < bytes; from += step) {
    const part = decodeRows(await source.read(name, from, Math.min(bytes, from + step)), stored)
    if (!allFinite(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), 'F32')) throw notFinite(source, name)
    values.set(part, to)
    to += part.length
  }
  return values
}

export interface UploadOptions {
  readonly device: Device
  /** What is computed in. */
  readonly dtype: 'f32' | 'f16'
  /** Whether every value must be finite. */
  readonly check: boolean
  /** How linear layers in floats are quantised (default: not). */
  readonly quantize?: Quantisation | undefined
  /** Products are computed in 8 bits: of linear layers where the model is trained, of all matrices where it is only asked. */
  readonly int8?: 'asked' | 'trained' | undefined
}

/**
 * The weights that `config` calls for, on `device`. Floats that are in a file stay there until a program uses them
 * (memory-mapped on the CPU; on a mesh each device reads its part); matrices of blocks become codes with scales, from which
 * programs compute, and so do linear layers that are to be quantised; other blocks are unpacked to f32.
 * @throws ModelError naming a weight with values that are not finite; ShardingError for a mesh that does not fit, before any
 *   tensor is made
 */
export async function uploadWeights(
  source: WeightSource,
  config: DecoderConfig,
  { device, dtype, check, quantize, int8 }: UploadOptions,
): Promise<Weights> {
  const specOf = device instanceof MeshDevice ? weightSharding(config, device.mesh) : () => P()
  const weights: Record<string, Weight> = {}
  try {
    for (const [name, shape] of weightShapes(config)) {
      const { type } = source.entries.get(name)!
      const plan = quantisedPlan(name, source.entries.get(name)!, quantize, int8)
      if (plan) {
        const codes = await readCodes(source, name, plan)
        weights[name] = placeQuantised(plan, shape, {
          device,
          spec: specOf(name),
          put: (part, aval, spec) => devicePut(codes[part]!, device, spec, aval),
        })
        continue
      }
      const range = isBlocks(type) ? undefined : source.range?.(name)
      if (range) {
        if (check) await checkFinite(source, name)
        const aval = { shape, dtype: fromSafetensorsDType(type as 'F32')! }
        weights[name] = shardedFromFile(range, aval, specOf(name), { device, label: name })
        continue
      }
      const values = await readFloats(source, name)
      const half = dtype === 'f16' && shape.length > 1
      const array = half ? viewAs('f16', encodeFloats(values, 'F16')) : values
      weights[name] = devicePut(array, device, specOf(name), { shape, dtype: half ? 'f16' : 'f32' })
    }
    return weights
  } catch (error) {
    disposeTree(weights)
    throw error
  }
}
