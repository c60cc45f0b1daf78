// Adapters on the host: to a device and back, and as PEFT's files have them.
import { tensor, type Device, type Tensor } from '@jora/tensor'
import { loraRank, type LoraConfig } from '../settings/lora-config'
import { mapParts, methodOf, partShape, partsOf } from './methods'
import { isLowRank, type ModuleParts, type PartName, type Parts, type Replaced } from './methods/method'

/** A matrix on the host. */
export interface HostMatrix {
  /** Row-major. */
  readonly data: Float32Array
  readonly shape: readonly number[]
}

/** What an adapter on the host has of a module: of low rank, its tensors row-major, else a matrix. */
export type ModuleArrays = Parts<Float32Array> | Replaced<HostMatrix>

/** An adapter on the host. */
export type AdapterArrays = Readonly<Record<string, ModuleArrays>>

/** An adapter on the host that has low-rank updates alone. */
export type LowRankArrays = Readonly<Record<string, Parts<Float32Array>>>

/** A module's adapter of rank `r` as tensors of a device, the default one when absent. */
export const uploadParts = (arrays: Parts<Float32Array>, r: number, device?: Device): Parts<Tensor> =>
  mapParts(arrays, (data, name) =>
    tensor(data, { shape: partShape(name, data.length, r), ...(device ? { device } : {}) }),
  )

/** A matrix as a tensor of a device, the default one when absent. */
export const uploadMatrix = ({ data, shape }: HostMatrix, device?: Device): Tensor =>
  tensor(data, { shape, ...(device ? { device } : {}) })

/** What a module's adapter is, as tensors of a device: of rank `r`, or of its own shape. */
export const uploadModule = (arrays: ModuleArrays, r: number, device?: Device): ModuleParts<Tensor> =>
  isLowRank(arrays)
    ? uploadParts(arrays, r, device)
    : mapParts<HostMatrix, Tensor>(arrays, (matrix) => uploadMatrix(matrix, device))

/** The adapter on the host. */
export async function downloadAdapter(adapter: Readonly<Record<string, ModuleParts<Tensor>>>): Promise<AdapterArrays> {
  const arrays: Record<string, ModuleArrays> = {}
  for (const [module, parts] of Object.entries(adapter)) {
    const read: Partial<Record<PartName, Float32Array | HostMatrix>> = {}
    for (const [name, values] of partsOf(parts)) {
      const data = (await values.data()) as Float32Array
      read[name] = isLowRank(parts) ? data : { data, shape: values.shape }
    }
    arrays[module] = read as ModuleArrays
  }
  return arrays
}

/** The adapter and its settings as PEFT's files have them. @throws ConfigError as `methodOf` */
export function converted(
  adapter: AdapterArrays,
  config: LoraConfig,
): { readonly adapter: AdapterArrays; readonly config: LoraConfig } {
  const conversion = methodOf(config).converted
  if (!conversion) return { adapter, config }
  return {
    adapter: mapLowRank(adapter, (parts, name) => conversion.parts(parts, loraRank(config, name))),
    config: conversion.config(config),
  }
}

const mapLowRank = (
  adapter: AdapterArrays,
  change: (parts: Parts<Float32Array>, module: string) => Parts<Float32Array>,
): AdapterArrays =>
  Object.fromEntries(
    Object.entries(adapter).map(([name, parts]) => [name, isLowRank(parts) ? change(parts, name) : parts]),
  )

/** What {@link converted} was given, of what it made. */
export function restored(adapter: AdapterArrays, config: LoraConfig): AdapterArrays {
  const conversion = methodOf(config).converted
  if (!conversion) return adapter
  return mapLowRank(adapter, (parts, name) => conversion.restore(parts, loraRank(config, name)))
}
