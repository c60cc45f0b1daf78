// A batch on a device.
import { defaultDevice, type Device, type Tensor } from '@jora/tensor'
import type { Batch } from '@jora/data'
import type { DecoderInput, LabelledRows } from '@jora/llama'
import { devicePut } from '@jora/shard'
import { batchSharding } from './on-mesh'

export type DeviceBatch = {
  /** Token ids, i32 `[batch, seq]`. */
  readonly tokens: Tensor
  /** As `tokenLosses` takes them: i32 `[slots]`, or `[groups, slots]`. */
  readonly labelRows: Tensor
  readonly labels: Tensor
  /** Of rows that hold several samples: i32 `[batch, seq]` and `[batch, seq, 4]`; see `PackedRows`. */
  readonly packed?: { readonly positions: Tensor; readonly visibility: Tensor; readonly window: number }
}

/** What `tokenLosses` takes of a batch. */
export const lossInputs = ({ tokens, packed, labelRows, labels }: DeviceBatch): [DecoderInput, LabelledRows] => [
  { tokens, ...packed },
  { labelRows, labels },
]

/**
 * The batch's arrays as tensors of `device`, on a mesh split by rows over its data axis. A batch of one group has no group
 * dimension.
 */
export function uploadBatch(batch: Batch, device: Device = defaultDevice()): DeviceBatch {
  const { groups, batchSize, seqLen, packed } = batch
  const upload = (data: Int32Array, shape: readonly number[]) =>
    devicePut(data, device, batchSharding, { shape, dtype: 'i32' })
  const slots = batch.labels.length / groups
  const labelShape = groups === 1 ? [slots] : [groups, slots]
  return {
    tokens: upload(batch.tokens, [batchSize, seqLen]),
    labelRows: upload(batch.labelRows, labelShape),
    labels: upload(batch.labels, labelShape),
    ...(packed && {
      packed: {
        positions: upload(packed.positions, [batchSize, seqLen]),
        visibility: upload(packed.visibility, [batchSize, seqLen, 4]),
        window: packed.window,
      },
    }),
  }
}
