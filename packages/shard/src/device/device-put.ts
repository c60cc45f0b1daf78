// devicePut and withShardingConstraint: JAX's two ways to say where an array is placed.
import { shardingConstraint, Tensor, tensorFromFile, type Aval, type HostArray } from '@jora/tensor'
import type { Device, FileRange } from '@jora/tensor/graph'
import { ShardingError } from '../mesh/mesh'
import { MeshDevice } from './mesh-device'
import type { PartitionSpec } from '../mesh/sharding'

/**
 * `x` on `device`, split as `spec` says, as `jax.device_put`: from host elements with their `aval`, or from a tensor of that
 * mesh. On a device that is no mesh, whole.
 * @throws ShardingError when the array does not divide so
 */
export function devicePut(x: Tensor, device: Device, spec: PartitionSpec): Tensor
export function devicePut(x: HostArray, device: Device, spec: PartitionSpec, aval: Aval): Tensor
export function devicePut(x: Tensor | HostArray, device: Device, spec: PartitionSpec, aval?: Aval): Tensor {
  if (x instanceof Tensor) {
    if (x.buffer.device !== device)
      throw new ShardingError(
        `devicePut: the tensor is on ${x.buffer.device.name}, not on ${device.name}; pass its elements`,
      )
    if (!(device instanceof MeshDevice)) return x
    const placed = device.reshard(x.buffer, spec)
    return placed === x.buffer ? x : Tensor.fromBuffer(placed, x.label)
  }
  const buffer = device instanceof MeshDevice ? device.uploadSharded(x, aval!, spec) : device.upload(x, aval!)
  return Tensor.fromBuffer(buffer)
}

/** A tensor that stays in its file, of which each device of a mesh reads the part that `spec` gives it; whole on any other device. */
export function shardedFromFile(
  range: FileRange,
  aval: Aval,
  spec: PartitionSpec,
  { device, label }: { device?: Device; label: string },
): Tensor {
  if (!(device instanceof MeshDevice)) return tensorFromFile(range, aval, { label, ...(device ? { device } : {}) })
  return Tensor.fromBuffer(device.fromFileSharded({ ...range, label }, aval, spec), label)
}

/** x, lying as `spec` says when the program runs on a mesh, as `jax.lax.with_sharding_constraint`; its gradient is placed the same. */
export const withShardingConstraint = (x: Tensor, spec: PartitionSpec): Tensor =>
  shardingConstraint(
    x,
    x.shape.map((_, i) => spec.dimensions[i] ?? []),
  )
