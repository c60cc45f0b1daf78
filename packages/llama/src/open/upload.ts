// A source's weights as tensors: those that a device can map stay in their files, others are unpacked and uploaded.
import { disposeTree, viewAs, type Device, type QuantisedWeight, type Tensor, type Weight } from '@jora/tensor'
import { devicePut, MeshDevice, P, shardedFromFile, type PartitionSpec } from '@jora/shard'
import { encodeFloats, fromSafetensorsDType, isFloatDType } from '@jora/tensor/safetensors'
import {
  allFinite,
  blockBytesOf,
  blockTypes,
  codesOfRows,
  decodeRows,
  hasMinima,
  layoutOf,
  type WeightSource,
} from '@jora/tensor/weights'
import { ModelError, type DecoderConfig } from '../config/config'
import type { Weights } from '../model'
import { weightSharding } from '../partition'
import { isBlocks, storedType, weightShapes } from './weights'

/** Bytes of a file that are looked at a time. */
const chunkBytes = 2 ** 23

const notFinite = (source: WeightSource, name: string): ModelError =>
  new ModelError(
    `${source.entries.get(name)!.file}: ${name} has values that are not finite (NaN or infinite): the file is damaged, or the training that made it diverged`,
  )

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

/** A matrix of blocks as codes with scales, `[rows, columns]`. @throws ModelError when a scale is not finite */
async function readQuantised(
  source: WeightSource,
  name: string,
  place: (array: Uint8Array | Float32Array, columns: number) => Tensor,
): Promise<QuantisedWeight> {
  const { type, shape } = source.entries.get(name)!
  const [rows, columns] = shape as [number, number]
  const blocks = type as Parameters<typeof layoutOf>[0]
  const layout = layoutOf(blocks)
  const [codeColumns, groups] = [(columns * layout.bits) / 8, columns / layout.group]
  const codes = new Uint8Array(rows * codeColumns)
  const scales = new Float32Array(rows * groups)
  const mins = hasMinima(blocks) ? new Float32Array(rows * groups) : undefined
  const rowBytes = blockBytesOf(blocks, columns)
  const step = Math.max(1, Math.floor(chunkBytes / rowBytes))
  for (let row = 0; row < rows; row += step) {
    const bytes = await source.read(name, row * rowBytes, Math.min(rows, row + step) * rowBytes)
    try {
      const part = codesOfRows(bytes, blocks)
      codes.set(part.codes, row * codeColumns)
      scales.set(part.scales, row * groups)
      if (part.mins) mins?.set(part.mins, row * groups)
    } catch (error) {
      throw error instanceof RangeError ? notFinite(source, name) : error
    }
  }
  return {
    codes: place(codes, codeColumns),
    scales: place(scales, groups),
    ...(mins ? { mins: place(mins, groups) } : {}),
    layout,
    shape,
  }
}

/** How a quantised matrix is placed: as it would in floats, or whole where a split would cut through groups. */
function specWithin(spec: PartitionSpec, device: Device, groups: number): PartitionSpec {
  if (!(device instanceof MeshDevice)) return spec
  const parts = (spec.dimensions[1] ?? []).reduce((n, axis) => n * device.mesh.along(axis), 1)
  return groups % parts === 0 ? spec : P()
}

/**
 * The weights that `config` calls for, on `device`. Floats that are in a file stay there until a program uses them
 * (memory-mapped on the CPU; on a mesh each device reads its part); matrices of blocks become codes with scales, from which
 * programs compute; other blocks are unpacked to f32.
 * @throws ModelError naming a weight with values that are not finite; ShardingError for a mesh that does not fit, before any
 *   tensor is made
 */
export async function uploadWeights(
  source: WeightSource,
  config: DecoderConfig,
  { device, dtype, check }: { readonly device: Device; readonly dtype: 'f32' | 'f16'; readonly check: boolean },
): Promise<Weights> {
  const specOf = device instanceof MeshDevice ? weightSharding(config, device.mesh) : () => P()
  const weights: Record<string, Weight> = {}
  try {
    for (const [name, shape] of weightShapes(config)) {
      const { type } = source.entries.get(name)!
      const range = isBlocks(type) ? undefined : source.range?.(name)
      if (range) {
        if (check) await checkFinite(source, name)
        const aval = { shape, dtype: fromSafetensorsDType(type as 'F32')! }
        weights[name] = shardedFromFile(range, aval, specOf(name), { device, label: name })
        continue
      }
      if (isBlocks(type) && shape.length === 2) {
        const spec = specWithin(specOf(name), device, shape[1]! / layoutOf(type).group)
        weights[name] = await readQuantised(source, name, (array, columns) =>
          devicePut(array, device, spec, {
            shape: [shape[0]!, columns],
            dtype: array instanceof Uint8Array ? 'u8' : 'f32',
          }),
        )
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
