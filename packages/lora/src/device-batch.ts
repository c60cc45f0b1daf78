// A batch on a device.
import { defaultDevice, type Device, type Tensor } from '@jora/tensor'
import type { Batch } from '@jora/data'
import { devicePut } from '@jora/shard'
import { batchSharding } from './on-mesh'

export type DeviceBatch = {
  /** Token ids, i32 `[batch, seq]`. */
  readonly tokens: Tensor
  /** As `tokenLosses` takes them: i32 `[slots]`, or `[groups, slots]`. */
  readonly labelRows: Tensor
  readonly labels: Tensor
}

/**
 * The batch's arrays as tensors of `device`, on a mesh split by rows over its data axis. A batch of one group has no group
 * dimension.
 */
export function uploadBatch(batch: Batch, device: Device = defaultDevice()): DeviceBatch {
  const { groups, batchSize, seqLen } = batch
  const upload = (data: Int32Array, shape: readonly number[]) =>
    devicePut(data, device, batchSharding, { shape, dtype: 'i32' })
  const slots = batch.labels.length / groups
  const labelShape = groups === 1 ? [slots] : [groups, slots]
  return {
    tokens: upload(batch.tokens, [batchSize, seqLen]),
    labelRows: upload(batch.labelRows, labelShape),
    labels: upload(batch.labels, labelShape),
  }
}
