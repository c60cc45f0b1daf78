// A tensor on a mesh: its parts on the devices here, and where they are of the whole.
import { dtypeBytes, hostArray, sizeOf, type Aval, type HostArray } from '@jora/tensor'
import { showAval, type Device, type DeviceBuffer, type FileRange } from '@jora/tensor/graph'
import { ShardingError, type Mesh } from '../mesh/mesh'
import { localShape, partStart, type Placement } from '../mesh/placement'
import type { PartitionSpec } from '../mesh/sharding'
import type { Member } from './member-program'

/** A tensor on a mesh. */
export class MeshBuffer implements DeviceBuffer {
  /** One on each device here, once the program that makes it has run. */
  parts: readonly DeviceBuffer[] | undefined
  failure: Error | undefined
  released = false

  constructor(
    readonly device: Device,
    readonly aval: Aval,
    readonly placement: Placement,
    parts?: readonly DeviceBuffer[],
  ) {
    this.parts = parts
  }

  /** The part on the device `member` here, once it is this buffer's turn. @throws its failure, or Error when it was released */
  part(member: number): DeviceBuffer {
    if (this.failure) throw this.failure
    const part = this.parts?.[member]
    if (!part) throw new Error(`a ${showAval(this.aval)} was released before it was used`)
    return part
  }

  /** Gives the parts back to their devices. */
  free(): void {
    for (const part of this.parts ?? []) part.device.release(part)
    this.parts = undefined
  }
}

/** Extracts, row-major, the part of `shape` that begins at `starts` and has `part` elements a dimension. */
function hostPart(
  data: HostArray,
  shape: readonly number[],
  starts: readonly number[],
  part: readonly number[],
): HostArray {
  const out = data.slice(0, sizeOf(part))
  // Runs of elements that are together in both: from the last dimension that is cut.
  let run = 1
  let dim = shape.length - 1
  while (dim >= 0 && part[dim] === shape[dim]) run *= shape[dim--]!
  if (dim < 0) return data.slice()
  run *= part[dim]!
  for (let to = 0; to < out.length; to += run) {
    let [rest, from, stride] = [to, 0, 1]
    for (let i = shape.length - 1; i >= 0; i--) {
      from += ((rest % part[i]!) + starts[i]!) * stride
      rest = Math.floor(rest / part[i]!)
      stride *= shape[i]!
    }
    out.set(data.subarray(from, from + run) as never, to)
  }
  return out
}

/** Uploads to each member its part of `data`, an array of `aval`. */
export const uploadParts = (
  mesh: Mesh,
  members: readonly Member[],
  data: HostArray,
  aval: Aval,
  placement: Placement,
): DeviceBuffer[] => {
  const shape = localShape(mesh, placement, aval.shape)
  return members.map(({ device, position }) => {
    const starts = aval.shape.map((d, dim) => partStart(mesh, placement, dim, d, position))
    const coordinates = mesh.coordinates(position)
    // Of terms of a sum the first device of an axis has all, the others nothing.
    const hasTerm = placement.every((state, i) => state !== 'unreduced' || coordinates[i] === 0)
    const part = hasTerm ? hostPart(data, aval.shape, starts, shape) : hostArray(aval.dtype, sizeOf(shape))
    return device.upload(part, { shape, dtype: aval.dtype })
  })
}

/**
 * Parts of a tensor that stays in its file, of which each member reads its own only.
 * @throws ShardingError naming `spec` when more than one dimension is split, or it is a sum of terms
 */
export function fileParts(
  mesh: Mesh,
  members: readonly Member[],
  range: FileRange,
  aval: Aval,
  placement: Placement,
  spec: PartitionSpec,
): DeviceBuffer[] {
  const split = [...new Set(placement.filter((state): state is number => typeof state === 'number'))]
  if (placement.includes('unreduced'))
    throw new ShardingError(`${spec}: a tensor in a file is not a sum of terms that devices hold`)
  if (split.length === 0) return members.map(({ device }) => device.fromFile(range, aval))
  if (split.length > 1 || range.pieces)
    throw new ShardingError(`${spec}: a tensor in a file can be split along one dimension`)
  const [dim] = split as [number]
  const shape = localShape(mesh, placement, aval.shape)
  const inner = sizeOf(aval.shape.slice(dim + 1)) * dtypeBytes[aval.dtype]
  const count = sizeOf(aval.shape.slice(0, dim))
  return members.map(({ device, position }) => {
    const start = partStart(mesh, placement, dim, aval.shape[dim]!, position)
    const own = { ...range, offset: range.offset + start * inner, length: sizeOf(shape) * dtypeBytes[aval.dtype] }
    const pieces = count > 1 ? { pieces: { count, strideBytes: aval.shape[dim]! * inner } } : {}
    return device.fromFile({ ...own, ...pieces }, { shape, dtype: aval.dtype })
  })
}
