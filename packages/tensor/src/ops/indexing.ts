// Reading and adding rows by index.
import { normaliseAxis } from '../shape'
import type { Tensor } from '../tensor'
import { apply } from './apply'
import { reshape } from './movement'
import { add, mul } from './elementwise'
import { arange } from './create'

/** How indices meet a batch; JAX calls such leading dimensions operand batching dims. */
export interface BatchedIndexing {
  /** Leading dimensions that indices and tensor share: element b of the indices speaks of element b of the tensor. */
  readonly batchDims?: 0 | 1
}

/**
 * Slices of `axis` at `indices` (i32, any shape, 0 ≤ index < size): `[…, ...indices.shape, …]`. With `batchDims` 1,
 * x `[b, m, …]` and indices `[b, n]` give `[b, n, …]`: out[b, i] = x[b, indices[b, i]].
 * @param axis the first that is no batch, when absent; in a batch no other
 * @throws TensorError when indices are not i32, or not of x's batch
 */
export const gather = (x: Tensor, indices: Tensor, axis?: number, { batchDims = 0 }: BatchedIndexing = {}): Tensor =>
  apply('gather', [x, indices], { axis: normaliseAxis('gather', axis ?? batchDims, x.shape.length), batchDims })

/**
 * Zeros `[size, …]` with `updates[i]` added at row `indices[i]`: gather's transpose. Repeated indices add up. With
 * `batchDims` 1, indices `[b, n]` and updates `[b, n, …]` give `[b, size, …]`.
 */
export const scatterAdd = (
  indices: Tensor,
  updates: Tensor,
  size: number,
  { batchDims = 0 }: BatchedIndexing = {},
): Tensor => apply('scatterAdd', [indices, updates], { size, batchDims })

/** x[i, indices[i]] for x `[n, m]`, indices i32 `[n]` → `[n]`. */
export function pick(x: Tensor, indices: Tensor): Tensor {
  const [n = 0, m = 0] = x.shape
  return gather(reshape(x, [n * m]), add(mul(arange(n), m), indices))
}
