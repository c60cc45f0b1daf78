// Quantised matrices of a model: a GGUF's blocks as they are, and floats that are quantised as they are read.
import type { Aval, Device, Layout, QuantisedWeight, Tensor } from '@jora/tensor'
import { MeshDevice, PartitionSpec } from '@jora/shard'
import {
  allFinite,
  bytesLayout,
  bytesOfRows,
  blockBytesOf,
  codesOfRows,
  decodeRows,
  hasMinima,
  layoutOf,
  quantisedLayout,
  quantiseRows,
  settleScales,
  type Codes,
  type Quantisation,
  type WeightEntry,
  type WeightSource,
} from '@jora/tensor/weights'
import { ModelError } from '../config/config'
import { isBlocks, storedType } from './weights'

/** Bytes of a file that are looked at a time. */
const chunkBytes = 2 ** 23

export const notFinite = (source: WeightSource, name: string): ModelError =>
  new ModelError(
    `${source.entries.get(name)!.file}: ${name} has values that are not finite (NaN or infinite): the file is damaged, or the training that made it diverged`,
  )

/** How a matrix becomes codes. */
export interface QuantisedPlan {
  readonly layout: Layout
  readonly hasMins: boolean
  /** Whole rows, as they are stored, as codes. @throws RangeError when a value or scale is not finite */
  codesOf(bytes: Uint8Array): Codes
  /** What is read back of the scales of the whole matrix. */
  settle(scales: Float32Array): Float32Array
}

/** What `--quantize` quantises: the linear layers, as bitsandbytes does. */
export const isLinear = (name: string): boolean => name.endsWith('_proj.weight')

/**
 * How a weight is quantised: as its file has it, or by `method`; undefined for one that is computed from floats.
 * @param int8 what products in 8 bits are for: in a model that is asked all matrices in floats become bytes too; in one that is trained
 *   its linear layers do, by rows where no `method` says otherwise
 */
export function quantisedPlan(
  name: string,
  { type, shape }: Pick<WeightEntry, 'type' | 'shape'>,
  method: Quantisation | undefined,
  int8?: 'asked' | 'trained',
): QuantisedPlan | undefined {
  if (shape.length !== 2) return undefined
  const inBytes = int8 === 'asked' || (int8 === 'trained' && isLinear(name))
  if (isBlocks(type))
    return {
      layout: { ...layoutOf(type), ...(inBytes ? { int8: inBytes } : {}) },
      hasMins: hasMinima(type),
      codesOf: (bytes) => codesOfRows(bytes, type),
      settle: (scales) => scales,
    }
  const columns = shape[1]!
  const chosen = isLinear(name) ? (method ?? (int8 === 'trained' ? 'int8' : undefined)) : undefined
  const layout = chosen ? quantisedLayout(chosen, columns) : inBytes ? bytesLayout(columns) : undefined
  if (!layout) return undefined
  return {
    layout: inBytes ? { ...layout, int8: inBytes } : layout,
    hasMins: false,
    codesOf(bytes) {
      const values = decodeRows(bytes, storedType(type))
      if (!allFinite(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), 'F32'))
        throw new RangeError('a value is not finite')
      return chosen ? quantiseRows(values, columns, chosen) : bytesOfRows(values)
    },
    settle: (scales) => (chosen ? settleScales(scales, chosen) : scales),
  }
}

/** A matrix as codes with scales, read some rows at a time. @throws ModelError when a value or scale is not finite */
export async function readCodes(source: WeightSource, name: string, plan: QuantisedPlan): Promise<Codes> {
  const { type, shape } = source.entries.get(name)!
  const [rows, columns] = shape as [number, number]
  const { bits, group } = plan.layout
  const [codeColumns, groups] = [(columns * bits) / 8, columns / group]
  const codes = new Uint8Array(rows * codeColumns)
  const scales = new Float32Array(rows * groups)
  const mins = plan.hasMins ? new Float32Array(rows * groups) : undefined
  const rowBytes = blockBytesOf(storedType(type), columns)
  const step = Math.max(1, Math.floor(chunkBytes / rowBytes))
  for (let row = 0; row < rows; row += step) {
    const bytes = await source.read(name, row * rowBytes, Math.min(rows, row + step) * rowBytes)
    try {
      const part = plan.codesOf(bytes)
      codes.set(part.codes, row * codeColumns)
      scales.set(part.scales, row * groups)
      if (part.mins) mins?.set(part.mins, row * groups)
    } catch (error) {
      throw error instanceof RangeError ? notFinite(source, name) : error
    }
  }
  return { codes, scales: plan.settle(scales), ...(mins ? { mins } : {}) }
}

/** A part of a quantised matrix, on a device. */
export type PutPart = (part: 'codes' | 'scales' | 'mins', aval: Aval, spec: PartitionSpec) => Tensor

/**
 * A quantised matrix of tensors that `put` makes. Its parts lie as a matrix of floats would, or whole where a split would cut
 * through groups.
 * @param spec how a matrix of floats lies on `device`
 */
export function placeQuantised(
  { layout, hasMins }: QuantisedPlan,
  shape: readonly number[],
  { device, spec, put }: { readonly device: Device; readonly spec: PartitionSpec; readonly put: PutPart },
): QuantisedWeight {
  const [rows, columns] = shape as [number, number]
  const groups = columns / layout.group
  const [ofRows = [], ofColumns = []] = spec.dimensions
  const parts = device instanceof MeshDevice ? ofColumns.reduce((n, axis) => n * device.mesh.along(axis), 1) : 1
  // One scale for a whole row serves every part of it, but for bytes that hold codes of both halves.
  const cut = groups === 1 && layout.bits === 8 ? columns % parts === 0 : groups % parts === 0
  const specOf = (split: boolean) => new PartitionSpec([ofRows, split && cut ? ofColumns : []])
  const numbers = (part: 'scales' | 'mins') => put(part, { shape: [rows, groups], dtype: 'f32' }, specOf(groups > 1))
  return {
    codes: put('codes', { shape: [rows, (columns * layout.bits) / 8], dtype: 'u8' }, specOf(true)),
    scales: numbers('scales'),
    ...(hasMins ? { mins: numbers('mins') } : {}),
    layout,
    shape,
  }
}
